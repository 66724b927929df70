//! Signals: SIGTERM and SIGINT stop the service, and no other signal ends it.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

/// Cancels the answered token at SIGTERM or SIGINT; a second one cancels `hurry`.
///
/// # Errors
///
/// When the system does not let us listen for signals.
pub(crate) fn watch(hurry: &CancellationToken) -> anyhow::Result<CancellationToken> {
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
        ignore_others()?;
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.0.recv() => "SIGTERM",
            _ = self.1.recv() => "SIGINT",
        }
    }
}

/// What would end a process that does nothing about it. SIGXFSZ among them: a file that may not grow is then an error
/// of the write. SIGPIPE is ignored by Rust's runtime already.
#[cfg(unix)]
fn ignore_others() -> std::io::Result<()> {
    use rustix::process::Signal;
    const IGNORED: [(&str, Signal); 9] = [
        ("SIGHUP", Signal::HUP),
        ("SIGQUIT", Signal::QUIT),
        ("SIGUSR1", Signal::USR1),
        ("SIGUSR2", Signal::USR2),
        ("SIGALRM", Signal::ALARM),
        ("SIGVTALRM", Signal::VTALARM),
        ("SIGPROF", Signal::PROF),
        ("SIGIO", Signal::IO),
        ("SIGXFSZ", Signal::XFSZ),
    ];
    IGNORED.into_iter().try_for_each(|(name, number)| ignore(name, number.as_raw()))
}

#[cfg(unix)]
fn ignore(name: &'static str, number: i32) -> std::io::Result<()> {
    let mut arrivals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(number))?;
    tokio::spawn(async move {
        while arrivals.recv().await.is_some() {
            tracing::info!(signal = name, "the signal is ignored; SIGTERM stops the service");
        }
    });
    Ok(())
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
