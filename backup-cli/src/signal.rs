//! Ctrl-C, SIGTERM and SIGHUP: the first asks to stop, a second Ctrl-C or SIGTERM does not ask.

use std::io;

use tokio::sync::watch;

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The terminal was closed.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// The polite `kill`.
    Terminate,
}

impl Signal {
    /// What a shell shows for a program that it ended: 128 and the signal's number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 129,
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
            // A closed terminal hangs up more than once: by its shell and by the system.
            let second = loop {
                match source.next().await {
                    Signal::Hangup => {}
                    second => break second,
                }
            };
            // Everything that matters is recorded; what was under way is looked up by whoever comes next.
            std::process::exit(second.exit_code().into());
        });
        Ok(Self(receiver))
    }

    /// Does some work that leaves nothing behind, unless a signal comes first.
    pub(crate) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.first() => Err(signal),
            done = work => Ok(done),
        }
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
    /// `None`: whoever started the program wants it to outlive its terminal (`nohup`).
    hangup: Option<tokio::signal::unix::Signal>,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { hangup, interrupt, terminate })
    }

    async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = hangup => Signal::Hangup,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// Whether SIGHUP was ignored when the program was started. Only Linux tells without unsafe code; elsewhere it is heard.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Reads the mask of ignored signals; SIGHUP is number 1, so the lowest bit.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        assert!(ignores_hangup("Name:\tbackup-cli\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
