//! A small HTTP/1.1 relay in front of the mock server.
//!
//! The mock server can answer, but not misbehave: it cannot do the work and then close, reset or cut
//! the connection. The relay can. It passes one request at a time per connection and obeys the notes
//! that the simulator leaves in its answers. It also stops listening on order, and is the place where
//! the mock server is emptied now and then, because it remembers every request it ever matched.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{RwLock, Semaphore, watch},
};
use wiremock::{MockServer, matchers::any};

use super::{
    reply::{CUT_HEADER, DELAY_HEADER, DRIP_HEADER},
    server::Responder,
};

/// After so many requests the mock server's memory of them is dropped.
const REQUESTS_PER_CLEANING: u64 = 5_000;
/// The most connections to the mock server.
const CONNECTIONS: usize = 16;
const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// What the relay is told to do; the sender's end belongs to the simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    Yes,
    No,
}

pub(super) struct Relay {
    pub(super) address: SocketAddr,
    order: watch::Sender<Listening>,
    state: watch::Receiver<Listening>,
}

struct Backend {
    server: MockServer,
    responder: Responder,
    served: AtomicU64,
    /// Held for reading by every request, for writing while the mock server is emptied.
    gate: RwLock<()>,
    /// Connections to the mock server that wait for their next request, and the right to use one. There
    /// are few, however many clients there are: it answers one request after the other anyway.
    idle: Mutex<Vec<(TcpStream, Vec<u8>)>>,
    places: Semaphore,
}

impl Relay {
    /// Serves on `listener` from a thread of its own, so that it does not depend on which runtime,
    /// or which clock, the test uses.
    pub(super) async fn start(listener: StdListener, responder: Responder) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server = MockServer::builder().disable_request_recording().start().await;
        mount(&server, &responder).await;
        let backend = Backend {
            server,
            responder,
            served: AtomicU64::new(0),
            gate: RwLock::new(()),
            idle: Mutex::new(Vec::new()),
            places: Semaphore::new(CONNECTIONS),
        };
        let (order, orders) = watch::channel(Listening::Yes);
        let (report, state) = watch::channel(Listening::Yes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("yba-simulator".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, address, Arc::new(backend), orders, &report));
        })?;
        Ok(Self { address, order, state })
    }

    /// Starts or stops listening. When stopped, open connections are closed too.
    pub(super) async fn listen(&self, listening: Listening) {
        self.order.send_replace(listening);
        let mut state = self.state.clone();
        // An error means that the relay is gone, and then nobody listens.
        let _ = state.wait_for(|now| *now == listening).await;
    }
}

async fn mount(server: &MockServer, responder: &Responder) {
    wiremock::Mock::given(any()).respond_with(responder.clone()).mount(server).await;
}

