//! Connections of clients: as many as there is room for, a fair share of them for everybody, and a bound on answers that
//! nobody reads.
//!
//! A new connection always gets in. If there is no room, whoever has most connections loses its oldest one, so that
//! somebody who opens thousands takes nothing from the others. Answers count from the moment that they are made until
//! the socket has taken them. While too much of a connection's is unread, or too many of its calls are running, nothing
//! more is read from it; when too much is unread altogether, the connection that has most of it ends.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// Bytes of answers of one connection that may be unread before it is no longer read from.
const UNREAD: usize = 1 << 20;

/// Calls of one connection that may run before it is no longer read from.
const CALLS: usize = 128;

/// Every open connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Connections at once.
    max: usize,
    /// Bytes of answers of all connections that may be unread before no more are made.
    unread_max: usize,
    unread: AtomicUsize,
    open: Mutex<Open>,
    ended: Arc<Ended>,
}

/// Connections that were ended for the others' sake, since the start.
#[derive(Debug, Default)]
pub struct Ended {
    crowded: AtomicU64,
    unread: AtomicU64,
}

impl Ended {
    /// How many, by reason: there was no room for a new one, or too many answers were unread.
    pub fn by_reason(&self) -> [(&'static str, u64); 2] {
        [("crowded", self.crowded.load(Relaxed)), ("unread", self.unread.load(Relaxed))]
    }
}

#[derive(Debug, Default)]
struct Open {
    next: u32,
    /// In the order of their beginning.
    connections: BTreeMap<u32, Arc<Connection>>,
}

impl Connections {
    pub(super) fn new(max: usize, unread_max: usize) -> Self {
        let (unread, open, ended) = (AtomicUsize::new(0), Mutex::default(), Arc::default());
        Self(Arc::new(Shared { max: max.max(1), unread_max, unread, open, ended }))
    }

    /// Counts what is ended.
    pub(super) fn ended(&self) -> Arc<Ended> {
        self.0.ended.clone()
    }

    /// Takes a new connection, and ends another one if there is no room.
    pub(super) fn admit(&self, from: IpAddr) -> Arc<Connection> {
        let client = client(from);
        let mut open = self.0.open.lock();
        if open.connections.len() >= self.0.max {
            let ended = open.oldest_of_the_largest(client).and_then(|id| open.connections.remove(&id));
            if let Some(connection) = ended {
                self.0.ended.crowded.fetch_add(1, Relaxed);
                connection.end();
            }
        }
        let id = open.next;
        open.next = open.next.wrapping_add(1);
        let connection = Arc::new(Connection { shared: self.0.clone(), id, client, state: Mutex::default() });
        open.connections.insert(id, connection.clone());
        connection
    }

