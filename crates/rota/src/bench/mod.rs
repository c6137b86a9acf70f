//! `rota bench`: the named benchmarks, each a program that prints figures, conditions, targets and whether they hold.

mod badleader;
mod catch_up;
mod cluster;
mod disk;
mod engine;
mod floor;
mod growth;
mod idle;
mod included;
mod latency;
mod load;
mod outages;
mod poster_failover;
mod posting_latency;
mod posting_size;
mod price;
mod processes;
mod reconfiguration;
mod report;
mod restart;
mod seeds;
mod sockets;
mod stock;
mod takeover;
mod throughput;
mod wallet;
mod wan;
mod workload;

use crate::output::print;
use clap::ValueEnum as _;
use eyre::ensure;
use report::{Report, table};
use std::{path::PathBuf, time::Duration};

/// The benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// Submit to certified under light load.
    Latency,
    /// The longest gap when the leader is killed.
    Takeover,
    /// The longest gap when the leader is alive and bad, in the simulator.
    Badleader,
    /// From nothing to the first certified flashblock when everybody was killed.
    Restart,
    /// CPU and memory of an idle devnet.
    Idle,
    /// Sustained signed transfers.
    Throughput,
    /// CPU that a transaction costs each of several operators, beside one alone.
    Price,
    /// Execution of blocks of 1 000 transfers on one thread.
    Engine,
    /// Submit to certified for a user beside an operator, transatlantic, in the simulator.
    Wallet,
    /// Finality on maps of the world, above what light allows, in the simulator.
    Floor,
    /// CPU, memory and disk of an operator, by operators, accounts and age of the chain.
    Growth,
    /// Seeds of the whole stack that are explored in a minute.
    Seeds,
    /// Posted bytes beside stock op-batcher's, of the same blocks.
    PostingSize,
    /// Certified to posted to safe at a stock verifier.
    PostingLatency,
    /// An operator that was away replays what it missed.
    CatchUp,
    /// Operators replaced one after the other under load.
    Reconfiguration,
    /// From the kill of the poster to the next batch on L1.
    PosterFailover,
    /// All of them, one after the other.
    All,
}

/// Arguments of `rota bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which benchmark.
    name: Name,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
    /// Print the raw samples too.
    #[arg(long)]
    samples: bool,
    /// Operators of the devnet.
    #[arg(long, default_value_t = 4)]
    operators: usize,
    /// Where the stock clients are that some benchmarks run beside the devnet (`make clients`).
    #[arg(long, default_value = "interop/bin")]
    clients: PathBuf,
    /// How many operators are replaced (`reconfiguration`), how often the poster is killed (`poster-failover`).
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Directory of a stock chain that runs already, with a devnet's accounts: `throughput` loads that (bench/peers).
    #[arg(long, value_name = "DIR")]
    stock: Option<PathBuf>,
    /// Real operators on hosts of a map, each in a network namespace, over real sockets (`floor`, `takeover`): needs root.
    #[arg(long)]
    sockets: bool,
    /// The router between those hosts (`make wan`).
    #[arg(long, default_value = "bench/wan/target/release/rota-wan")]
    router: PathBuf,
    /// What becomes of the leader (`takeover`).
    #[arg(long, value_enum, default_value_t)]
    fault: takeover::Fault,
    /// Offer only this rate, transactions per second (`throughput`, `price`).
    #[arg(long)]
    rate: Option<usize>,
    /// Seconds for which a rate is offered: long enough that what it makes is posted meanwhile (`throughput`, `price`).
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// What a process of `growth` measures for another.
    #[arg(long, hide = true)]
    part: Option<growth::Part>,
}

/// Runs the benchmark; an error if a gate does not hold. Of several, each is run whatever becomes of the others, and one
/// table at the end says what held.
pub(crate) async fn run(args: Args) -> eyre::Result<()> {
    let names = match args.name {
        Name::All => Name::value_variants().iter().copied().filter(|name| *name != Name::All).collect(),
        one => vec![one],
    };
    let mut outcomes = Vec::with_capacity(names.len());
    for name in &names {
        let outcome = one(*name, &args).await;
        if let Ok(report) = &outcome {
            print(tell(report, &args)? + "\n")?;
        }
        let name = name.to_possible_value().expect("no name is skipped").get_name().to_owned();
        outcomes.push((name, outcome.map_err(|error| format!("{error:#}"))));
    }
    if names.len() > 1 {
        let table = table(&outcomes);
        // Who reads JSON lines reads nothing else.
        if args.json { eprint!("{table}") } else { print(format!("\n{table}"))? }
    }
    let failed = outcomes.iter().filter_map(|(name, outcome)| match outcome {
        Ok(report) => (!report.holds).then(|| format!("{name}: a gate does not hold")),
        Err(why) => Some(format!("{name}: {why}")),
    });
    let failed: Vec<_> = failed.collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// A report as it is asked for.
fn tell(report: &Report, args: &Args) -> eyre::Result<String> {
    let report = if args.samples { report } else { &Report { samples: Vec::new(), ..report.clone() } };
    Ok(if args.json { serde_json::to_string(report)? } else { report.to_string() })
}

async fn one(name: Name, args: &Args) -> eyre::Result<Report> {
    let Args { operators, rounds, clients, stock, rate, seconds, sockets, router, fault, .. } = args;
    let (operators, rounds, rate) = (*operators, *rounds, *rate);
    let router = sockets.then_some(router.as_path());
    let lasts = Duration::from_secs(*seconds);
    match name {
        Name::Latency => latency::run(operators).await,
        Name::Takeover => match router {
            None => takeover::run(operators, *fault).await,
            Some(router) => takeover::run_with_sockets(router, *fault),
        },
        Name::Badleader => badleader::run(),
        Name::Restart => restart::run(operators).await,
        Name::Idle => idle::run(operators).await,
        Name::Throughput => throughput::run(operators, stock.as_deref(), rate, lasts).await,
        Name::Price => price::run(operators, rate, lasts).await,
        Name::PostingSize => posting_size::run(operators, clients).await,
        Name::PostingLatency => posting_latency::run(operators, clients).await,
        Name::CatchUp => catch_up::run(operators).await,
        Name::Reconfiguration => reconfiguration::run(operators, rounds).await,
        Name::PosterFailover => poster_failover::run(operators, rounds).await,
        Name::Floor => router.map_or_else(floor::run, floor::run_with_sockets),
        Name::Growth => growth::run(args.part.as_ref()),
        Name::Seeds => seeds::run(),
        Name::Wallet => wallet::run(),
        Name::Engine | Name::All => engine::run(),
    }
}
