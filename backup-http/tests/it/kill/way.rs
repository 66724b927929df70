//! The way from one replica to YBA, where requests for a backup can be held: before they arrive, or with their answers.
//!
//! What is held belongs to the way, not to its sender: it arrives when the trial says so, also when the process that sent it is
//! stopped or dead and its connection is gone.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, Response, header, request::Parts},
};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};
use yba_client::UniverseId;

use crate::support::http_client;

const LARGEST_BODY: usize = 64 << 20;

/// The last request for a backup of each universe, whoever sent it: universe and attempt, oldest first.
#[derive(Clone)]
pub(super) struct Traffic(watch::Sender<Vec<(UniverseId, String)>>);

impl Traffic {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    fn note(&self, universe: &UniverseId, attempt: &str) {
        self.0.send_modify(|sent| sent.push((universe.clone(), attempt.to_owned())));
    }

    /// The next attempt for the universe after this one. A batch keeps its universe to its end, so it is of the same batch.
    pub(super) async fn repost(&self, universe: &UniverseId, attempt: &str) -> String {
        let next = |sent: &Vec<(UniverseId, String)>| {
            let mut of_universe = sent.iter().filter(|(other, _)| other == universe);
            of_universe.find(|(_, other)| other == attempt)?;
            of_universe.next().map(|(_, next)| next.clone())
        };
        let mut sent = self.0.subscribe();
        let found = sent.wait_for(|sent| next(sent).is_some()).await.expect("the traffic outlives its trial");
        next(&found).expect("it was waited for")
    }
}

/// The way of one replica.
pub(super) struct Way {
    pub(super) url: String,
    passage: Arc<Passage>,
    held: mpsc::UnboundedReceiver<HeldPost>,
}

/// A request for a backup that is held. Dropped, it goes on at once.
pub(super) struct HeldPost {
    pub(super) universe: UniverseId,
    pub(super) attempt: String,
    go: oneshot::Sender<()>,
    answered: oneshot::Receiver<()>,
    answer: oneshot::Sender<()>,
}

/// A request that has arrived, whose answer is held. Dropped, the answer goes on at once.
#[must_use]
pub(super) struct HeldAnswer {
    _answer: oneshot::Sender<()>,
}

impl HeldPost {
    /// Lets it arrive at YBA.
    pub(super) async fn arrive(self) -> HeldAnswer {
        drop(self.go);
        // An error: YBA answered by ending the connection.
        let _ = self.answered.await;
        HeldAnswer { _answer: self.answer }
    }
}

impl Way {
    /// Opens a way to the YBA at this address.
    pub(super) async fn open(yba: String, traffic: Traffic) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, held) = mpsc::unbounded_channel();
        let passage =
            Passage { yba, client: http_client(), to_hold: AtomicUsize::new(0), held: sender, traffic };
        let passage = Arc::new(passage);
        tokio::spawn(serve(listener, Arc::clone(&passage)));
        Self { url, passage, held }
    }

    /// The next so many requests for a backup are held.
    pub(super) fn hold(&self, requests: usize) {
        self.passage.to_hold.store(requests, Ordering::Release);
    }

    /// The next request that is held.
    pub(super) async fn held(&mut self) -> HeldPost {
        self.held.recv().await.expect("the way is there as long as its sender")
    }

    /// A request that is held already.
    pub(super) fn held_already(&mut self) -> Option<HeldPost> {
        self.held().now_or_never()
    }
}

/// What the connections of a way share.
struct Passage {
    yba: String,
    client: reqwest::Client,
    to_hold: AtomicUsize,
    held: mpsc::UnboundedSender<HeldPost>,
    traffic: Traffic,
}

/// The way's end of a [`HeldPost`].
struct Hold {
    go: oneshot::Receiver<()>,
    answered: oneshot::Sender<()>,
    answer: oneshot::Receiver<()>,
}

async fn serve(listener: TcpListener, passage: Arc<Passage>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, Arc::clone(&passage)));
    }
}

async fn serve_connection(stream: TcpStream, passage: Arc<Passage>) {
    let service = service_fn(move |request| Arc::clone(&passage).pass(request));
    // A connection that fails, or is to fail, is the sender's to notice.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Passage {
    /// Passes a request on, and its answer back. An answer that YBA cut off ends the connection.
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_BODY).await.map_err(io::Error::other)?;
        let hold = self.note(&head, &body);
        // A task of its own: it goes on when the sender and its connection are gone.
        let forwarded = tokio::spawn(async move { self.forward(head, body, hold).await });
        forwarded.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    /// Notes a request for a backup, and holds it if the trial wants to.
    fn note(&self, head: &Parts, body: &Bytes) -> Option<Hold> {
        if head.method != Method::POST || !head.uri.path().ends_with("/backups") {
            return None;
        }
        let order: Value = serde_json::from_slice(body).expect("our client sends JSON");
        let universe = UniverseId::from(order["universeUUID"].as_str().expect("a universe"));
        let attempt = head.headers["x-request-id"].to_str().expect("an id").to_owned();
        self.traffic.note(&universe, &attempt);
        let take_one = |left: usize| left.checked_sub(1);
        self.to_hold.fetch_update(Ordering::AcqRel, Ordering::Acquire, take_one).ok()?;
        let (go, goes) = oneshot::channel();
        let (answered, is_answered) = oneshot::channel();
        let (answer, answers) = oneshot::channel();
        let post = HeldPost { universe, attempt, go, answered: is_answered, answer };
        self.held.send(post).ok()?;
        Some(Hold { go: goes, answered, answer: answers })
    }

    async fn forward(&self, head: Parts, body: Bytes, hold: Option<Hold>) -> reqwest::Result<Response<Body>> {
        let Some(Hold { go, answered, answer }) = hold else { return self.exchange(head, body).await };
        // Errors: the trial let go of it.
        let _ = go.await;
        let response = self.exchange(head, body).await;
        let _ = answered.send(());
        let _ = answer.await;
        response
    }

    async fn exchange(&self, head: Parts, body: Bytes) -> reqwest::Result<Response<Body>> {
        let url = format!("{}{}", self.yba, head.uri);
        let request = self.client.request(head.method, url).headers(end_to_end(head.headers));
        let answer = request.body(body).send().await?;
        let (status, headers) = (answer.status(), end_to_end(answer.headers().clone()));
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Without what belongs to one connection.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}