async fn serve(
    listener: StdListener,
    address: SocketAddr,
    backend: Arc<Backend>,
    mut orders: watch::Receiver<Listening>,
    report: &watch::Sender<Listening>,
) {
    let mut first = Some(listener);
    loop {
        let listener = match first.take().map_or_else(|| bind(address), TcpListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, %address, "the simulator cannot listen");
                return;
            }
        };
        report.send_replace(Listening::Yes);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, _)) = accepted else {
                        // Out of file descriptors, most likely: let some be closed.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let (backend, mut orders) = (backend.clone(), orders.clone());
                    tokio::spawn(async move {
                        // A connection that fails is the client's business; it sees it.
                        tokio::select! {
                            _ = connection(client, &backend) => {}
                            _ = orders.changed() => {}
                        }
                    });
                }
                changed = orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if *orders.borrow_and_update() == Listening::No {
                        break;
                    }
                }
            }
        }
        drop(listener);
        // The connections' tasks see the order at their next turn, before anything else is accepted.
        tokio::task::yield_now().await;
        report.send_replace(Listening::No);
        if orders.wait_for(|order| *order == Listening::Yes).await.is_err() {
            return;
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

impl Backend {
    /// Has the mock server answer a request.
    async fn exchange(&self, request: &Message) -> io::Result<Option<Message>> {
        let served = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        if served.is_multiple_of(REQUESTS_PER_CLEANING) {
            let _alone = self.gate.write().await;
            self.server.reset().await;
            mount(&self.server, &self.responder).await;
        }
        let _pass = self.gate.read().await;
        // The semaphore is never closed.
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let waiting = self.idle().pop();
        let (mut upstream, mut buffer) = if let Some(waiting) = waiting {
            waiting
        } else {
            let upstream = TcpStream::connect(self.server.address()).await?;
            upstream.set_nodelay(true)?;
            (upstream, Vec::new())
        };
        upstream.write_all(&request.bytes).await?;
        let has_body = !request.bytes.starts_with(b"HEAD ");
        let response = read_message(&mut upstream, &mut buffer, has_body).await?;
        let ends = request.ends_connection() || response.as_ref().is_none_or(Message::ends_connection);
        if !ends {
            self.idle().push((upstream, buffer));
        }
        Ok(response)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(TcpStream, Vec<u8>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connection(mut client: TcpStream, backend: &Backend) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut inbound = Vec::new();
    while let Some(request) = read_message(&mut client, &mut inbound, true).await? {
        let response = backend.exchange(&request).await?;
        let Some(response) = response else { return Ok(()) };
        let last = request.ends_connection() || response.ends_connection();
        if !deliver(&mut client, &response).await? || last {
            return Ok(());
        }
    }
    Ok(())
}

/// Hands an answer to the client, or breaks the connection as ordered. False ends the connection.
async fn deliver(client: &mut TcpStream, response: &Message) -> io::Result<bool> {
    if let Some(delay) = response.header(DELAY_HEADER).and_then(|millis| millis.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    match response.header(CUT_HEADER).as_deref() {
        Some("close") => return Ok(false),
        Some("reset") => {
            client.set_zero_linger()?;
            return Ok(false);
        }
        Some(_) => {
            let body = response.bytes.len() - response.head;
            client.write_all(&response.without_notes()).await?;
            client.write_all(&response.bytes[response.head..][..body / 2]).await?;
            client.shutdown().await?;
            return Ok(false);
        }
        None => {}
    }
    if let Some(every) = response.header(DRIP_HEADER).and_then(|millis| millis.parse().ok()) {
        for byte in response.without_notes().iter().chain(&response.bytes[response.head..]) {
            client.write_all(&[*byte]).await?;
            tokio::time::sleep(Duration::from_millis(every)).await;
        }
        return Ok(true);
    }
    if response.header(DELAY_HEADER).is_some() {
        client.write_all(&response.without_notes()).await?;
        client.write_all(&response.bytes[response.head..]).await?;
    } else {
        client.write_all(&response.bytes).await?;
    }
    Ok(true)
}

/// A request or an answer: its bytes, and where its head ends.
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

impl Message {
    fn header(&self, name: &str) -> Option<String> {
        header(&self.bytes[..self.head], name)
    }

    /// Whoever sent this wants the connection closed after the answer.
    fn ends_connection(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The head, without what was meant for the relay.
    fn without_notes(&self) -> Vec<u8> {
        let head = String::from_utf8_lossy(&self.bytes[..self.head]);
        let kept: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.to_ascii_lowercase().starts_with("x-simulator-"))
            .collect();
        kept.join("\r\n").into_bytes()
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Reads one message; `None` when the other side is done. The answer to a `HEAD` has a length and no body.
async fn read_message(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    has_body: bool,
) -> io::Result<Option<Message>> {
    let mut searched = 0;
    let head = loop {
        if let Some(end) = buffer[searched..].windows(4).position(|w| w == b"\r\n\r\n") {
            break searched + end + 4;
        }
        searched = buffer.len().saturating_sub(3);
        if !more(stream, buffer).await? {
            return Ok(None);
        }
    };
    let end = if !has_body {
        Some(head)
    } else if header(&buffer[..head], "transfer-encoding").is_some() {
        end_of_chunks(stream, buffer, head).await?
    } else {
        let length = header(&buffer[..head], "content-length").and_then(|length| length.parse().ok());
        Some(head.saturating_add(length.unwrap_or_default()))
    };
    let Some(end) = end else { return Ok(None) };
    while buffer.len() < end {
        if !more(stream, buffer).await? {
            return Ok(None);
        }
    }
    let rest = buffer.split_off(end);
    Ok(Some(Message { bytes: std::mem::replace(buffer, rest), head }))
}

/// Reads on; false when the other side is done.
async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    if buffer.len() > LARGEST_MESSAGE {
        return Err(io::Error::other("the message is too large"));
    }
    Ok(stream.read_buf(buffer).await? > 0)
}

/// Where a chunked body ends: after the empty line that follows the chunk of length 0.
async fn end_of_chunks(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    mut at: usize,
) -> io::Result<Option<usize>> {
    let mut last = false;
    loop {
        let found = buffer.get(at..).unwrap_or_default().windows(2).position(|w| w == b"\r\n");
        let Some(length) = found else {
            if !more(stream, buffer).await? {
                return Ok(None);
            }
            continue;
        };
        let line = String::from_utf8_lossy(&buffer[at..at + length]).into_owned();
        at += length + 2;
        if last {
            // Trailers, up to an empty line.
            if line.is_empty() {
                return Ok(Some(at));
            }
            continue;
        }
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        last = size == 0;
        if !last {
            at = at.saturating_add(size + 2);
        }
    }
}
