//! Operators far apart: what they send each other over real sockets is relayed late.

use super::{
    sockets::{Directory, free_address, spec_at, start, stop},
    world::{OPERATORS, SharedLog, identity, identity_key},
};
use crate::{keys::public_key, tcp};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// From one operator to another: the round trip is longer than the time between two attempts to connect.
const ONE_WAY: Duration = Duration::from_millis(120);
/// Hellos in both directions that show a connection that lasts.
const HELLOS: u64 = 20;
/// For a restart, some attempts, and the hellos.
const SOON: Duration = Duration::from_secs(8);

/// An address from which everything is relayed to another, and back, one way later.
fn far(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                thread::sleep(ONE_WAY);
                let Ok(far) = TcpStream::connect(to) else { return thread::sleep(ONE_WAY) };
                let (Ok(back), Ok(forth)) = (near.try_clone(), far.try_clone()) else { return };
                thread::spawn(move || relay(far, back));
                relay(near, forth);
            });
        }
    });
    address
}

/// Passes on what comes until nothing comes any more.
fn relay(mut from: TcpStream, mut to: TcpStream) {
    let (passed, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (at, bytes) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passed.send((Instant::now() + ONE_WAY, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
    drop(passed);
    let _ = writer.join();
    let _ = from.shutdown(Shutdown::Both);
}

/// How often an operator was greeted by another.
fn greeted(log: &SharedLog, operator: usize, by: usize) -> u64 {
    let log = log.lock();
    log.nodes.get(&operator).and_then(|node| node.greeted.get(&identity(by))).copied().unwrap_or_default() as u64
}

/// Waits until an operator and every other have greeted each other for a while.
fn connected(log: &SharedLog, operator: usize) {
    let pairs: Vec<_> = (0..OPERATORS)
        .filter(|other| *other != operator)
        .flat_map(|other| [(operator, other), (other, operator)])
        .collect();
    let before: Vec<_> = pairs.iter().map(|(of, by)| greeted(log, *of, *by)).collect();
    let begun = Instant::now();
    let missing = || pairs.iter().zip(&before).find(|((of, by), before)| greeted(log, *of, *by) < *before + HELLOS);
    while let Some((pair, _)) = missing() {
        assert!(begun.elapsed() < SOON, "{} is not heard by {} {SOON:?} after a restart", pair.1, pair.0);
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn operators_far_apart_are_soon_connected_again() {
    let directory = Directory::new("far");
    let near: Vec<_> = (0..OPERATORS).map(|_| free_address()).collect();
    let addresses: Vec<_> = near.iter().map(|address| far(*address)).collect();
    let (spec, log) = (spec_at(&addresses), SharedLog::default());
    let launch = |node: usize| {
        let transport = tcp::Transport { listen: near[node], followers: vec![] };
        start(node, spec.clone(), transport, &directory, log.clone())
    };
    let mut nodes: Vec<_> = (0..OPERATORS).map(launch).collect();
    connected(&log, 0);
    for operator in 0..OPERATORS {
        stop(vec![nodes.remove(operator)]);
        nodes.insert(operator, launch(operator));
        connected(&log, operator);
    }
    stop(nodes);
    log.lock().assert_sound();
}

#[test]
fn of_two_members_one_dials() {
    let keys: Vec<_> = (0..OPERATORS).map(|node| public_key(&identity_key(node).identity()).expect("a key")).collect();
    let address = |node: usize| SocketAddr::from((Ipv4Addr::LOCALHOST, 1 + node as u16));
    let members: tcp::Addresses =
        keys.iter().enumerate().map(|(node, key)| (key.clone(), address(node).into())).collect();
    let dials = |me: &_, other: &_| {
        let seen = tcp::without_those_who_dial(me, members.clone());
        assert_eq!(seen[other].egress(), members[other].egress(), "connections from there are taken");
        seen[other].ingress().is_valid(true, false)
    };
    for (one, other) in keys.iter().zip(keys.iter().skip(1)) {
        assert!(dials(one, other) != dials(other, one));
    }
    let stranger = public_key(&identity_key(OPERATORS).identity()).expect("a key");
    assert!(keys.iter().all(|member| dials(&stranger, member)));
}
