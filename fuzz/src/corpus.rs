//! The inputs kept on disk: one directory for each target, one file for each class of inputs that a run found.

use crate::Target;
use alloy_primitives::{hex, keccak256};
use std::{io, path::PathBuf};

/// Bytes of a kept input, at most: the corpus is committed.
pub const KEPT_MAX: usize = 4_096;

/// Where a target's inputs are.
pub fn directory(target: &Target) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target.name].iter().collect()
}

/// The kept inputs of a target, in an order that does not change; none if nothing was kept yet.
///
/// # Errors
/// If the directory cannot be read.
pub fn load(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let entries = match std::fs::read_dir(directory(target)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(std::fs::read).collect()
}

/// Keeps the inputs that are small enough, under names made of their contents; returns how many those are.
///
/// # Errors
/// If they cannot be written.
pub fn keep(target: &Target, inputs: &[Vec<u8>]) -> io::Result<usize> {
    let directory = directory(target);
    std::fs::create_dir_all(&directory)?;
    let small: Vec<_> = inputs.iter().filter(|input| input.len() <= KEPT_MAX).collect();
    for input in &small {
        let name = hex::encode(&keccak256(input)[..8]);
        std::fs::write(directory.join(name), input)?;
    }
    Ok(small.len())
}
