//! What happened in a run, as JSON lines that are written while it goes on: the same seed writes the same bytes.

use alloy_primitives::B256;
use parking_lot::Mutex;
use rota_types::Digest;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead, Write},
    sync::Arc,
    time::Duration,
};

/// Flashblocks whose heights are remembered, to name them where consensus knows only a digest.
const MAX_REMEMBERED: usize = 4_096;

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Simulated time since the start, microseconds.
    pub at_us: u64,
    /// Whom it happened to; nobody: to the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<usize>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The run begins.
    Begun {
        /// The seed.
        seed: u64,
        /// What the world is like.
        world: String,
    },
    /// An entry of the fault plan, before anything happens.
    Planned {
        /// The entry.
        entry: String,
    },
    /// The world does something: a fault, or its end.
    Done {
        /// In words.
        action: String,
    },
    /// The operator's node has started.
    Started,
    /// The operator's node has ended by itself.
    Ended {
        /// Why.
        reason: String,
    },
    /// The operator runs the engine of an epoch.
    EpochEntered {
        /// The epoch.
        epoch: u64,
        /// Whether it signs.
        signing: bool,
    },
    /// The operator's turn begins.
    Leads {
        /// Epoch.
        epoch: u64,
        /// The first view in which it was asked for a flashblock.
        view: u64,
    },
    /// The operator declines to propose in a view.
    Declined {
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
    },
    /// The operator proposes a flashblock.
    Proposed(Named),
    /// The operator has seen 2f+1 notarize votes.
    Notarized(Named),
    /// The operator has seen 2f+1 finalize votes.
    Finalized(Named),
    /// The operator has certified a flashblock, durably.
    Certified {
        /// Height.
        height: u64,
        /// Epoch.
        epoch: u64,
        /// View of its header.
        view: u64,
        /// Its digest.
        digest: Digest,
        /// Transactions in it.
        transactions: usize,
    },
    /// A view ended without a flashblock, as the operator saw it.
    Nullified {
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
    },
    /// The operator has verified evidence of a fault.
    Evidence {
        /// Against this operator.
        offender: Option<usize>,
        /// Which votes conflict.
        kind: String,
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
    },
    /// L2 blocks up to this number are in L1 blocks, as the operator has read.
    Posted {
        /// L2 block number.
        block: u64,
    },
    /// An L1 block.
    L1Block {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
    },
    /// L1 has replaced its newest blocks.
    L1Reorg {
        /// Number of the first block that is another now.
        from: u64,
    },
    /// The operator answered `submit` with a hash.
    Returned {
        /// Hash of the transaction.
        hash: B256,
    },
    /// A returned transaction is in a certified flashblock.
    Included {
        /// Hash of the transaction.
        hash: B256,
        /// Height.
        height: u64,
    },
    /// The run is over: nothing that must hold was broken.
    Passed,
    /// A claim does not hold: the run is over.
    Failed {
        /// The claim, and what was seen.
        reason: String,
    },
}

/// A flashblock, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its height, if its body has been seen.
    pub height: Option<u64>,
    /// Epoch.
    pub epoch: u64,
    /// View.
    pub view: u64,
    /// Its digest.
    pub digest: Digest,
}

/// Where a run is recorded; by default nowhere. Clones record into the same place.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Mutex<Recorder>>>);

struct Recorder {
    out: Box<dyn Write + Send>,
    /// Time of the newest line.
    at_us: u64,
    heights: BTreeMap<Digest, u64>,
    /// The first failure to write; nothing is written after it.
    error: Option<io::Error>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Trace(recording)" } else { "Trace(off)" })
    }
}

impl Trace {
    /// Writes lines to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let recorder = Recorder { out: Box::new(out), at_us: 0, heights: BTreeMap::new(), error: None };
        Self(Some(Arc::new(Mutex::new(recorder))))
    }

    /// Records what happened `at` this time after the start. `what` is made only if somebody records.
    pub fn record(&self, at: Duration, operator: Option<usize>, what: impl FnOnce() -> What) {
        if let Some(recorder) = &self.0 {
            // Made before the lock is taken: it may look at the trace itself.
            let line = Line { at_us: at.as_micros() as u64, operator, what: what() };
            recorder.lock().write(&line);
        }
    }

    /// Remembers the height of a flashblock for lines that have only its digest.
    pub(crate) fn remember(&self, digest: Digest, height: u64) {
        let Some(recorder) = &self.0 else { return };
        let heights = &mut recorder.lock().heights;
        if heights.len() >= MAX_REMEMBERED {
            let newest = heights.values().copied().max().unwrap_or_default();
            heights.retain(|_, height| *height + 256 > newest);
        }
        if heights.len() < MAX_REMEMBERED {
            heights.insert(digest, height);
        }
    }

    /// A flashblock with its height, if that is remembered.
    pub(crate) fn name(&self, epoch: u64, view: u64, digest: Digest) -> Named {
        let height = self.0.as_ref().and_then(|recorder| recorder.lock().heights.get(&digest).copied());
        Named { height, epoch, view, digest }
    }

    /// Ends the trace with a failure, at the time of its newest line.
    pub fn fail(&self, reason: &str) {
        if let Some(recorder) = &self.0 {
            let mut recorder = recorder.lock();
            let at_us = recorder.at_us;
            recorder.write(&Line { at_us, operator: None, what: What::Failed { reason: reason.into() } });
        }
    }

    /// Hands everything to the operating system; the first failure to write, if there was one.
    pub fn finish(&self) -> io::Result<()> {
        let Some(recorder) = &self.0 else { return Ok(()) };
        let mut recorder = recorder.lock();
        recorder.error.take().map_or_else(|| recorder.out.flush(), Err)
    }
}

impl Recorder {
    fn write(&mut self, line: &Line) {
        self.at_us = self.at_us.max(line.at_us);
        if self.error.is_none() {
            let written = serde_json::to_writer(&mut self.out, line).map_err(io::Error::from);
            self.error = written.and_then(|()| self.out.write_all(b"\n")).err();
        }
    }
}

/// A buffer that can be read while others write to it.
#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written so far, which it forgets.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a trace.
pub fn read(from: impl BufRead) -> impl Iterator<Item = io::Result<Line>> {
    from.lines().map(|line| Ok(serde_json::from_str(&line?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let out = Buffer::default();
        let trace = Trace::to(out.clone());
        trace.remember(B256::repeat_byte(1), 7);
        let proposed = trace.name(2, 3, B256::repeat_byte(1));
        assert_eq!(proposed.height, Some(7));
        trace.record(Duration::from_micros(5), Some(1), || What::Proposed(proposed));
        trace.record(Duration::from_micros(9), None, || What::L1Block { number: 4, hash: B256::repeat_byte(2) });
        trace.fail("two digests");
        trace.finish().expect("memory takes everything");
        let bytes = out.0.lock().clone();
        let lines: Vec<_> = read(bytes.as_slice()).collect::<io::Result<_>>().expect("lines of a trace");
        assert_eq!(lines[0], Line { at_us: 5, operator: Some(1), what: What::Proposed(proposed) });
        assert_eq!(lines[2], Line { at_us: 9, operator: None, what: What::Failed { reason: "two digests".into() } });
    }
}
