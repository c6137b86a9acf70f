//! Four operators over real sockets and files: they agree, and agree again after everybody was stopped.

use super::world::{FOLLOWER, OPERATORS, Plain, SharedLog, identity, identity_key, index_of, spec, voting_key};
use crate::{Config, Runtime as _, To, tcp};
use commonware_runtime::{Clock as _, Metrics as _, Runner as _, Supervisor as _, tokio};
use futures::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use rota_types::{ChainSpec, Committee};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("rota-consensus-{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) struct Node {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    metrics: Arc<Mutex<String>>,
}

/// Bytes of a hello on the node's own channel.
const HELLO: usize = 10_000;

impl Node {
    /// The newest value of a metric, over all labels.
    pub(super) fn metric(&self, name: &str) -> u64 {
        metric(&self.metrics.lock(), name)
    }
}

/// The value of a metric in an exposition, over all labels.
pub(super) fn metric(exposition: &str, name: &str) -> u64 {
    let samples = exposition.lines().filter(|line| !line.starts_with('#') && line.contains(name));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Runs a node until it is stopped; says hello to the others on the node's own channel.
pub(super) fn start(
    node: usize,
    spec: Arc<ChainSpec>,
    transport: tcp::Transport,
    directory: &Directory,
    log: SharedLog,
) -> Node {
    let (stop, metrics) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(String::new())));
    let (stopping, measured) = (stop.clone(), metrics.clone());
    let storage = directory.0.join(format!("node{node}"));
    let thread = thread::spawn(move || {
        let runtime = tokio::Config::new().with_storage_directory(storage).with_worker_threads(1);
        tokio::Runner::new(runtime).start(|context| async move {
            let mut config =
                Config::new(spec.clone(), identity_key(node), (node < OPERATORS).then(|| voting_key(node)));
            config.first_start = true;
            let mut opened = context.child("consensus").open(config, transport).await.expect("opens");
            let (gossip, mut received) = (opened.gossip(), opened.take_gossip_receiver().expect("first call"));
            assert!(!gossip.send(To::All, vec![0; crate::MAX_GOSSIP_BYTES + 1].into()), "too large");
            let clock = Arc::new(context.child("clock"));
            let application = Plain::new(clock, spec, node, log.clone());
            let consensus = opened.start(Arc::new(application));
            while !stopping.load(Ordering::Relaxed) {
                context.sleep(Duration::from_millis(50)).await;
                gossip.send(To::All, vec![node as u8; HELLO].into());
                while let Some(Some((from, message))) = received.next().now_or_never() {
                    if message.len() != HELLO {
                        continue;
                    }
                    assert_eq!(from, identity(message[0] as usize));
                    *log.lock().nodes.entry(node).or_default().greeted.entry(from).or_default() += 1;
                }
                *measured.lock() = context.encode();
            }
            drop(consensus);
        });
    });
    Node { stop, thread, metrics }
}

/// A chain whose operators listen at these addresses.
pub(super) fn spec_at(addresses: &[SocketAddr]) -> Arc<ChainSpec> {
    let mut spec = (*spec(20, 10)).clone();
    let mut operators = spec.committee.operators().to_vec();
    for operator in &mut operators {
        operator.endpoint = addresses[index_of(operator.identity)].to_string();
    }
    spec.committee = Committee::new(operators).expect("a committee");
    Arc::new(spec)
}

fn reach(log: &SharedLog, nodes: &[usize], height: u64) -> Duration {
    let started = Instant::now();
    while nodes.iter().any(|node| log.lock().height(*node) < height) {
        assert!(started.elapsed() < Duration::from_secs(60), "height {height} not reached");
        thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

pub(super) fn stop(nodes: Vec<Node>) {
    nodes.iter().for_each(|node| node.stop.store(true, Ordering::Relaxed));
    nodes.into_iter().for_each(|node| node.thread.join().expect("ends cleanly"));
}

#[test]
#[allow(clippy::print_stdout)]
fn operators_agree_over_sockets_and_after_a_restart() {
    let directory = Directory::new("restart");
    let addresses: Vec<_> = (0..=FOLLOWER).map(|_| free_address()).collect();
    let (spec, log) = (spec_at(&addresses), SharedLog::default());
    let launch = |node: usize| {
        let follower = tcp::Follower { identity: identity(FOLLOWER), endpoint: addresses[FOLLOWER] };
        let transport = tcp::Transport { listen: addresses[node], followers: vec![follower] };
        start(node, spec.clone(), transport, &directory, log.clone())
    };
    let mut nodes: Vec<Node> = (0..OPERATORS).map(launch).collect();
    let first = reach(&log, &[0, 1, 2, 3], 1);
    reach(&log, &[0, 1, 2, 3], 30);
    nodes.push(launch(FOLLOWER));
    reach(&log, &[FOLLOWER], 32);
    stop(nodes);

    let top = (0..OPERATORS).map(|node| log.lock().height(node)).max().expect("operators");
    let nodes: Vec<Node> = (0..OPERATORS).map(launch).collect();
    let again = reach(&log, &[0, 1, 2, 3], top + 1);
    reach(&log, &[0, 1, 2, 3], top + 10);
    stop(nodes);
    let log = log.lock();
    log.assert_sound();
    assert!((0..OPERATORS).all(|node| log.nodes[&node].greeted.len() >= OPERATORS - 1));
    assert!(first < Duration::from_secs(20) && again < Duration::from_secs(20), "{first:?} {again:?}");
    println!("first flashblock after {first:?}, after a restart {again:?}");
}
