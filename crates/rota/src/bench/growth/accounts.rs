//! What a state of many accounts needs: on disk, in memory, and when the node starts.

use super::{
    super::{processes::megabytes, report::Figure},
    value,
};
use alloy_primitives::{Address, Bytes, TxKind, U256, hex, keccak256};
use eyre::{Context as _, ensure};
use rota_execution::{
    At, Batch, EmbeddedEngine, EngineError, ExecutionEngine as _, FjallStore,
    testing::{Request, attributes, chain_spec, dev_account, dev_genesis},
};
use rota_types::ChainSpec;
use std::{path::Path, sync::Arc, time::Instant};

/// Gas of one transaction: the most that the protocol allows, but for a bit.
const GAS: u64 = 16_700_000;
/// Accounts that it makes: each is a cold access, a transfer, a new account and the loop.
const EACH: u64 = 440;
/// Past states that are kept: what was built is not what is measured.
const WINDOW: u64 = 1;

fn spec() -> Arc<ChainSpec> {
    let mut genesis = dev_genesis();
    genesis.gas_limit = u64::from(u32::MAX);
    let mut spec = (*chain_spec(genesis, 0)).clone();
    spec.limits.max_flashblock_gas = u64::MAX;
    spec.limits.max_flashblock_bytes = usize::MAX;
    Arc::new(spec)
}

/// A creation that sends 1 wei to each of the addresses that are hashes of the numbers from `first` to before `end`.
fn makes(nonce: u64, first: u64, end: u64) -> Request {
    let mut code = vec![0x67]; // PUSH8: the number
    code.extend(first.to_be_bytes());
    // JUMPDEST; the number to memory at 0; CALL with its hash as the address, 1 wei, no gas, no data; POP; add 1
    code.extend(hex!("5b 80 5f52 5f5f5f5f 6001 60205f20 5f f1 50 6001 01 80 67"));
    code.extend(end.to_be_bytes());
    // as long as that is not the end
    code.extend(hex!("03 6009 57 00"));
    Request {
        nonce,
        to: TxKind::Create,
        value: U256::from(end - first),
        gas: GAS,
        input: Bytes::from(code),
        ..Request::default()
    }
}

/// Makes a store with so many accounts beside those of genesis, block by block as a node does.
pub(super) fn fill(accounts: u64, dir: &Path) -> eyre::Result<Vec<Figure>> {
    let spec = spec();
    let store = Arc::new(FjallStore::open(dir)?);
    let engine = EmbeddedEngine::open(store, spec.clone())?.with_state_window(WINDOW);
    let (mut next, mut nonce) = (0, 0);
    // The last two push what is to be forgotten out of the window.
    let mut empty = 0;
    while empty < 2 {
        let tip = engine.certified();
        let mut draft = engine.draft(tip.digest, Some(&attributes(&spec, &tip, Vec::new())))?;
        empty += u64::from(next == accounts);
        while next < accounts && draft.gas_left() >= GAS {
            let end = accounts.min(next + EACH);
            let transaction = makes(nonce, next, end).sign(dev_account(0));
            draft.extend(&transaction).map_err(|error| EngineError::Forced(error.to_string()))?;
            (next, nonce) = (end, nonce + 1);
        }
        let finished = draft.finish(true)?;
        let digest = finished.executed.sealed.as_ref().map(|block| block.hash).unwrap_or_default();
        let executed = engine.adopt(digest, tip.height + 1, finished)?;
        engine.commit(executed.position.digest, Batch::default())?;
    }
    let last = Address::from_word(keccak256(U256::from(accounts - 1).to_be_bytes::<32>()));
    let made = engine.account(At::Flashblock(engine.certified().digest), last)?;
    ensure!(made.is_some_and(|account| account.balance == U256::ONE), "the last account was not made");
    Ok(Vec::new())
}

/// Opens a store with so many accounts, as a node does.
pub(super) fn open(accounts: u64, dir: &Path) -> eyre::Result<Vec<Figure>> {
    let (before, begun) = (megabytes("self", "VmRSS")?, Instant::now());
    let engine = EmbeddedEngine::open(Arc::new(FjallStore::open(dir)?), spec())?;
    let (took, memory) = (begun.elapsed(), megabytes("self", "VmRSS")? - before);
    drop(engine);
    Ok(vec![
        Figure::new(on_disk(accounts), size(dir)? as f64 / 1e6, "MB"),
        Figure::new(in_memory(accounts), memory, "MB"),
        Figure::new(format!("{accounts} accounts: time to open the store"), took.as_secs_f64() * 1e3, "ms"),
    ])
}

fn on_disk(accounts: u64) -> String {
    format!("{accounts} accounts: on disk")
}

fn in_memory(accounts: u64) -> String {
    format!("{accounts} accounts: in memory")
}

/// What each account more needs.
pub(super) fn each(figures: &[Figure], few: u64, many: u64) -> eyre::Result<Vec<Figure>> {
    let more = |name: fn(u64) -> String| -> eyre::Result<f64> {
        let megabytes = value(figures, &name(many))? - value(figures, &name(few))?;
        Ok(megabytes * 1e6 / (many - few) as f64)
    };
    Ok(vec![
        Figure::new("an account more: on disk", more(on_disk)?, "bytes"),
        Figure::new("an account more: in memory", more(in_memory)?, "bytes"),
    ])
}

/// Bytes of all files below a directory, as far as they take room.
fn size(dir: &Path) -> eyre::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).wrap_err_with(|| dir.display().to_string())? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(bytes)
}
