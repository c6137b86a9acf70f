//! What `rota devnet` does: up, kill, stop, restart, down, logs.

use super::{
    At, Target, Up, accounts, chain,
    files::{AccountEntry, Files, L1Entry, Manifest, write_json},
    l1,
    operators::{self, Ports},
    process::{Process, free_ports},
    status::Snapshot,
};
use crate::{interrupt::interrupted, output};
use alloy_primitives::{Address, address};
use eyre::{OptionExt, WrapErr};
use futures::future::try_join_all;
use rota_execution::genesis_header;
use std::{
    fs::{self, File},
    io::{self, IsTerminal, Read, Write},
    pin::pin,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Where the fee vaults pay to on L2 (ADR 004).
const FEE_RECIPIENT: Address = address!("526f746100000000000000000000000000000001");
/// How long the chain may take to seal its first block.
const START: Duration = Duration::from_secs(60);
/// Time between looks at the devnet.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes of a log that matter when something fails.
const TAIL: usize = 2_000;

/// Starts a new chain.
pub(super) async fn up(options: Up) -> eyre::Result<()> {
    if let Ok(files) = Files::at(&options.at.dir) {
        let running = processes(&files)?.iter().any(|process| process.pid().is_some());
        eyre::ensure!(!running, "{} is running: `rota devnet down` first", files.root().display());
    }
    let files = Files::create(&options.at.dir)?;
    let mut interrupted = pin!(interrupted());
    let started = tokio::select! {
        started = start(&files, &options) => started,
        () = &mut interrupted => Err(eyre::eyre!("interrupted")),
    };
    let manifest = match started {
        Ok(manifest) => manifest,
        Err(error) => {
            stop_all(&files).await?;
            return Err(error);
        }
    };
    announce(&files, &manifest);
    if options.detach {
        return Ok(());
    }
    tokio::select! {
        watched = watch(&files, &manifest) => watched?,
        () = &mut interrupted => println!("\nstopping"),
    }
    stop_all(&files).await
}

/// Makes the chain's files, starts L1 and the operators, and waits until everybody has sealed a block.
async fn start(files: &Files, options: &Up) -> eyre::Result<Manifest> {
    let count = usize::from(options.operators);
    let ports = free_ports(1 + 3 * count)?;
    let (l1_port, rest) = ports.split_first().ok_or_eyre("no ports")?;
    let ports: Vec<Ports> = rest.chunks_exact(3).map(|p| Ports { p2p: p[0], rpc: p[1], metrics: p[2] }).collect();
    let committee = ports
        .iter()
        .enumerate()
        .map(|(number, ports)| operators::create(files, number, *ports))
        .collect::<eyre::Result<Vec<_>>>()?;

    // Both chains start now.
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (l2_file, l2_genesis) = chain::l2_genesis(timestamp)?;
    let l2_header = genesis_header(&l2_genesis);
    let posting: Vec<_> = committee.iter().map(|operator| operator.posting_address).collect();
    let l1_file = chain::l1_genesis(timestamp, &l2_header, &posting)?;
    fs::create_dir_all(files.l1_dir())?;
    write_json(&files.genesis(), &l2_file)?;
    write_json(&files.l1_genesis(), &l1_file)?;
    write_json(&files.l1_config(), &l1_file["config"])?;
    let l1_hash = l1::start(files, options.anvil.as_deref(), *l1_port, timestamp).await?;
    write_json(&files.rollup(), &chain::rollup(l1::CHAIN_ID, l1_hash, &l2_genesis, l2_header.hash_slow())?)?;
    write_json(&files.committee(), &chain::committee(committee))?;

    let l1_url = l1::url(*l1_port);
    for (number, ports) in ports.iter().enumerate() {
        operators::configure(files, number, *ports, &l1_url)?;
        operators::start(files, &operators::name(number), true)?;
    }
    let mut contracts = chain::contracts()?;
    contracts.insert("FeeRecipient".into(), FEE_RECIPIENT);
    let manifest = Manifest {
        l1: L1Entry { rpc: l1_url },
        chain_id: l2_genesis.config.chain_id,
        operators: ports.iter().enumerate().map(|(number, p)| operators::entry(files, number, *p)).collect(),
        contracts,
        accounts: (0..accounts::USERS).map(user).collect::<eyre::Result<_>>()?,
    };
    manifest.save(files)?;
    sealing(files, &manifest).await?;
    Ok(manifest)
}

fn user(index: u32) -> eyre::Result<AccountEntry> {
    let signer = accounts::account(index)?;
    Ok(AccountEntry { address: signer.address(), private_key: signer.to_bytes() })
}

/// Waits until every operator has sealed a block.
async fn sealing(files: &Files, manifest: &Manifest) -> eyre::Result<()> {
    let deadline = Instant::now() + START;
    loop {
        let snapshot = Snapshot::take(files, manifest).await?;
        if snapshot.all_sealed() {
            return Ok(());
        }
        let dead = operator_processes(files, manifest).into_iter().find(|process| process.pid().is_none());
        if let Some(process) = dead {
            eyre::bail!("{} ended:\n{}", process.name(), tail(&process));
        }
        if Instant::now() > deadline {
            let log = operator_processes(files, manifest).first().map(tail).unwrap_or_default();
            eyre::bail!("no block within {} s: {}\n{log}", START.as_secs(), snapshot.line());
        }
        tokio::time::sleep(LOOK / 5).await;
    }
}

/// The end of a process's log.
fn tail(process: &Process) -> String {
    let log = fs::read(process.log()).unwrap_or_default();
    String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned()
}

fn announce(files: &Files, manifest: &Manifest) {
    println!("chain {} runs; everything about it is in {}", manifest.chain_id, files.manifest().display());
    println!("  {:<12} {}", "l1", manifest.l1.rpc);
    for operator in &manifest.operators {
        println!("  {:<12} {}  {}", operator.name, operator.rpc, operator.ws);
    }
    if let Some(account) = manifest.accounts.first() {
        println!("  {:<12} {}  key {}", "account", account.address, account.private_key);
    }
}

/// Shows how the chain does, for ever: a line that refreshes on a terminal, else a line when something changes.
async fn watch(files: &Files, manifest: &Manifest) -> eyre::Result<()> {
    let terminal = io::stdout().is_terminal();
    let mut running = None;
    loop {
        let snapshot = Snapshot::take(files, manifest).await?;
        if terminal {
            print!("\r\x1b[K{}", snapshot.line());
            io::stdout().flush()?;
        } else if running != Some(snapshot.running()) {
            println!("{}", snapshot.line());
        }
        running = Some(snapshot.running());
        tokio::time::sleep(LOOK).await;
    }
}

/// Kills operators without warning.
pub(super) async fn kill(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.operator)?;
    report(&processes, try_join_all(processes.iter().map(Process::kill)).await?, "killed");
    refresh(&files, &mut manifest)
}

