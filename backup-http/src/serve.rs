//! The service behind a listener, and an end that loses nobody's answer.

use tokio::{net::TcpListener, time::timeout};

use crate::{connections::Connections, state::AppState};

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
    tokio::join!(state.orchestrator().shutdown(), connections.shutdown());
}
