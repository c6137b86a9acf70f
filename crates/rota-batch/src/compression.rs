//! Channel compression: zlib, or brotli behind a version byte (Fjord). Decompression is bounded.

use crate::{DecodeError, MAX_CHANNEL_BYTES};
use miniz_oxide::{
    DataFormat, MZFlush, MZStatus,
    inflate::stream::{self, InflateState},
};
use std::io::{Read, Write};

/// Version byte before a brotli stream; a zlib stream begins with its own header.
const BROTLI: u8 = 0x01;

/// How a channel is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zlib at its best level.
    Zlib,
    /// Brotli at this quality (0 to 11).
    Brotli(u8),
}

impl Compression {
    /// Compresses a channel's batches.
    pub fn compress(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Zlib => miniz_oxide::deflate::compress_to_vec_zlib(data, 9),
            Self::Brotli(quality) => {
                const WINDOW_BITS: u32 = 22;
                let mut writer =
                    brotli::CompressorWriter::new(vec![BROTLI], 4096, u32::from(quality.min(11)), WINDOW_BITS);
                writer.write_all(data).expect("writing to memory succeeds");
                writer.into_inner()
            }
        }
    }
}

/// Decompresses a channel, at most [`MAX_CHANNEL_BYTES`] of it. As in op-node, what comes out before an error counts.
pub fn decompress(data: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match data {
        [BROTLI, rest @ ..] => {
            let mut out = Vec::new();
            // An error ends the output; `read_to_end` keeps what was read before.
            let _ = brotli::Decompressor::new(rest, 4096).take(MAX_CHANNEL_BYTES as u64).read_to_end(&mut out);
            Ok(out)
        }
        [first, ..] if first & 0x0f == 8 => Ok(inflate(data)),
        _ => Err(DecodeError::Malformed("compression")),
    }
}

fn inflate(mut stream: &[u8]) -> Vec<u8> {
    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let mut out = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while out.len() < MAX_CHANNEL_BYTES {
        let result = stream::inflate(&mut state, stream, &mut piece, MZFlush::None);
        out.extend_from_slice(&piece[..result.bytes_written]);
        stream = &stream[result.bytes_consumed..];
        let stuck = result.bytes_written == 0 && result.bytes_consumed == 0;
        if stuck || result.status != Ok(MZStatus::Ok) {
            break;
        }
    }
    out.truncate(MAX_CHANNEL_BYTES);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_round_trip_and_shrink() {
        let data = b"span batches repeat themselves ".repeat(100);
        for compression in [Compression::Zlib, Compression::Brotli(5), Compression::Brotli(10)] {
            let compressed = compression.compress(&data);
            assert!(compressed.len() < data.len() / 4);
            assert_eq!(decompress(&compressed), Ok(data.clone()));
        }
    }

    #[test]
    fn a_cut_stream_gives_what_it_holds() {
        let data: Vec<u8> = (0..200_000u32).flat_map(|i| alloy_primitives::keccak256(i.to_be_bytes()).0).collect();
        for compression in [Compression::Zlib, Compression::Brotli(1)] {
            let compressed = compression.compress(&data[..1_000_000]);
            let cut = decompress(&compressed[..compressed.len() / 2]).unwrap();
            assert!(!cut.is_empty() && data.starts_with(&cut), "{compression:?}: {}", cut.len());
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; MAX_CHANNEL_BYTES + 1_000];
        for compression in [Compression::Zlib, Compression::Brotli(1)] {
            let out = decompress(&compression.compress(&zeros)).unwrap();
            assert!(out.len() <= MAX_CHANNEL_BYTES, "{compression:?}: {}", out.len());
        }
    }

    #[test]
    fn other_first_bytes_are_refused() {
        for data in [&[][..], &[0x00, 1], &[0x02, 1], &[0x0f, 1]] {
            assert!(decompress(data).is_err());
        }
    }
}
