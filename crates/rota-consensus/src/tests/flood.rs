//! A member gone bad and a stranger flood the others over real sockets: they agree all the same, in bounded memory.

use super::{
    sockets::{Directory, free_address, spec_at, start, stop},
    world::{OPERATORS, SharedLog, identity, identity_key, spec, voting_key},
};
use crate::{
    Config, Epochs, MAX_GOSSIP_BYTES,
    block::{Block, Digest},
    committees::Committees,
    config::Channel,
    keys::public_key,
    operator::PeerSet,
    scheme::Bls,
    tcp,
};
use alloy_primitives::{B256, Bytes};
use commonware_codec::{Encode as _, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote},
    types::{Epoch, Round, View},
};
use commonware_p2p::{AddressableManager as _, AddressableTrackedPeers, Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Clock as _, Quota, Runner as _, Spawner as _, Supervisor as _, tokio};
use commonware_utils::NZU32;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use rota_types::{Body, ChainSpec, Flashblock, Header};
use std::{
    env,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Who has gone bad: the others are just a quorum.
const BAD: usize = 3;

/// How long the chain runs before a flood.
const QUIET: Duration = Duration::from_secs(4);

/// How long each kind of flood lasts.
const FLOOD: Duration = Duration::from_secs(6);

/// Longest time without a new height: the bad one's turns are skipped, nothing else.
const GAP_MAX: Duration = Duration::from_secs(4);

/// What three operators may take more than before the flood, bytes, all together.
const GROWTH_MAX: u64 = 256 << 20;

/// Messages per second and channel that the flooder allows itself: some twenty times what the others allow it.
const FLOOD_RATE: u32 = 10_000;

/// Says which process this is: the one with the nodes, or the flooder's with kind and addresses.
const PROCESS: &str = "ROTA_FLOOD";
const NODES: &str = "nodes";

const NAME: &str = "tests::flood::a_member_that_floods_every_channel_neither_stops_the_chain_nor_fills_memory";

/// Messages after which the flooder waits a little, so that it leaves the others some of a small machine.
const PAUSE_EVERY: u64 = 16;

/// The memory of a process is measured, so the nodes have one of their own, and so has the flooder.
#[test]
fn a_member_that_floods_every_channel_neither_stops_the_chain_nor_fills_memory() {
    match env::var(PROCESS) {
        Ok(nodes) if nodes == NODES => flood(),
        Ok(flood) => be_bad(&flood),
        Err(_) => assert!(process(NODES).wait().expect("ends").success(), "see above"),
    }
}

/// This test once more, as another process.
fn process(is: &str) -> Child {
    let mut command = Command::new(env::current_exe().expect("a test runs"));
    command.args(["--exact", NAME, "--nocapture"]).env(PROCESS, is).spawn().expect("starts")
}

#[allow(clippy::print_stdout)]
fn flood() {
    for kind in KINDS {
        // A chain of its own: whoever sends garbage is cut off, for longer than this test lasts.
        let directory = Directory::new(&format!("flood-{kind:?}"));
        let addresses: Vec<_> = (0..OPERATORS).map(|_| free_address()).collect();
        let (spec, log) = (spec_at(&addresses), SharedLog::default());
        let launch = |node: usize| {
            let transport = tcp::Transport { listen: addresses[node], followers: vec![] };
            start(node, spec.clone(), transport, &directory, log.clone())
        };
        let nodes: Vec<_> = (0..BAD).map(launch).collect();
        let quiet = watch(&log, QUIET);
        let before = resident();
        println!("quiet: {quiet:?}, {} MB", before >> 20);
        let flooder = Flooder::start(kind, &addresses);
        let stranger = Stranger::start(addresses[0]);
        let seen = watch(&log, FLOOD);
        let peak = resident();
        flooder.stop();
        let count = |metric| nodes.iter().map(|node| node.metric(metric)).sum::<u64>();
        let (knocks, received, limited) = (stranger.stop(), count("messages_received"), count("messages_rate_limited"));
        println!("{kind:?}: {seen:?}, {received} messages, {limited} held back, {knocks} strangers, {} MB", peak >> 20);
        assert!(kind != Kind::Lawful || limited > 10, "{limited} messages were more than the rates allow");
        assert!(knocks > 100, "{knocks} strangers");
        assert!(seen.heights >= 3 && seen.gap < GAP_MAX, "{kind:?}: {seen:?}");
        assert!(peak < before + GROWTH_MAX, "{kind:?}: {} MB, {} MB before", peak >> 20, before >> 20);
        stop(nodes);
        log.lock().assert_sound();
    }
}

/// What was seen of the chain.
#[derive(Debug)]
struct Progress {
    heights: u64,
    gap: Duration,
}

/// Watches how the height of the slowest honest node rises.
fn watch(log: &SharedLog, time: Duration) -> Progress {
    let height = || (0..BAD).map(|node| log.lock().height(node)).min().unwrap_or_default();
    let (started, first) = (Instant::now(), height());
    let (mut last, mut at, mut gap) = (first, started, Duration::ZERO);
    while started.elapsed() < time {
        thread::sleep(Duration::from_millis(5));
        let now = height();
        gap = gap.max(at.elapsed());
        if now > last {
            (last, at) = (now, Instant::now());
        }
    }
    Progress { heights: last - first, gap }
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("resident memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

/// What a flood consists of. Each is more than the channels' rates allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Well-formed: signed votes, blocks that nobody proposed, questions, gossip.
    Lawful,
    /// As large as messages can be.
    Large,
    /// Nothing that decodes.
    Garbage,
    /// Larger than messages can be.
    Oversized,
}

const KINDS: [Kind; 4] = [Kind::Lawful, Kind::Large, Kind::Garbage, Kind::Oversized];

const CHANNELS: [Channel; 7] = [
    Channel::Votes,
    Channel::Certificates,
    Channel::Resolver,
    Channel::Blocks,
    Channel::Backfill,
    Channel::Gossip,
    Channel::Welcome,
];

/// A member's key in the wrong hands: another process, until it is stopped.
struct Flooder(Child);

impl Flooder {
    fn start(kind: Kind, addresses: &[SocketAddr]) -> Self {
        let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        Self(process(&format!("{} {}", kind as usize, addresses.join(" "))))
    }

    fn stop(mut self) {
        assert!(self.0.try_wait().expect("a child").is_none(), "it has given up");
        self.0.kill().expect("a child");
        self.0.wait().expect("ends");
    }
}

/// Floods everybody until this process is killed.
fn be_bad(flood: &str) {
    let mut words = flood.split(' ');
    let kind = KINDS[words.next().and_then(|kind| kind.parse::<usize>().ok()).expect("a kind")];
    let addresses: Vec<SocketAddr> = words.map(|address| address.parse().expect("an address")).collect();
    let spec = spec_at(&addresses);
    tokio::Runner::new(tokio::Config::new().with_worker_threads(1)).start(|context| async move {
        let config = Config::new(spec.clone(), identity_key(BAD), Some(voting_key(BAD)));
        let newest = PeerSet::newest(&config.epochs);
        let peers = NonZeroUsize::new(OPERATORS + 1).expect("not zero");
        let mut network = tcp::network_config(&config, addresses[BAD], peers);
        let max = network.max_message_size as usize;
        if kind == Kind::Oversized {
            network.max_message_size *= 2;
        }
        let (mut network, mut oracle) = tcp::Lookup::new(context.child("network"), network);
        let rate = Quota::per_second(NZU32!(FLOOD_RATE));
        let channels = CHANNELS.map(|channel| (channel, network.register(channel as u64, rate)));
        network.start();
        let addresses = tcp::map(&tcp::addresses(newest.primary));
        oracle.track(0, AddressableTrackedPeers::new(addresses, Default::default()));
        for (index, (channel, (mut sender, mut receiver))) in channels.into_iter().enumerate() {
            let mut forge = Forge::new(&spec, max, index as u64);
            context.child("deaf").spawn(move |_| async move { while receiver.recv().await.is_ok() {} });
            context.child("flood").spawn(move |context| async move {
                for round in 0u64.. {
                    sender.send(Recipients::All, forge.message(kind, channel), false);
                    if round.is_multiple_of(PAUSE_EVERY) {
                        context.sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
        futures::future::pending::<()>().await;
    });
}

/// Makes messages.
struct Forge {
    random: StdRng,
    signer: Bls,
    max: usize,
    spec: Arc<ChainSpec>,
    views: u64,
}

impl Forge {
    fn new(spec: &Arc<ChainSpec>, max: usize, seed: u64) -> Self {
        let committees = Committees::new(spec, Epochs::new(spec.clone()), ()).expect("keys");
        let key = public_key(&identity(BAD)).expect("a key");
        let signer = committees.signer(0, &key, &voting_key(BAD)).expect("a member");
        Self { random: StdRng::seed_from_u64(seed), signer, max, spec: spec.clone(), views: 0 }
    }

    fn message(&mut self, kind: Kind, channel: Channel) -> Vec<u8> {
        match kind {
            Kind::Lawful => self.lawful(channel),
            Kind::Large => self.noise(self.max),
            Kind::Garbage => {
                let length = self.random.random_range(0..4_096);
                self.noise(length)
            }
            Kind::Oversized => self.noise(2 * self.max),
        }
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        // Random bytes cost more than sending them.
        let mut bytes = vec![self.random.random(); length];
        let head = length.min(256);
        self.random.fill_bytes(&mut bytes[..head]);
        bytes
    }

    fn lawful(&mut self, channel: Channel) -> Vec<u8> {
        let view = self.random.random_range(1..2_000);
        match channel {
            Channel::Votes => {
                // One of each view: two would convict it.
                self.views += 1;
                let (epoch, view) = (self.views / 1_000, 1 + self.views % 1_000);
                let round = Round::new(Epoch::new(epoch), View::new(view));
                let proposal = Proposal::new(round, View::new(view - 1), B256::repeat_byte(view as u8).into());
                let vote: Vote<Bls, Digest> = match view % 3 {
                    0 => Vote::Notarize(Notarize::sign(&self.signer, proposal).expect("signs")),
                    1 => Vote::Nullify(Nullify::sign::<Digest>(&self.signer, round).expect("signs")),
                    _ => Vote::Finalize(Finalize::sign(&self.signer, proposal).expect("signs")),
                };
                let mut bytes = UInt(epoch).encode().to_vec();
                bytes.extend_from_slice(&vote.encode());
                bytes
            }
            Channel::Blocks => self.block(view),
            Channel::Welcome => vec![0],
            Channel::Gossip => {
                let length = self.random.random_range(1..MAX_GOSSIP_BYTES);
                self.noise(length)
            }
            // Of epochs that there are; their contents are the library's, which blocks whoever sends nonsense.
            Channel::Certificates | Channel::Resolver | Channel::Backfill => UInt(1_000 + view).encode().to_vec(),
        }
    }

    /// A large block of the bad one's, which nobody asked for.
    fn block(&mut self, view: u64) -> Vec<u8> {
        let transaction = Bytes::from(self.noise(self.spec.limits.max_flashblock_bytes / 4));
        let body = Body { opening: None, transactions: vec![transaction] };
        let header = Header { view, height: view, leader: identity(BAD), body_hash: body.hash(), ..Header::default() };
        Block::new(Flashblock { header, body }).expect("the leader is a key").encode().to_vec()
    }
}

/// Somebody without a key, who connects and says something, again and again.
struct Stranger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Stranger {
    fn start(to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::spawn(move || {
            let (mut open, mut random, mut knocks) = (Vec::new(), StdRng::seed_from_u64(2), 0);
            while !stopping.load(Relaxed) {
                let mut noise = vec![0; random.random_range(0..4_096)];
                random.fill_bytes(&mut noise);
                if let Ok(mut stream) = TcpStream::connect(to) {
                    // The node may have hung up already.
                    let _ = stream.write_all(&noise);
                    open.push(stream);
                    knocks += 1;
                }
                if open.len() > 200 {
                    open.clear();
                }
                thread::sleep(Duration::from_millis(1));
            }
            knocks
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("ends cleanly")
    }
}

/// The specification of these tests has room for the blocks that the flood sends.
#[test]
fn floods_are_as_large_as_messages_can_be() {
    let spec = spec(20, 10);
    let mut forge = Forge::new(&spec, 1 << 20, 0);
    assert!(forge.message(Kind::Lawful, Channel::Blocks).len() > spec.limits.max_flashblock_bytes / 4);
    assert_eq!(forge.message(Kind::Large, Channel::Votes).len(), 1 << 20);
}
