//! Accepting connections, and serving each of them within its limits.
//!
//! `axum::serve` has no limits for headers, so connections are driven here. HTTP/1.1 only: without TLS no client asks
//! for HTTP/2, and telling the two apart would need a time limit of its own.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header::CONNECTION},
};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown, service::TowerToHyperService};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Ends, Hurry,
    answer::AnswerBody,
    descriptors,
    registry::{Connection, Limits, Opened, Registry},
    stream::TrackedStream,
};
use crate::{config::ServerConfig, routes::router, state::AppState};

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// How often a connection has to make room while there is none.
const MAKE_ROOM_EVERY: Duration = Duration::from_millis(5);

/// How connections are served, and those that are open.
pub(crate) struct Connections {
    router: Router,
    http: http1::Builder,
    graceful: GracefulShutdown,
    room: Arc<Semaphore>,
    registry: Arc<Registry>,
    closing: AbortHandle,
}

impl Connections {
    pub(crate) fn new(state: &AppState) -> Self {
        let mut http = http1::Builder::new();
        http.half_close(true)
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEADER_BYTES);
        let registry = Arc::new(Registry::default());
        let closing = tokio::spawn(close_overdue(
            Arc::clone(&registry),
            limits(state.config()),
            state.stopping().clone(),
        ));
        Self {
            router: router(state.clone()),
            http,
            graceful: GracefulShutdown::new(),
            room: Arc::new(Semaphore::new(state.config().max_connections.min(descriptors::room()))),
            registry,
            closing: closing.abort_handle(),
        }
    }

    /// Takes connections until `stop` ends.
    pub(crate) async fn accept(&self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                (permit, stream, peer) = self.next(listener) => self.spawn(stream, peer, permit),
            }
        }
    }

    /// Ends when every connection has: idle ones are closed, requests under way are answered first.
    pub(crate) async fn shutdown(mut self) {
        std::mem::take(&mut self.graceful).shutdown().await;
    }

    /// The next connection, when there is room for it.
    async fn next(&self, listener: &TcpListener) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                // Only now: as long as nobody comes, nobody has to make room.
                Ok((stream, peer)) => return (self.place().await, stream, peer),
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted; trying again");
                    self.registry.make_room();
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// A place for one more connection. While there is none, those that wait make room, one by one.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = Arc::clone(&self.room).acquire_owned();
            // The semaphore is never closed; without a permit the connection would just not be counted.
            if let Ok(permit) = timeout(MAKE_ROOM_EVERY, permit).await {
                return permit.ok();
            }
            self.registry.make_room();
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, permit: Option<OwnedSemaphorePermit>) {
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        // The client is gone already.
        let Ok(local) = stream.local_addr() else { return };
        let opened = self.registry.open();
        let connection = Arc::clone(&opened.connection);
        let io = TokioIo::new(TrackedStream::new(stream, Arc::clone(&connection)));
        let service = service(self.router.clone(), connection, Ends { peer, local });
        let served = self.graceful.watch(self.http.serve_connection(io, service));
        tokio::spawn(async move {
            serve_one(served, &opened).await;
            drop((opened, permit));
        });
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.closing.abort();
    }
}

async fn serve_one(served: impl Future<Output = hyper::Result<()>>, opened: &Opened) {
    tokio::select! {
        result = served => if let Err(error) = result {
            tracing::debug!(%error, "a connection broke off");
        },
        () = opened.connection.closed() => {}
    }
}

/// The router, and a note in the registry when a request comes and when its answer is out.
fn service(
    router: Router,
    connection: Arc<Connection>,
    ends: Ends,
) -> impl Service<
    Request<Incoming>,
    Response = axum::http::Response<AnswerBody>,
    Error = std::convert::Infallible,
    Future: Send,
> {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        connection.answering(!request.body().is_end_stream());
        request.extensions_mut().insert(ends);
        request.extensions_mut().insert(Hurry(connection.hurry().clone()));
        let (answer, connection) = (router.call(request.map(Body::new)), Arc::clone(&connection));
        async move {
            let mut answer = answer.await?;
            if connection.hurry().is_cancelled() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| AnswerBody::new(body, connection)))
        }
    })
}

fn limits(config: &ServerConfig) -> Limits {
    Limits { head: config.read_timeout, idle: config.keep_alive_timeout, write: config.write_timeout }
}

/// Closes connections whose clients are too slow, until it is aborted.
async fn close_overdue(registry: Arc<Registry>, limits: Limits, stopping: CancellationToken) {
    let mut looks = interval(limits.look_interval());
    loop {
        looks.tick().await;
        let limits = if stopping.is_cancelled() { limits.when_stopping() } else { limits };
        registry.close_overdue(limits);
    }
}

/// The client was gone before we came to it.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
