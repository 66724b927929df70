//! `backup-http`: arguments, settings, logs, the service, and its end.

mod arguments;
mod signals;

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::Context;
use backup_app::{
    App, Role, Settings, Sources,
    settings::ServerSettings,
    telemetry::{self, LogOutput},
    text::neutral,
};
use backup_http::{AppState, Meters, ServerConfig, raise_descriptor_limit, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often what was timed is sorted.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let sources = arguments::sources();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let hurry = CancellationToken::new();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(&sources, &hurry) => Some(outcome),
            () = hurry.cancelled() => None,
        }
    });
    // What still runs here (a blocking call, a batch's last step) is recorded, and nothing to wait for.
    runtime.shutdown_background();
    match outcome {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => complain(&error),
        None => complain(&anyhow::anyhow!(
            "told to stop twice: stopped at once; open batches are taken up at the next start"
        )),
    }
}

async fn run(sources: &Sources, hurry: &CancellationToken) -> anyhow::Result<()> {
    let stop = signals::watch(hurry)?;
    let settings = Settings::load(sources)?;
    let logging = &settings.logging;
    telemetry::init(logging.format, &logging.level, false, LogOutput::Stdout)?;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    raise_descriptor_limit();
    let meters = Meters::install()?;
    tokio::spawn(tidy(meters.clone()));
    let mut config = ServerConfig::from(&settings.server);
    config.application_name.clone_from(&settings.application_name);

    // First the port: a second service by mistake must not touch the database.
    let listener = listen(&settings.server).await?;
    let address = listener.local_addr()?;
    let app = tokio::select! {
        app = App::start(settings, Role::Service) => app?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    serve(listener, AppState::with_meters(app.orchestrator, config, meters), stop.cancelled()).await;
    Ok(())
}

async fn listen(settings: &ServerSettings) -> anyhow::Result<TcpListener> {
    let (address, port) = (settings.address, settings.port);
    TcpListener::bind((address, port))
        .await
        .with_context(|| format!("cannot listen on {address} port {port}"))
}

async fn tidy(meters: Meters) {
    loop {
        tokio::time::sleep(TIDY_INTERVAL).await;
        meters.tidy();
    }
}

/// One line with the whole chain; a configuration with many faults has one more for each.
fn complain(error: &anyhow::Error) -> ExitCode {
    let text = format!("{error:#}");
    let lines: Vec<_> = text.lines().map(neutral).collect();
    let _ = writeln!(std::io::stderr(), "backup-http: {}", lines.join("\n"));
    ExitCode::FAILURE
}
