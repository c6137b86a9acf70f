//! A real chain in memory for tests: development genesis, embedded engine, ledger, in-memory L1.

use super::{Ledger, LedgerError, Retention};
use crate::feed::{Feed, FeedEvent};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use op_alloy_consensus::OpTxEnvelope;
use rota_execution::{EmbeddedEngine, Executed, ExecutionEngine, MemoryStore, genesis_header};
use rota_l1::{MemoryL1, SystemConfig};
use rota_types::{
    Body, Certificate, ChainSpec, Flashblock, Header, Opening, PROTOCOL_VERSION, Transaction, chain_spec::CommitteeFile,
};
use std::sync::Arc;

/// Development account `index`, rich from genesis on.
pub fn account(index: u32) -> PrivateKeySigner {
    let builder = MnemonicBuilder::from_phrase("test test test test test test test test test test test junk");
    builder.index(index).expect("an index").build().expect("a key")
}

/// Signs a call of `to` (`None` creates) with 500 000 gas by a development account.
pub fn sign(index: u32, nonce: u64, to: Option<Address>, value: u64, input: impl Into<Bytes>) -> Bytes {
    sign_with_gas(index, nonce, to, value, input, 500_000)
}

/// Like [`sign`], with this gas limit.
pub fn sign_with_gas(
    index: u32,
    nonce: u64,
    to: Option<Address>,
    value: u64,
    input: impl Into<Bytes>,
    gas_limit: u64,
) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: 901,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: to.map_or(TxKind::Create, TxKind::Call),
        value: U256::from(value),
        input: input.into(),
        ..Default::default()
    };
    let signature = account(index).sign_hash_sync(&transaction.signature_hash()).expect("a local key signs");
    OpTxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into()
}

/// Code whose every call emits `log1(topic = 0x2a)` with no data, and its creation code.
pub fn logger() -> Bytes {
    // runtime: PUSH1 2a PUSH1 0 PUSH1 0 LOG1 STOP; creation: PUSH8 runtime PUSH1 0 MSTORE PUSH1 8 PUSH1 24 RETURN
    Bytes::from_static(&alloy_primitives::hex!("67602a60006000a10060005260086018f3"))
}

/// The chain: genesis, and what is appended with its methods.
#[derive(Debug)]
pub struct Fixture {
    /// Everything that survives a crash.
    pub store: MemoryStore,
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// State.
    pub engine: Arc<EmbeddedEngine>,
    /// What is certified.
    pub ledger: Arc<Ledger>,
    /// What happens.
    pub feed: Feed,
    /// Its L1.
    pub l1: MemoryL1,
}

impl Fixture {
    /// At genesis, keeping everything.
    #[allow(clippy::new_without_default, reason = "reads files")]
    pub fn new() -> Self {
        Self::with_retention(Retention::ALL)
    }

    /// At genesis, keeping this much.
    pub fn with_retention(retention: Retention) -> Self {
        let spec = Arc::new(spec());
        let store = MemoryStore::default();
        let l1 = MemoryL1::new(&spec.rollup, 2);
        let (engine, ledger) = open(&store, &spec, retention).expect("opens");
        Self { store, spec, engine, ledger, feed: Feed::new(1_024), l1 }
    }

    /// As after a crash: everything but the store is new.
    pub fn reopened(self) -> Self {
        let Self { store, spec, l1, feed, .. } = self;
        let (engine, ledger) = open(&store, &spec, Retention::ALL).expect("opens");
        Self { store, spec, engine, ledger, feed, l1 }
    }

