//! What `rota devnet` does: up, kill, stop, restart, down, logs.

use super::{
    At, Target, Up, accounts, beacon, chain,
    files::{AccountEntry, Files, L1Entry, Manifest, write_json},
    founding::{self, Founder},
    hosts::Hosts,
    l1,
    nodes::{self, Ports},
    process::{Process, free_ports},
    status::Snapshot,
};
use crate::{interrupt::interrupted, output};
use alloy_primitives::{Address, address};
use eyre::{OptionExt, WrapErr};
use futures::future::try_join_all;
use rota_execution::genesis_header;
use rota_types::RegistrySpec;
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
    let ports = free_ports(2 + 3 * count)?;
    let &[l1_port, beacon_port, ref rest @ ..] = ports.as_slice() else { eyre::bail!("no ports") };
    let hosts = match &options.hosts {
        None => Hosts::here(count),
        Some(file) => Hosts::read(file, count)?,
    };
    let ports: Vec<_> =
        Ports::of_nodes(rest).into_iter().zip(&hosts.operators).map(|(ports, host)| ports.at(host.address)).collect();
    let founders = ports
        .iter()
        .enumerate()
        .map(|(number, ports)| Ok(Founder { keys: nodes::create_operator(files, number)?, endpoint: ports.endpoint() }))
        .collect::<eyre::Result<Vec<_>>>()?;

    // The chain starts now; the L1 blocks that found it are in the past.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let l1_time = now - founding::blocks(count) * chain::L1_BLOCK_TIME;
    let (l2_file, l2_genesis) = chain::l2_genesis(now)?;
    let l2_header = genesis_header(&l2_genesis);
    let posting: Vec<_> = founders.iter().map(|founder| founder.keys.posting_address()).collect();
    let l1_file = chain::l1_genesis(l1_time, &l2_header, &posting)?;
    fs::create_dir_all(files.l1_dir())?;
    write_json(&files.genesis(), &l2_file)?;
    write_json(&files.l1_genesis(), &l1_file)?;
    write_json(&files.l1_config(), &l1_file["config"])?;
    let l1_at = (hosts.l1, l1_port).into();
    let l1_rpc = l1::start(files, options.anvil.as_deref(), l1_at, l1_time).await?;
    let mut contracts = chain::contracts()?;
    let system_config = *contracts.get("SystemConfig").ok_or_eyre("SystemConfig is not recorded")?;
    let founded = founding::found(&l1_rpc, system_config, options.rhythm, &founders).await?;
    l1::tick(&l1_rpc).await?;
    let rollup = chain::rollup(l1::CHAIN_ID, founded.genesis, &l2_genesis, l2_header.hash_slow())?;
    write_json(&files.rollup(), &rollup)?;
    // The registry was deployed in L1 block 1.
    let registry = RegistrySpec { address: founded.contracts.operator_registry, since: 1 };
    let operators = founders.iter().enumerate().map(|(number, founder)| founder.operator(nodes::operator_name(number)));
    write_json(&files.committee(), &chain::committee(operators.collect(), registry, options.rhythm))?;
    let l1_url = l1::url(l1_at);
    let settings =
        beacon::Settings { listen: (hosts.l1, beacon_port).into(), l1: l1_url.clone(), genesis_time: l1_time };
    let l1 = L1Entry { rpc: l1_url, beacon: beacon::start(files, &settings)? };

    for (number, (ports, host)) in ports.iter().zip(&hosts.operators).enumerate() {
        let name = nodes::operator_name(number);
        nodes::configure_operator(files, number, *ports, &l1, founded.contracts.posting_turns, options.max_rtt_ms)?;
        host.assign(&files.node_dir(&name))?;
        nodes::start(files, &name, true)?;
    }
    contracts.extend(founded.contracts.named().map(|(name, address)| (name.into(), address)));
    contracts.insert("FeeRecipient".into(), FEE_RECIPIENT);
    let manifest = Manifest {
        l1,
        chain_id: l2_genesis.config.chain_id,
        operators: ports
            .iter()
            .zip(&founders)
            .enumerate()
            .map(|(number, (ports, founder))| {
                nodes::entry(files, nodes::operator_name(number), founder.keys.identity.identity(), *ports)
            })
            .collect(),
        followers: Vec::new(),
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
            eyre::bail!("{} ended:\n{}", process.name(), process.tail());
        }
        if Instant::now() > deadline {
            let log = operator_processes(files, manifest).first().map(Process::tail).unwrap_or_default();
            eyre::bail!("no block within {} s: {}\n{log}", START.as_secs(), snapshot.line());
        }
        tokio::time::sleep(LOOK / 5).await;
    }
}

