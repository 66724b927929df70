//! The API token: which one is in force, whether YBA accepts it, and the file that it is read from again.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::foreign::Secrets;

/// The file is read again this often, whatever YBA says.
const READ_EVERY: Duration = Duration::from_secs(30);
/// After a refusal it is read again no more often than this.
const READ_AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// No token is longer; a wrong path must not fill the memory.
const LONGEST: u64 = 64 * 1024;

/// What YBA thinks of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenState {
    /// It is accepted, or was not tried yet.
    Accepted,
    /// YBA answers 401 to it.
    Refused,
}

pub(crate) type OnToken = Arc<dyn Fn(TokenState) + Send + Sync>;

/// The token of a client.
pub(crate) struct Token {
    state: Mutex<State>,
    file: Option<PathBuf>,
    on_change: Option<OnToken>,
}

#[derive(Default)]
struct State {
    header: Option<HeaderValue>,
    refused_since: Option<Instant>,
    read_at: Option<Instant>,
    read_after_refusal_at: Option<Instant>,
    is_file_broken: bool,
}

impl Token {
    /// The token, or the one that the file holds.
    pub(crate) fn new(
        token: Option<&SecretString>,
        file: Option<PathBuf>,
        on_change: Option<OnToken>,
        secrets: &Secrets,
    ) -> Result<Self, String> {
        let from_file = match (&file, token) {
            (Some(path), None) => Some(read(path).map_err(|fault| format!("the token's file {fault}"))?),
            _ => None,
        };
        let header = token.or(from_file.as_ref()).map(|token| header(token, secrets)).transpose()?;
        let state = State { header, read_at: Some(Instant::now()), ..State::default() };
        Ok(Self { state: Mutex::new(state), file, on_change })
    }

    /// The token in force.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.state().header.clone()
    }

    /// For how long YBA has refused it.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        self.state().refused_since.map(|since| since.elapsed())
    }

    /// Takes over what the file holds by now, from time to time.
    pub(crate) async fn keep_fresh(&self, secrets: &Secrets) {
        let is_due = |state: &mut State| state.read_at.is_none_or(|at| at.elapsed() >= READ_EVERY);
        self.read_again(secrets, is_due).await;
    }

    /// YBA refused `sent`. Whether another token is in force by now, so that the call is worth sending again.
    pub(crate) async fn has_another_than(&self, sent: Option<&HeaderValue>, secrets: &Secrets) -> bool {
        let is_due = |state: &mut State| {
            let last = state.read_after_refusal_at;
            let is_due = last.is_none_or(|at| at.elapsed() >= READ_AT_MOST_EVERY);
            if is_due {
                state.read_after_refusal_at = Some(Instant::now());
            }
            is_due
        };
        self.read_again(secrets, is_due).await;
        self.header().as_ref() != sent
    }

    /// Learns what YBA thinks of the token that was sent, and tells whoever wants to know when that changes.
    pub(crate) fn learn(&self, sent: Option<&HeaderValue>, now: TokenState, address: &url::Url) {
        let mut state = self.state();
        // An answer to the token before this one says nothing about this one.
        if state.header.as_ref() != sent {
            return;
        }
        match (now, state.refused_since) {
            (TokenState::Refused, None) => {
                state.refused_since = Some(Instant::now());
                tracing::error!(%address, "YBA refuses the API token (401); replace it");
            }
            (TokenState::Accepted, Some(_)) => {
                state.refused_since = None;
                tracing::info!(%address, "YBA accepts the API token again");
            }
            _ => return,
        }
        drop(state);
        if let Some(tell) = &self.on_change {
            tell(now);
        }
    }

    async fn read_again(&self, secrets: &Secrets, is_due: impl FnOnce(&mut State) -> bool) {
        let Some(path) = self.file.clone() else { return };
        {
            let mut state = self.state();
            if !is_due(&mut state) {
                return;
            }
            state.read_at = Some(Instant::now());
        }
        let named = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let read = read.unwrap_or_else(|_| Err("cannot be read now".to_owned()));
        let read = read.and_then(|token| header(&token, secrets));
        let mut state = self.state();
        match read {
            Ok(header) => {
                state.is_file_broken = false;
                if state.header.as_ref() != Some(&header) {
                    tracing::info!(file = named, "the API token was replaced");
                    state.header = Some(header);
                }
            }
            Err(fault) if !state.is_file_broken => {
                state.is_file_broken = true;
                tracing::warn!(
                    file = named,
                    fault,
                    "the token's file is not usable; the token before it stays in force"
                );
            }
            Err(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The header of a token, which is struck out of everything foreign from now on.
fn header(token: &SecretString, secrets: &Secrets) -> Result<HeaderValue, String> {
    let token = token.expose_secret().trim();
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| "token holds characters that a header cannot carry".to_owned())?;
    if value.is_empty() {
        return Err("token is empty".to_owned());
    }
    secrets.learn(token);
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a token's file. A pipe or a device would hang or never end.
fn read(path: &Path) -> Result<SecretString, String> {
    use io::Read as _;
    let refuse = |error: io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(refuse)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refuse)?;
    let length = file.take(LONGEST + 1).read_to_string(&mut text).map_err(refuse)?;
    if length as u64 > LONGEST {
        return Err("is larger than any token".to_owned());
    }
    Ok(SecretString::from(text))
}
