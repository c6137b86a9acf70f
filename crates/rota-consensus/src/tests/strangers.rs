//! Garbage on the wire: from strangers on a socket, and from members on our own channels.

use super::{
    sockets::{Directory, free_address, metric, spec_at, start, stop},
    world::{OPERATORS, SharedLog, Start, World, identity, run, spec},
};
use crate::{MAX_GOSSIP_BYTES, config::Channel, tcp};
use commonware_p2p::{Recipients, Sender as _};
use commonware_runtime::Metrics as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// A connection of somebody who says this and then nothing.
fn say(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("the node listens");
    // The node may have hung up already.
    let _ = stream.write_all(bytes);
    stream
}

/// How many connections the node has not closed.
fn still_open(connections: &mut Vec<TcpStream>) -> usize {
    connections.retain_mut(|stream| {
        stream.set_nonblocking(true).expect("a socket");
        let mut answer = [0; 4096];
        match stream.read(&mut answer) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    });
    connections.len()
}

/// The first operators keep hearing each other.
fn exchange(log: &SharedLog, messages: usize) {
    let heard = |node: usize| {
        let log = log.lock();
        log.nodes.get(&node).and_then(|seen| seen.greeted.get(&identity(1 - node)).copied()).unwrap_or_default()
    };
    let (started, before) = (Instant::now(), [heard(0), heard(1)]);
    while heard(0) < before[0] + messages || heard(1) < before[1] + messages {
        assert!(started.elapsed() < Duration::from_secs(20), "silence between the operators");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn strangers_do_not_disturb_two_operators() {
    let directory = Directory::new("strangers");
    let addresses: Vec<_> = (0..OPERATORS).map(|_| free_address()).collect();
    let (spec, log) = (spec_at(&addresses), SharedLog::default());
    // Takes the calls for an operator that is away.
    let away = TcpListener::bind(addresses[2]).expect("a free port");
    let nodes: Vec<_> = (0..2)
        .map(|node| {
            let transport = tcp::Transport { listen: addresses[node], followers: vec![] };
            start(node, spec.clone(), transport, &directory, log.clone())
        })
        .collect();
    exchange(&log, 1);

    let mut noise = vec![0; 64 * 1024];
    StdRng::seed_from_u64(1).fill_bytes(&mut noise);
    let (mut called, _) = away.accept().expect("a call");
    called.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    let mut hello = vec![0; 4096];
    let length = called.read(&mut hello).expect("a genuine hello");
    assert!(length > 32, "a hello holds a key");
    let mut connections = vec![called];
    for node in addresses.iter().take(2) {
        connections.push(say(*node, &noise));
        connections.push(say(*node, &[0xff, 0xff, 0xff, 0xff, 0x0f]));
        connections.push(say(*node, &[0xff; 64]));
        connections.push(say(*node, &hello[..length / 2]));
        connections.push(say(*node, &hello[..length]));
    }
    exchange(&log, 20);

    // Silence, a few hundred times: most are refused at once, the rest when the handshake's time is up.
    connections.extend((0..400).map(|_| say(addresses[0], &[])));
    thread::sleep(Duration::from_millis(200));
    let half_open = still_open(&mut connections);
    assert!(half_open < 200, "{half_open} handshakes at once");
    exchange(&log, 20);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(still_open(&mut connections), 0, "handshakes end");
    let refused = nodes[0].metric("handshake_ip_rate_limited");
    assert!(refused >= 200, "{refused} counted");
    exchange(&log, 20);
    stop(nodes);
}

#[test]
fn what_is_no_message_is_ignored_and_counted() {
    run(19, |context, log| async move {
        let mut world = World::new(context, spec(60, 10), log).await;
        world.start(0, Start::first());
        let (mut gossip, _) = world.network.raw(identity(3), Channel::Gossip).await.expect("registers");
        let (mut welcome, _) = world.network.raw(identity(3), Channel::Welcome).await.expect("registers");
        world.sleep(100).await;
        gossip.send(Recipients::All, vec![0; MAX_GOSSIP_BYTES + 1], false);
        // Node 0 still asks whether the chain exists, so it reads answers.
        let endless_bitmap = [&[1, 0, 1][..], &[0; 40], &[0xff; 64]].concat();
        let nothing: [&[u8]; 6] = [&[], &[7], &[0, 0], &[1], &endless_bitmap, &[1; 100_000]];
        for message in nothing {
            welcome.send(Recipients::All, message.to_vec(), false);
        }
        world.sleep(200).await;
        let counted = world.context.encode();
        assert_eq!(metric(&counted, "gossip_dropped_total"), 1);
        assert_eq!(metric(&counted, "welcome_malformed_total"), nothing.len() as u64);
        (1..3).for_each(|node| world.start(node, Start::first()));
        world.until(60, "progress", |world| (0..3).all(|node| world.height(node) >= 20)).await;
        assert_eq!(world.network.blocked().await, []);
    });
}