fn announce(files: &Files, manifest: &Manifest) {
    println!("chain {} runs; everything about it is in {}", manifest.chain_id, files.manifest().display());
    println!("  {:<12} {}  beacon {}", "l1", manifest.l1.rpc, manifest.l1.beacon);
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

/// Kills nodes without warning.
pub(super) async fn kill(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.node)?;
    report(&processes, try_join_all(processes.iter().map(Process::kill)).await?, "killed");
    manifest.refresh(&files)
}

/// Stops nodes gracefully.
pub(super) async fn stop(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.node)?;
    report(&processes, try_join_all(processes.iter().map(Process::stop)).await?, "stopped");
    manifest.refresh(&files)
}

/// Starts nodes again on their data.
pub(super) async fn restart(target: &Target) -> eyre::Result<()> {
    let (files, mut manifest) = open(&target.at)?;
    let processes = chosen(&files, &manifest, &target.node)?;
    try_join_all(processes.iter().map(Process::stop)).await?;
    for process in &processes {
        nodes::start(&files, process.name(), false)?;
        println!("{} started", process.name());
    }
    manifest.refresh(&files)
}

/// Stops everything.
pub(super) async fn down(at: &At) -> eyre::Result<()> {
    stop_all(&Files::at(&at.dir)?).await
}

async fn stop_all(files: &Files) -> eyre::Result<()> {
    let l1 = |process: &Process| matches!(process.name(), "l1" | "beacon");
    let (l1, nodes): (Vec<_>, Vec<_>) = processes(files)?.into_iter().partition(l1);
    for group in [nodes, l1] {
        report(&group, try_join_all(group.iter().map(Process::stop)).await?, "stopped");
    }
    match Manifest::load(files) {
        Ok(mut manifest) => manifest.refresh(files),
        Err(_) => Ok(()), // it never got that far
    }
}

/// Prints a log.
pub(super) async fn logs(target: &Target, follow: bool, lines: usize) -> eyre::Result<()> {
    let (files, manifest) = open(&target.at)?;
    let processes = match target.node.as_str() {
        "l1" => vec![l1::process(&files)],
        node => chosen(&files, &manifest, node)?,
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

pub(super) fn open(at: &At) -> eyre::Result<(Files, Manifest)> {
    let files = Files::at(&at.dir)?;
    let manifest = Manifest::load(&files)?;
    Ok((files, manifest))
}

/// The nodes that a person means: the number of an operator, a name, or `all` operators.
fn chosen(files: &Files, manifest: &Manifest, node: &str) -> eyre::Result<Vec<Process>> {
    if node == "all" {
        return Ok(operator_processes(files, manifest));
    }
    let wanted = nodes::meant(node);
    let found = manifest.nodes().find(|entry| entry.name == wanted).map(|entry| nodes::process(files, &entry.name));
    let names = || manifest.nodes().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
    Ok(vec![found.ok_or_else(|| eyre::eyre!("no node {node}: there are {}", names()))?])
}

fn operator_processes(files: &Files, manifest: &Manifest) -> Vec<Process> {
    manifest.operators.iter().map(|entry| nodes::process(files, &entry.name)).collect()
}

/// Every process that a directory knows of, also of a devnet that did not start completely.
fn processes(files: &Files) -> eyre::Result<Vec<Process>> {
    let mut found = vec![l1::process(files), beacon::process(files)];
    for entry in fs::read_dir(files.root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if nodes::is_name(&name) {
            found.push(nodes::process(files, &name));
        }
    }
    Ok(found)
}

fn report(processes: &[Process], ran: Vec<bool>, what: &str) {
    for (process, ran) in processes.iter().zip(ran) {
        println!("{} {}", process.name(), if ran { what } else { "was not running" });
    }
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
