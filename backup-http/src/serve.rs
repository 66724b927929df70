//! The listener: connections with limits, and an end that loses nobody's answer.
//!
//! `axum::serve` has no limits for headers, so connections are driven here. HTTP/1.1 only: without TLS no client asks
//! for HTTP/2, and telling the two apart would need a time limit of its own.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::{routes::router, state::AppState};

const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves until `stop` ends, and then takes the service down: it is not ready any more, takes no more connections,
/// answers whoever waits (202 for a backup that goes on), and shuts the orchestrator down. All of it is bounded by the
/// configured time; what is open then is recorded, and taken up at the next start.
pub async fn serve(listener: TcpListener, state: AppState, stop: impl Future<Output = ()>) {
    let connections = Connections::new(&state);
    connections.accept(&listener, stop).await;
    state.stopping().cancel();
    drop(listener);
    tracing::info!(in_flight = state.orchestrator().in_flight(), "stopping");
    let limit = state.config().shutdown_timeout;
    match timeout(limit, wind_down(&state, connections)).await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => {
            tracing::warn!(
                seconds = limit.as_secs_f64(),
                "not everything ended in time; it is taken up at the next start"
            );
        }
    }
}

/// First whatever is on its way into the store, so that it is handed over rather than left behind; then the
/// orchestrator, whose end answers whoever waits, and with that the connections.
async fn wind_down(state: &AppState, connections: Connections) {
    state.submissions().close();
    state.submissions().wait().await;
    tokio::join!(state.orchestrator().shutdown(), connections.graceful.shutdown());
}

/// How connections are served, and those that are open.
struct Connections {
    router: Router,
    http: http1::Builder,
    graceful: GracefulShutdown,
    room: Arc<Semaphore>,
}

impl Connections {
    fn new(state: &AppState) -> Self {
        let mut http = http1::Builder::new();
        // Also the time that a connection may be idle between two requests.
        http.timer(TokioTimer::new())
            .header_read_timeout(state.config().read_timeout)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEADER_BYTES);
        Self {
            router: router(state.clone()),
            http,
            graceful: GracefulShutdown::new(),
            room: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }

    async fn accept(&self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                (permit, stream) = self.next(listener) => self.spawn(stream, permit),
            }
        }
    }

    /// The next connection for which there is room.
    async fn next(&self, listener: &TcpListener) -> (Option<OwnedSemaphorePermit>, TcpStream) {
        // The semaphore is never closed; without a permit the connection would just not be counted.
        let permit = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (permit, stream),
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted; trying again");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, permit: Option<OwnedSemaphorePermit>) {
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.graceful.watch(self.http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
}

/// The client was gone before we came to it.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