    /// Executes the next flashblock without appending it.
    pub fn propose(&self, transactions: &[Bytes], seal: bool) -> (Arc<Flashblock>, Arc<Executed>) {
        let parent = self.engine.certified();
        let timestamp = parent.timestamp + self.spec.rollup.block_time;
        let head = self.l1.head();
        let adopt = head.parent_hash == parent.origin.hash && head.timestamp <= timestamp;
        let origin = if adopt { head.id } else { parent.origin };
        let opening = parent.sealed.map(|_| Opening { timestamp, origin });
        let attributes = opening.map(|opening| {
            let config = SystemConfig::from_genesis(&self.spec.rollup);
            rota_l1::attributes(&self.spec, &parent, &config, opening, &self.l1.head()).expect("attributes")
        });
        let mut draft = self.engine.draft(parent.digest, attributes.as_ref()).expect("a draft");
        for encoded in transactions {
            let transaction = Arc::new(Transaction::decode(encoded.clone()).expect("a transaction"));
            draft.extend(&transaction).expect("fits");
        }
        let finished = draft.finish(seal).expect("finishes");
        let executed = finished.executed.clone();
        let body = Body { opening, transactions: transactions.to_vec() };
        let header = Header {
            version: PROTOCOL_VERSION,
            chain_id: self.spec.chain_id(),
            lineage: 0,
            epoch: 0,
            view: parent.height + 1,
            leader: B256::ZERO,
            parent_view: parent.height,
            parent: parent.digest,
            height: parent.height + 1,
            block_number: executed.position.block_number,
            index: executed.position.index,
            body_hash: body.hash(),
            outcome_root: executed.outcome_root,
            cumulative_gas: executed.cumulative_gas,
            seal: executed.position.sealed.unwrap_or_default(),
            next_committee_root: B256::ZERO,
        };
        let flashblock = Arc::new(Flashblock { header, body });
        let executed = self.engine.adopt(flashblock.digest(), header.height, finished).expect("adopts");
        (flashblock, executed)
    }

    /// Executes and appends the next flashblock, and tells the feed.
    pub fn certify(&self, transactions: &[Bytes], seal: bool, finalized: bool) -> Arc<Flashblock> {
        let (flashblock, executed) = self.propose(transactions, seal);
        self.feed.publish(FeedEvent::Proposed(executed.clone()));
        let certificate = finalized.then(|| certificate(&flashblock));
        self.ledger.append(&flashblock, &executed, certificate).expect("appends");
        self.feed.publish(FeedEvent::Certified { flashblock: flashblock.clone(), executed: executed.clone() });
        if let Some(sealed) = &executed.sealed {
            self.feed.publish(FeedEvent::Sealed(sealed.clone()));
        }
        flashblock
    }

    /// A block of one flashblock.
    pub fn block(&self, transactions: &[Bytes]) -> Arc<Flashblock> {
        self.certify(transactions, true, true)
    }
}

/// A certificate with the right digest (nothing here looks at the signature).
pub fn certificate(flashblock: &Flashblock) -> Certificate {
    Certificate {
        epoch: flashblock.header.epoch,
        view: flashblock.header.view,
        parent_view: flashblock.header.parent_view,
        digest: flashblock.digest(),
        signers: vec![true, true, true, false],
        signature: FixedBytes::ZERO,
    }
}

fn open(
    store: &MemoryStore,
    spec: &Arc<ChainSpec>,
    retention: Retention,
) -> Result<(Arc<EmbeddedEngine>, Arc<Ledger>), LedgerError> {
    let engine = Arc::new(EmbeddedEngine::open(Arc::new(store.clone()), spec.clone())?);
    let ledger = Ledger::open(Arc::new(store.clone()), engine.clone(), spec.clone(), retention)?;
    Ok((engine, Arc::new(ledger)))
}

/// The development chain with the committee of the vectors.
pub fn spec() -> ChainSpec {
    let genesis: alloy_genesis::Genesis =
        serde_json::from_str(include_str!("../../../../vectors/genesis-jovian.json")).expect("a genesis");
    let mut rollup: rota_types::RollupConfig =
        serde_json::from_str(include_str!("../../../../vectors/spec/rollup.json")).expect("a rollup config");
    let committee: CommitteeFile =
        serde_json::from_str(include_str!("../../../../vectors/spec/committee.json")).expect("a committee");
    let header = genesis_header(&genesis);
    (rollup.genesis.l2.number, rollup.genesis.l2.hash) = (header.number, header.hash_slow());
    rollup.genesis.l2_time = genesis.timestamp;
    rollup.seq_window_size = 3;
    rollup.genesis.system_config.gas_limit = genesis.gas_limit;
    rollup.genesis.system_config.eip1559_params = alloy_primitives::b64!("000000fa00000002");
    rollup.chain_op_config.eip1559_elasticity = 2;
    // Blob base fee scalar 810 949, base fee scalar 1 368 (OP Mainnet's), so that L1 fees are not zero.
    rollup.genesis.system_config.scalar =
        alloy_primitives::b256!("010000000000000000000000000000000000000000000000000c5fc500000558");
    ChainSpec::new(genesis, rollup, committee).expect("consistent")
}
