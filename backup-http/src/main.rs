//! `backup-http`: arguments, settings, logs, the service, and its end.

use std::{io::Write, net::IpAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use backup_app::{
    App, Environment, Role, Settings, Sources,
    settings::ServerSettings,
    telemetry::{self, LogOutput},
};
use backup_http::{AppState, Meters, ServerConfig, serve};
use clap::Parser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often what was timed is sorted.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);

/// The backup service for YugabyteDB Anywhere: POST /backupProcess.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// The configuration file; none is needed where the environment says enough.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port to listen on (server.port).
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The address to listen on (server.address).
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
}

impl From<Arguments> for Sources {
    fn from(arguments: Arguments) -> Self {
        let port = arguments.port.map(|port| ("server.port".to_owned(), port.to_string()));
        let address = arguments.address.map(|address| ("server.address".to_owned(), address.to_string()));
        Self {
            file: arguments.config,
            environment: Environment::process(),
            overrides: port.into_iter().chain(address).collect(),
            strategies: Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    let sources = Sources::from(Arguments::parse());
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
    let settings = Settings::load(sources)?;
    let logging = &settings.logging;
    telemetry::init(logging.format, &logging.level, false, LogOutput::Stdout)?;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let meters = Meters::install()?;
    tokio::spawn(tidy(meters.clone()));
    let mut config = ServerConfig::from(&settings.server);
    config.application_name.clone_from(&settings.application_name);

    // First the port: a second service by mistake must not touch the database.
    let listener = listen(&settings.server).await?;
    let address = listener.local_addr()?;
    let stop = watch_signals(hurry)?;
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

/// SIGTERM or SIGINT stops the service; a second one stops it at once.
fn watch_signals(hurry: &CancellationToken) -> anyhow::Result<CancellationToken> {
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let (stop, hurry) = (CancellationToken::new(), hurry.clone());
    let told = stop.clone();
    tokio::spawn(async move {
        let signal = signals.next().await;
        tracing::info!(signal, "told to stop; once more to stop at once");
        told.cancel();
        signals.next().await;
        hurry.cancel();
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.0.recv() => "SIGTERM",
            _ = self.1.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the same as on Unix")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // Without a console there is nobody to stop it like this.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

/// One line with the whole chain; a configuration with many faults has one more for each.
fn complain(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "backup-http: {error:#}");
    ExitCode::FAILURE
}
