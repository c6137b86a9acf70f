//! An HTTP endpoint on loopback that answers whatever it is told to.

use parking_lot::Mutex;
use std::{collections::VecDeque, io, net::Ipv4Addr, sync::Arc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use url::Url;

/// The endpoint, and the runtime on which it and its clients run.
pub(crate) struct Endpoint {
    runtime: Runtime,
    answers: Answers,
    pub(crate) url: Url,
}

type Answers = Arc<Mutex<VecDeque<(&'static str, Vec<u8>)>>>;

impl Endpoint {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answers = Answers::default();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let told = answers.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone()));
            }
        });
        Self { runtime, answers, url: format!("http://127.0.0.1:{port}").parse().expect("a URL") }
    }

    /// Asks, while the endpoint answers with these bodies, each once and to the first question that its words are part
    /// of; and with `null` from then on.
    pub(crate) fn ask<T>(
        &self,
        answers: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
        question: impl Future<Output = T>,
    ) -> T {
        *self.answers.lock() = answers.into_iter().collect();
        self.runtime.block_on(question)
    }
}

/// HTTP/1.1 as far as our client speaks it.
async fn serve(mut stream: TcpStream, answers: Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        let Some(head) = received.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let end = head + length.unwrap_or(0);
        while received.len() < end {
            stream.read_buf(&mut received).await?;
        }
        received.drain(..end);
        let body = {
            let mut answers = answers.lock();
            let fitting = answers.iter().position(|(words, _)| text.contains(words));
            fitting.and_then(|index| answers.remove(index)).map_or_else(|| b"null".to_vec(), |(_, body)| body)
        };
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        stream.write_all(&answer).await?;
    }
}