/// Stops operators gracefully.
pub(super) async fn stop(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.operator)?;
    report(&processes, try_join_all(processes.iter().map(Process::stop)).await?, "stopped");
    refresh(&files, &mut manifest)
}

/// Starts operators again on their data.
pub(super) async fn restart(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.operator)?;
    try_join_all(processes.iter().map(Process::stop)).await?;
    for process in &processes {
        operators::start(&files, process.name(), false)?;
        println!("{} started", process.name());
    }
    refresh(&files, &mut manifest)
}

/// Stops everything.
pub(super) async fn down(at: &At) -> eyre::Result<()> {
    stop_all(&Files::at(&at.dir)?).await
}

async fn stop_all(files: &Files) -> eyre::Result<()> {
    let (l1, operators): (Vec<_>, Vec<_>) = processes(files)?.into_iter().partition(|p| p.name() == "l1");
    for group in [operators, l1] {
        report(&group, try_join_all(group.iter().map(Process::stop)).await?, "stopped");
    }
    match Manifest::load(files) {
        Ok(mut manifest) => refresh(files, &mut manifest),
        Err(_) => Ok(()), // it never got that far
    }
}

/// Prints a log.
pub(super) async fn logs(target: &Target, follow: bool, lines: usize) -> eyre::Result<()> {
    let (files, manifest) = open(&target.at)?;
    let processes = match target.operator.as_str() {
        "l1" => vec![l1::process(&files)],
        operator => chosen(&files, &manifest, operator)?,
    };
    let [process] = processes.as_slice() else { eyre::bail!("one log at a time") };
    let path = process.log();
    let mut file = File::open(&path).wrap_err_with(|| path.display().to_string())?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    output::print(last_lines(&text, lines))?;
    if follow {
        follow_file(file).await?;
    }
    Ok(())
}

/// Prints what is appended to a file, for ever.
async fn follow_file(mut file: File) -> eyre::Result<()> {
    loop {
        io::copy(&mut file, &mut io::stdout())?;
        io::stdout().flush()?;
        tokio::time::sleep(LOOK).await;
    }
}

/// The last lines of a text.
fn last_lines(text: &[u8], count: usize) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    match count.checked_sub(1).map(|skip| breaks.map(|(at, _)| at + 1).nth(skip)) {
        None => &[],
        Some(start) => &text[start.unwrap_or(0)..],
    }
}

fn open(at: &At) -> eyre::Result<(Files, Manifest)> {
    let files = Files::at(&at.dir)?;
    let manifest = Manifest::load(&files)?;
    Ok((files, manifest))
}

/// The operators that a person means: a number from 0, a name, or `all`.
fn chosen(files: &Files, manifest: &Manifest, operator: &str) -> eyre::Result<Vec<Process>> {
    let wanted = operator.parse().map_or_else(|_| operator.to_owned(), operators::name);
    let all = operator_processes(files, manifest).into_iter();
    let found: Vec<_> = all.filter(|process| operator == "all" || process.name() == wanted).collect();
    let names = || manifest.operators.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
    eyre::ensure!(!found.is_empty(), "no operator {operator}: there are {}", names());
    Ok(found)
}

fn operator_processes(files: &Files, manifest: &Manifest) -> Vec<Process> {
    manifest.operators.iter().map(|entry| operators::process(files, &entry.name)).collect()
}

/// Every process that a directory knows of, also of a devnet that did not start completely.
fn processes(files: &Files) -> eyre::Result<Vec<Process>> {
    let mut found = vec![l1::process(files)];
    for entry in fs::read_dir(files.root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("operator-") {
            found.push(operators::process(files, &name));
        }
    }
    Ok(found)
}

fn report(processes: &[Process], ran: Vec<bool>, what: &str) {
    for (process, ran) in processes.iter().zip(ran) {
        println!("{} {}", process.name(), if ran { what } else { "was not running" });
    }
}

/// Writes the pids of now into `devnet.json`.
fn refresh(files: &Files, manifest: &mut Manifest) -> eyre::Result<()> {
    for entry in &mut manifest.operators {
        entry.pid = operators::process(files, &entry.name).pid();
    }
    manifest.save(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_end_with_the_lines_asked_for() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!(last_lines(text, 0), b"");
        assert_eq!(last_lines(text, 1), b"three\n");
        assert_eq!(last_lines(text, 2), b"two\nthree\n");
        assert_eq!(last_lines(text, 9), text);
        assert_eq!(last_lines(b"", 3), b"");
    }
}