    /// Whether another answer may be made. If not, the connection with most unread answers ends.
    pub(super) fn has_room(&self) -> bool {
        if self.0.unread.load(Relaxed) < self.0.unread_max {
            return true;
        }
        let open = self.0.open.lock();
        let largest = open.connections.values().max_by_key(|connection| connection.state.lock().unread);
        if let Some(connection) = largest {
            self.0.ended.unread.fetch_add(1, Relaxed);
            connection.end();
        }
        false
    }
}

impl Open {
    /// Of whoever has most connections, if `client` gets one more.
    fn oldest_of_the_largest(&self, client: IpAddr) -> Option<u32> {
        let mut counts = BTreeMap::from([(client, 1)]);
        self.connections.values().for_each(|connection| *counts.entry(connection.client).or_default() += 1);
        let (largest, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        self.connections.iter().find(|(_, connection)| connection.client == largest).map(|(id, _)| *id)
    }
}

/// Who connects: an IPv4 address, or the network of an IPv6 address that one subscriber has.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// One connection: what it owes its client, and who waits for that to change.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    id: u32,
    client: IpAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    unread: usize,
    calls: usize,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Connection {
    /// A call begins; it ends when this is dropped.
    pub(super) fn call(self: &Arc<Self>) -> Call {
        self.state.lock().calls += 1;
        Call(self.clone())
    }

    /// An answer of this many bytes is made.
    pub(super) fn answered(&self, bytes: usize) {
        let mut state = self.state.lock();
        if !state.ended {
            state.unread += bytes;
            self.shared.unread.fetch_add(bytes, Relaxed);
        }
    }

    /// The socket has taken this many bytes.
    pub(super) fn written(&self, bytes: usize) {
        let mut state = self.state.lock();
        // What frames an answer is written too.
        let bytes = bytes.min(state.unread);
        self.shared.unread.fetch_sub(bytes, Relaxed);
        state.relieve(|state| state.unread -= bytes);
    }

    /// Whether more may be read; wakes the task when it may.
    pub(super) fn poll_read(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        state.reader = Some(cx.waker().clone());
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if state.is_busy() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Whether anything may be written; wakes the task when that ends.
    pub(super) fn poll_write(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut state = self.state.lock();
        state.writer = Some(cx.waker().clone());
        if state.ended { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Makes the socket fail, whoever holds it.
    fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        self.shared.unread.fetch_sub(std::mem::take(&mut state.unread), Relaxed);
        state.reader.take().inspect(Waker::wake_by_ref);
        state.writer.take().inspect(Waker::wake_by_ref);
    }

    /// The socket is closed.
    pub(super) fn closed(&self) {
        self.shared.open.lock().connections.remove(&self.id);
        self.end();
    }
}

impl State {
    const fn is_busy(&self) -> bool {
        self.unread > UNREAD || self.calls >= CALLS
    }

    /// Lets the reader go on if it may again.
    fn relieve(&mut self, by: impl FnOnce(&mut Self)) {
        let was_busy = self.is_busy();
        by(self);
        if was_busy && !self.is_busy() {
            self.reader.take().inspect(Waker::wake_by_ref);
        }
    }
}

/// A call that runs.
#[derive(Debug)]
pub(super) struct Call(Arc<Connection>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.state.lock().relieve(|state| state.calls -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker;
    use std::net::Ipv4Addr;

    const fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn reads(connection: &Connection) -> Poll<bool> {
        connection.poll_read(&Context::from_waker(&noop_waker())).map(|read| read.is_ok())
    }

    #[test]
    fn who_has_most_connections_makes_room_for_the_others() {
        let connections = Connections::new(4, 100);
        let greedy: Vec<_> = (0..4).map(|_| connections.admit(address(1))).collect();
        let modest = connections.admit(address(2));
        assert_eq!(reads(&greedy[0]), Poll::Ready(false), "the oldest one ends");
        assert!(greedy[1..].iter().chain([&modest]).all(|connection| reads(connection) == Poll::Ready(true)));
        let more = connections.admit(address(1));
        assert_eq!(reads(&greedy[1]), Poll::Ready(false), "whoever has most pays for it");
        assert_eq!((reads(&more), reads(&modest)), (Poll::Ready(true), Poll::Ready(true)));
        // A closed connection leaves room.
        greedy[2].closed();
        let _more = connections.admit(address(3));
        assert_eq!(reads(&greedy[3]), Poll::Ready(true));
        assert_eq!(connections.ended().by_reason(), [("crowded", 2), ("unread", 0)]);
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one_client() {
        let [one, two, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|it| it.parse().expect("IPv6"));
        assert_eq!(client(one), client(two));
        assert_ne!(client(one), client(other));
        assert_eq!(client("::ffff:10.0.0.1".parse().expect("IPv6")), address(1));
    }

    #[test]
    fn who_does_not_read_is_not_read_from() {
        let connections = Connections::new(4, usize::MAX);
        let connection = connections.admit(address(1));
        connection.answered(UNREAD + 10);
        assert_eq!(reads(&connection), Poll::Pending);
        connection.written(20);
        assert_eq!(reads(&connection), Poll::Ready(true));
        let calls: Vec<_> = (0..CALLS).map(|_| connection.call()).collect();
        assert_eq!(reads(&connection), Poll::Pending);
        drop(calls);
        assert_eq!(reads(&connection), Poll::Ready(true));
    }

    #[test]
    fn when_answers_pile_up_the_largest_heap_goes() {
        let connections = Connections::new(4, 100);
        let [small, large] = [1, 2].map(|last| connections.admit(address(last)));
        small.answered(10);
        large.answered(80);
        assert!(connections.has_room());
        large.answered(10);
        assert!(!connections.has_room(), "full: the largest ends");
        assert_eq!((reads(&small), reads(&large)), (Poll::Ready(true), Poll::Ready(false)));
        assert!(connections.has_room());
        // What a connection that has ended still makes or writes counts no more.
        large.answered(1_000);
        large.written(1_000);
        small.written(1_000);
        small.closed();
        assert_eq!(connections.0.unread.load(Relaxed), 0);
        assert_eq!(connections.ended().by_reason(), [("crowded", 0), ("unread", 1)]);
    }
}
