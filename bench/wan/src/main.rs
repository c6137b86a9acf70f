//! A wide-area network on one machine: a network namespace for each host of a map, with every packet delayed on its way.
//!
//! `rota-wan MAP` makes the namespaces, prints a line for each (`REGION ADDRESS NAMESPACE`), and routes until its
//! standard input ends. `nsenter --net=NAMESPACE PROGRAM` runs an unmodified program on that host. There is no loss, no
//! jitter and no limit of bandwidth. Needs Linux, root, `/dev/net/tun` and iproute2.

mod host;
mod map;

use host::{Host, address, receiver};
use map::Map;
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    error::Error,
    io::{self, Read as _, Write as _},
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

/// Packets under way; what comes on top is lost, as at any router.
const UNDER_WAY_MAX: usize = 1 << 17;
/// Packets of one host that are taken before the next host's turn.
const BURST: usize = 256;
/// How long to sleep at most.
const IDLE: Duration = Duration::from_millis(100);

/// A packet under way: when it is due, its number (what was sent first arrives first), its receiver, its bytes.
type Packet = Reverse<(Instant, u64, usize, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: rota-wan MAP")?;
    let map = Map::parse(&std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?)?;
    let hosts = (0..map.regions.len()).map(Host::new).collect::<io::Result<Vec<_>>>()?;
    let mut stdout = io::stdout();
    for (index, (region, host)) in map.regions.iter().zip(&hosts).enumerate() {
        writeln!(stdout, "{region} {} {}", address(index), host.path())?;
    }
    stdout.flush()?;
    route(&map, &hosts)?;
    Ok(())
}

/// Takes and delivers packets until the standard input ends.
fn route(map: &Map, hosts: &[Host]) -> io::Result<()> {
    let (mut under_way, mut number) = (BinaryHeap::<Packet>::new(), 0);
    let mut buffer = vec![0; 65_536];
    loop {
        let now = Instant::now();
        while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((_, _, to, packet))) = under_way.pop() else { break };
            // A host that takes no more has lost it.
            let _ = (&hosts[to].packets).write(&packet);
        }
        let next = under_way.peek().map_or(IDLE, |Reverse((due, ..))| due.saturating_duration_since(Instant::now()));
        let ready = wait(hosts, next)?;
        if ready[hosts.len()] && io::stdin().read(&mut buffer)? == 0 {
            return Ok(());
        }
        for (from, host) in hosts.iter().enumerate().filter(|(from, _)| ready[*from]) {
            for _ in 0..BURST {
                let Ok(length) = (&host.packets).read(&mut buffer) else { break };
                let packet = &buffer[..length];
                let Some(to) = receiver(packet, hosts.len()) else { continue };
                if under_way.len() < UNDER_WAY_MAX {
                    number += 1;
                    under_way.push(Reverse((Instant::now() + map.delays[from][to], number, to, packet.to_vec())));
                }
            }
        }
    }
}

/// Waits until a host has sent something, the standard input has, or the time is over: which of them it is.
fn wait(hosts: &[Host], timeout: Duration) -> io::Result<Vec<bool>> {
    let files = hosts.iter().map(|host| host.packets.as_raw_fd()).chain([io::stdin().as_raw_fd()]);
    let mut polled: Vec<_> = files.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let time = libc::timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: both pointers are to live values, and the length is the vector's.
    let result = unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as _, &raw const time, std::ptr::null()) };
    match io::Error::last_os_error() {
        error if result < 0 && error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(polled.iter().map(|one| result > 0 && one.revents != 0).collect()),
    }
}
