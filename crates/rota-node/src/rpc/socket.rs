//! A client's socket, and its calls: both keep the account of the connection.

use super::connections::Connection;
use jsonrpsee::{
    core::middleware::{Batch, Notification, RpcServiceT},
    server::MethodResponse,
    types::Request,
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// How long a client is read from after it was told that this is the end. A socket closed with bytes unread is reset, and
/// the reset overtakes the answer, such as that to a request which is refused for its size (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// A socket that is read from while its connection may be, that tells what it has written, that fails when it can't
/// write for long, and whose end leaves the client time to read the last answer.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// How long the client may take nothing of what is sent to it.
    patience: Duration,
    /// Runs while it takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs while what the client still sends is read and forgotten.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream, connection: Arc<Connection>, patience: Duration) -> Self {
        Self { stream, connection, patience, stalled: None, lingering: None }
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.connection.poll_write(cx)?;
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), cx) {
            self.stalled = None;
            return Poll::Ready(written.inspect(|bytes| self.connection.written(*bytes)));
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.connection.closed();
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.connection.poll_read(cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if lingering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut forgotten = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut forgotten);
            let read = ready!(self.as_mut().poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Puts what the calls of a connection answer on its account.
#[derive(Debug, Clone)]
pub(super) struct Accounting(pub(super) Arc<Connection>);

impl<S> tower::Layer<S> for Accounting {
    type Service = Accounted<S>;

    fn layer(&self, inner: S) -> Accounted<S> {
        Accounted { inner, connection: self.0.clone() }
    }
}

/// The calls of one connection.
#[derive(Debug, Clone)]
pub(super) struct Accounted<S> {
    inner: S,
    connection: Arc<Connection>,
}

async fn account(connection: Arc<Connection>, answer: impl Future<Output = MethodResponse>) -> MethodResponse {
    let _call = connection.call();
    let answer = answer.await;
    connection.answered(answer.as_json().get().len());
    answer
}

impl<S> RpcServiceT for Accounted<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        >,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        account(self.connection.clone(), self.inner.call(request))
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        account(self.connection.clone(), self.inner.batch(batch))
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::connections::Connections;
    use std::net::Ipv4Addr;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::{Instant, timeout},
    };

    async fn pair(connections: &Connections) -> (Socket, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connects");
        let (stream, from) = listener.accept().await.expect("a connection");
        (Socket::new(stream, connections.admit(from.ip()), Duration::from_millis(200)), client)
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (mut socket, _client) = pair(&Connections::new(1, 1)).await;
        let started = Instant::now();
        let written = timeout(Duration::from_secs(10), socket.write_all(&vec![0; 64 << 20])).await;
        assert_eq!(written.expect("ends").expect_err("nobody reads").kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= socket.patience);
    }

    #[tokio::test]
    async fn an_ended_connection_wakes_who_waits_for_it() {
        let connections = Connections::new(1, usize::MAX);
        let (mut socket, _client) = pair(&connections).await;
        let reading = tokio::spawn(async move { socket.read_u8().await });
        tokio::task::yield_now().await;
        let (mut other, mut client) = pair(&connections).await;
        let ended = timeout(Duration::from_secs(10), reading).await.expect("woken").expect("no panic");
        assert_eq!(ended.expect_err("no room for two").kind(), io::ErrorKind::ConnectionAborted);
        client.write_all(&[7]).await.expect("open");
        assert_eq!(other.read_u8().await.expect("open"), 7);
    }

    #[tokio::test]
    async fn the_last_answer_reaches_a_client_that_is_still_sending() {
        let (mut socket, mut client) = pair(&Connections::new(1, usize::MAX)).await;
        let serving = tokio::spawn(async move {
            socket.write_all(b"too large").await.expect("open");
            socket.shutdown().await
        });
        let mut answer = String::new();
        client.write_all(&vec![0; 16 << 20]).await.expect("nothing is reset");
        client.read_to_string(&mut answer).await.expect("nothing is reset");
        assert_eq!(answer, "too large");
        drop(client);
        serving.await.expect("no panic").expect("ends");
    }

    #[tokio::test]
    async fn who_never_stops_sending_is_not_read_for_long() {
        let (mut socket, mut client) = pair(&Connections::new(1, usize::MAX)).await;
        let flood = tokio::spawn(async move { while client.write_all(&[0; 65_536]).await.is_ok() {} });
        let ended = timeout(LINGER * 10, socket.shutdown()).await;
        ended.expect("given up").expect("shut down");
        drop(socket);
        timeout(LINGER * 10, flood).await.expect("closed").expect("no panic");
    }

    #[tokio::test]
    async fn what_is_written_is_read_as_far_as_is_known() {
        let connections = Connections::new(1, 10);
        let (mut socket, _client) = pair(&connections).await;
        socket.connection.answered(10);
        socket.write_all(&[0; 10]).await.expect("open");
        assert!(connections.has_room());
    }
}
