//! A leader that proposes what no honest operator may accept: the node's own application with its proposals changed.

use crate::wallet::Wallet;
use alloy_primitives::{Address, B256, Bytes};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use rota_consensus::{Ancestry, Application, Context, Event};
use rota_types::{Certificate, Digest, Flashblock, Limits};
use std::sync::Arc;

/// An account that nothing else in a simulation uses.
const SPARE_ACCOUNT: u32 = 19;

/// Gas of one transaction of too many.
const BURNT: u64 = 8_000_000;

/// One way to propose an invalid flashblock.
#[derive(Debug, Clone)]
pub enum Invalid {
    /// The outcome root is another.
    WrongOutcomeRoot,
    /// The block hash is another.
    WrongSeal,
    /// Carries a transaction whose signature recovers to somebody without funds.
    BadSignature(Bytes),
    /// Carries more gas than a flashblock may use.
    OverGas(Vec<Bytes>),
    /// Opens a block on the origin after the next.
    SkippedOrigin,
    /// Opens a block before its origin's time.
    BrokenDrift,
    /// Opens a block a second late.
    WrongTimestamp,
    /// The header names another body.
    WrongBody,
}

impl Invalid {
    /// Every way, for flashblocks of these limits.
    pub fn ways(chain_id: u64, limits: &Limits) -> Vec<Self> {
        let mut wallet = Wallet::new(chain_id, SPARE_ACCOUNT);
        let mut forged = wallet.transfer(Address::ZERO).1.to_vec();
        // The last byte belongs to s: the signature recovers to somebody else, or to nobody.
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        let burners = limits.max_flashblock_gas / BURNT + 1;
        vec![
            Self::WrongOutcomeRoot,
            Self::WrongSeal,
            Self::BadSignature(forged.into()),
            Self::OverGas((0..burners).map(|_| wallet.burn(BURNT).1).collect()),
            Self::SkippedOrigin,
            Self::BrokenDrift,
            Self::WrongTimestamp,
            Self::WrongBody,
        ]
    }

    /// What is wrong, in words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongOutcomeRoot => "wrong outcome root",
            Self::WrongSeal => "wrong block hash",
            Self::BadSignature(_) => "bad signature",
            Self::OverGas(_) => "too much gas",
            Self::SkippedOrigin => "skipped origin",
            Self::BrokenDrift => "block before its origin",
            Self::WrongTimestamp => "wrong timestamp",
            Self::WrongBody => "wrong body",
        }
    }

    /// Changes a valid flashblock; `None` if it is not of the kind that can be changed so.
    fn apply(&self, mut flashblock: Flashblock) -> Option<Flashblock> {
        let Flashblock { header, body } = &mut flashblock;
        let flip = |word: &mut B256| word.0[31] ^= 1;
        match self {
            Self::WrongOutcomeRoot => flip(&mut header.outcome_root),
            Self::WrongSeal if header.seals() => flip(&mut header.seal),
            Self::BadSignature(transaction) => body.transactions.push(transaction.clone()),
            Self::OverGas(transactions) => body.transactions.extend(transactions.iter().cloned()),
            Self::SkippedOrigin => {
                let origin = &mut body.opening.as_mut()?.origin;
                origin.number += 2;
                flip(&mut origin.hash);
            }
            Self::BrokenDrift => {
                // An origin far younger than the block: no L1 time can make that valid.
                let opening = body.opening.as_mut()?;
                opening.timestamp = opening.timestamp.checked_sub(10_000)?;
            }
            Self::WrongTimestamp => body.opening.as_mut()?.timestamp += 1,
            Self::WrongBody => {
                flip(&mut header.body_hash);
                return Some(flashblock);
            }
            Self::WrongSeal => return None,
        }
        header.body_hash = body.hash();
        Some(flashblock)
    }
}

/// What a leader of invalid flashblocks has done so far.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Digest>>>);

impl Record {
    /// Digests of the invalid flashblocks that were proposed.
    pub fn proposed(&self) -> Vec<Digest> {
        self.0.lock().clone()
    }
}

/// An application whose proposals are invalid; honest in all else.
pub struct InvalidLeader {
    inner: Arc<dyn Application>,
    invalid: Invalid,
    record: Record,
}

impl InvalidLeader {
    /// Makes an honest application's proposals invalid.
    pub fn new(inner: Arc<dyn Application>, invalid: Invalid, record: Record) -> Self {
        Self { inner, invalid, record }
    }

    fn is_ours(&self, flashblock: &Flashblock) -> bool {
        self.record.0.lock().contains(&flashblock.digest())
    }
}

impl Application for InvalidLeader {
    fn genesis(&self) -> Flashblock {
        self.inner.genesis()
    }

    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        let honest = self.inner.propose(context, ancestry);
        let (invalid, record) = (self.invalid.clone(), self.record.clone());
        async move {
            let flashblock = honest.await?;
            let Some(invalid) = invalid.apply(flashblock.clone()) else { return Some(flashblock) };
            record.0.lock().push(invalid.digest());
            Some(invalid)
        }
        .boxed()
    }

    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        if self.is_ours(&flashblock) {
            return futures::future::ready(true).boxed();
        }
        self.inner.check(flashblock, ancestry)
    }

    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        if self.is_ours(&flashblock) {
            return futures::future::ready(true).boxed();
        }
        self.inner.verify(flashblock, ancestry)
    }

    fn may_vote(&self) -> bool {
        self.inner.may_vote()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        self.inner.certified(flashblock, certificate)
    }

    fn report(&self, event: Event) {
        self.inner.report(event);
    }
}
