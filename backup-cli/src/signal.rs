//! Ctrl-C and SIGTERM: the first asks to stop, the second does not ask.

use std::io;

use tokio::sync::watch;

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The polite `kill`.
    Terminate,
}

impl Signal {
    /// What a shell shows for a program that it ended: 128 and the signal's number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Hears signals from when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Signals(watch::Receiver<Option<Signal>>);

impl Signals {
    /// Begins to listen; from here on the program does not end by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        let (heard, receiver) = watch::channel(None);
        let mut source = Source::new()?;
        tokio::spawn(async move {
            let first = source.next().await;
            heard.send_replace(Some(first));
            let second = source.next().await;
            // Everything that matters is recorded; what was under way is looked up by whoever comes next.
            std::process::exit(second.exit_code().into());
        });
        Ok(Self(receiver))
    }

    /// Waits for the first signal.
    pub(crate) async fn first(&self) -> Signal {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // The listener is gone with its runtime.
            _ => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
