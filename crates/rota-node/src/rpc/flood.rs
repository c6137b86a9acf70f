//! Clients that open, ask and never read: the server stays small, and others are served.

use super::{RpcLimits, RpcServer, serve, testing};
use crate::ledger::fixture::{Fixture, account, sign};
use alloy_primitives::{B256, U256, hex};
use jsonrpsee::{
    core::client::ClientT,
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

/// Somebody at another address than the honest client's.
const FLOODER: &str = "127.0.0.2:0";

/// Bytes of zeros in a large answer.
const ZEROS: usize = 4 << 20;

async fn server(limits: RpcLimits) -> (RpcServer, HttpClient) {
    let fixture = Fixture::new();
    // CALLDATALOAD(0) PUSH0 RETURN: as many zeros as it is told.
    fixture.block(&[sign(0, 0, None, 0, hex!("635f355ff35f526004601cf3"))]);
    let context = testing::context(&fixture, limits);
    let server = serve(context, "127.0.0.1:0".parse().expect("an address")).await.expect("serves");
    let client = HttpClientBuilder::default().build(format!("http://{}", server.address())).expect("a client");
    (server, client)
}

/// A call with a large answer.
fn zeros() -> Value {
    json!({ "to": account(0).address().create(0), "data": B256::from(U256::from(ZEROS)) })
}

async fn connect(to: SocketAddr, say: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(FLOODER.parse().expect("an address")).expect("a port");
    let mut stream = socket.connect(to).await.expect("a connection");
    // It may be closed already.
    let _ = stream.write_all(say.as_bytes()).await;
    stream
}

/// How many of the connections are still open; reads what they have been sent.
async fn open(streams: Vec<TcpStream>) -> usize {
    let mut open = 0;
    for mut stream in streams {
        let mut rest = Vec::new();
        let end = timeout(Duration::from_millis(100), stream.read_to_end(&mut rest)).await;
        open += usize::from(end.is_err());
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_do_not_shut_others_out() {
    let (server, client) = server(RpcLimits { connections: 16, ..RpcLimits::default() }).await;
    let mut silent = Vec::new();
    for round in 0..100 {
        let say = if round % 2 == 0 { "" } else { "POST / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n{" };
        silent.push(connect(server.address(), say).await);
        if round % 10 == 0 {
            assert_eq!(client.request::<Value, _>("eth_chainId", rpc_params![]).await.expect("served"), "0x385");
        }
    }
    sleep(Duration::from_millis(100)).await;
    let open = open(silent).await;
    // One of the 16 is the client's; of the newest 15 the seven that say nothing are not answered, and so not closed.
    assert!((7..=16).contains(&open), "{open} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_do_not_pile_up() {
    let limits = RpcLimits { connections: 100, unread_bytes: 16 << 20, ..RpcLimits::default() };
    let (server, client) = server(limits).await;
    let call = zeros();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"] }).to_string();
    let head = format!("POST / HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    // Each answer is 8 MB of hex, of which the sockets take some.
    let mut deaf = Vec::new();
    for _ in 0..30 {
        deaf.push(connect(server.address(), &format!("{head}{body}")).await);
        sleep(Duration::from_millis(20)).await;
    }
    let mut answer = Err(String::new());
    for _ in 0..50 {
        let asked = client.request::<String, _>("eth_call", rpc_params![&call, "latest"]).await;
        answer = asked.map_err(|error| error.to_string());
        if answer.is_ok() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(answer.expect("who reads is served").len(), 2 + 2 * ZEROS);
    let mut whole = 0;
    for mut stream in deaf {
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_millis(300), stream.read_to_end(&mut answer)).await;
        whole += usize::from(answer.len() > 2 * ZEROS);
    }
    assert!((1..=15).contains(&whole), "{whole} answers were kept for those who don't read");
}
