//! Four operators over real sockets and files: they agree, and agree again after everybody was stopped.

use super::world::{FOLLOWER, OPERATORS, Plain, SharedLog, identity, identity_key, spec, voting_key};
use crate::{Config, Runtime as _, To, tcp};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, tokio};
use futures::{FutureExt as _, StreamExt as _};
use rota_types::{ChainSpec, Committee};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Node {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Runs a node until it is stopped; says hello to the others on the node's own channel.
fn start(node: usize, spec: Arc<ChainSpec>, transport: tcp::Transport, directory: &Path, log: SharedLog) -> Node {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopping, storage) = (stop.clone(), directory.join(format!("node{node}")));
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
                gossip.send(To::All, vec![node as u8; 10_000].into());
                while let Some(Some((from, message))) = received.next().now_or_never() {
                    assert_eq!(from, identity(message[0] as usize));
                    log.lock().nodes.entry(node).or_default().greeted.insert(from);
                }
            }
            drop(consensus);
        });
    });
    Node { stop, thread }
}

fn reach(log: &SharedLog, nodes: &[usize], height: u64) -> Duration {
    let started = Instant::now();
    while nodes.iter().any(|node| log.lock().height(*node) < height) {
        assert!(started.elapsed() < Duration::from_secs(60), "height {height} not reached");
        thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

fn stop(nodes: Vec<Node>) {
    nodes.iter().for_each(|node| node.stop.store(true, Ordering::Relaxed));
    nodes.into_iter().for_each(|node| node.thread.join().expect("ends cleanly"));
}

#[test]
#[allow(clippy::print_stdout)]
fn operators_agree_over_sockets_and_after_a_restart() {
    let directory = Directory(std::env::temp_dir().join(format!("rota-consensus-{}", std::process::id())));
    let addresses: Vec<_> = (0..=FOLLOWER).map(|_| free_address()).collect();
    let mut spec = (*spec(20, 10)).clone();
    let mut operators = spec.committee.operators().to_vec();
    for operator in &mut operators {
        operator.endpoint = addresses[super::world::index_of(operator.identity)].to_string();
    }
    spec.committee = Committee::new(operators).expect("a committee");
    let (spec, log) = (Arc::new(spec), SharedLog::default());
    let launch = |node: usize| {
        let follower = tcp::Follower { identity: identity(FOLLOWER), endpoint: addresses[FOLLOWER] };
        let transport = tcp::Transport { listen: addresses[node], followers: vec![follower] };
        start(node, spec.clone(), transport, &directory.0, log.clone())
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
