//! Every open connection: what it waits for and since when, and which of them is closed for it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A client that takes this much of its answer is not stuck, however much is left.
const PROGRESS_BYTES: usize = 64 * 1024;
/// How long what a client still sends is read after the last answer, so that the answer is not lost on its way.
const LINGER: Duration = Duration::from_secs(1);
/// How long a slow client is waited for when the service stops.
const STOPPING: Duration = Duration::from_secs(1);
/// A connection that has waited for less than this does not have to make room, unless it is idle.
const EVICTABLE_AFTER: Duration = Duration::from_secs(1);

/// How long a connection may wait for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For the head of a request: from its first byte, or from the beginning of the connection.
    pub(crate) head: Duration,
    /// For the next request.
    pub(crate) idle: Duration,
    /// For the client to take its answer, or the next part of it.
    pub(crate) write: Duration,
}

impl Limits {
    /// The limits of a service that stops: slow clients do not hold it up.
    pub(crate) fn when_stopping(self) -> Self {
        Self { head: self.head.min(STOPPING), idle: self.idle, write: self.write.min(STOPPING) }
    }

    /// How often to look for connections that are over their limit.
    pub(crate) fn look_interval(self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.write);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

/// The open connections of a service.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    last_id: AtomicU64,
}

impl Registry {
    /// A new connection. It is open until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Opened {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new());
        lock(&self.open).insert(id, Arc::clone(&connection));
        Opened { connection, id, registry: Arc::clone(self) }
    }

    /// Closes what has waited for its client for longer than it may.
    pub(crate) fn close_overdue(&self, limits: Limits) {
        let open = lock(&self.open);
        for connection in open.values() {
            if let Some(waits_for) = connection.overdue(limits) {
                tracing::debug!(waits_for, "a client is too slow: its connection is closed");
                connection.closed.cancel();
            }
        }
    }

    /// Makes room for another connection: closes the one that is missed least, or hurries the request that has been waited
    /// for longest. No answer is given up.
    pub(crate) fn make_room(&self) {
        let open = lock(&self.open);
        let worth = open.values().filter_map(|connection| Some((connection.worth()?, connection)));
        let Some(((wait, _), connection)) = worth.min_by_key(|(worth, _)| *worth) else { return };
        tracing::debug!(?wait, "no room for another connection: one that waits makes room");
        match wait {
            Wait::Idle | Wait::Slow => connection.closed.cancel(),
            Wait::Answer => connection.hurry.cancel(),
        }
    }
}

/// A connection while it is open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Arc<Connection>,
    id: u64,
    registry: Arc<Registry>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        lock(&self.registry.open).remove(&self.id);
    }
}

/// What one connection does.
#[derive(Debug)]
pub(crate) struct Connection {
    activity: Mutex<Activity>,
    closed: CancellationToken,
    hurry: CancellationToken,
}

/// What a connection waits for, the one that is missed least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    /// Its next request.
    Idle,
    /// A slow client.
    Slow,
    /// The answer to its request.
    Answer,
}

#[derive(Debug)]
struct Activity {
    phase: Phase,
    blocked: Option<Blocked>,
    /// Whether the client may be in the middle of a request.
    is_sending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The service has not looked yet whether the client sends something. It may be busy; that is not the client's fault.
    Unread {
        /// Whether a request was answered before.
        is_used: bool,
    },
    /// The head of a request is on its way.
    Head(Instant),
    /// A request is being answered: no limit here, its handler has its own.
    Answering(Instant),
    /// Between two requests.
    Idle(Instant),
    /// Everything is said; what the client still sends is dropped.
    Lingering(Instant),
}

/// An answer that the client does not take.
#[derive(Clone, Copy, Debug)]
struct Blocked {
    since: Instant,
    taken: usize,
}

impl Connection {
    fn new() -> Self {
        let activity = Activity { phase: Phase::Unread { is_used: false }, blocked: None, is_sending: false };
        Self {
            activity: Mutex::new(activity),
            closed: CancellationToken::new(),
            hurry: CancellationToken::new(),
        }
    }

    /// Ends when the connection is to be closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Cancelled when the request on this connection is to be answered without waiting any longer.
    pub(crate) fn hurry(&self) -> &CancellationToken {
        &self.hurry
    }

    /// Bytes arrived.
    pub(crate) fn received(&self) {
        let mut activity = lock(&self.activity);
        activity.is_sending = true;
        if let Phase::Idle(_) | Phase::Unread { .. } = activity.phase {
            activity.phase = Phase::Head(Instant::now());
        }
    }

    /// The client has sent nothing more: from now on it is waited for.
    pub(crate) fn has_nothing_to_read(&self) {
        let mut activity = lock(&self.activity);
        match activity.phase {
            Phase::Unread { is_used: false } => activity.phase = Phase::Head(Instant::now()),
            Phase::Unread { is_used: true } => activity.phase = Phase::Idle(Instant::now()),
            _ => {}
        }
    }

    /// A request's head is complete.
    pub(crate) fn answering(&self, has_body: bool) {
        let mut activity = lock(&self.activity);
        activity.phase = Phase::Answering(Instant::now());
        activity.is_sending = has_body;
    }

    /// The whole answer was handed over.
    pub(crate) fn answered(&self) {
        lock(&self.activity).phase = Phase::Unread { is_used: true };
    }

    /// The client took `bytes` of `offered`.
    pub(crate) fn took(&self, bytes: usize, offered: usize) {
        let mut activity = lock(&self.activity);
        if bytes == offered {
            activity.blocked = None;
        } else if let Some(blocked) = &mut activity.blocked {
            blocked.taken += bytes;
            if blocked.taken >= PROGRESS_BYTES {
                activity.blocked = None;
            }
        }
    }

    /// The client takes nothing now.
    pub(crate) fn blocked(&self) {
        let mut activity = lock(&self.activity);
        activity.blocked.get_or_insert_with(|| Blocked { since: Instant::now(), taken: 0 });
    }

    /// Nothing more will be sent. Answers whether the client may still be sending.
    pub(crate) fn lingers(&self) -> bool {
        let mut activity = lock(&self.activity);
        activity.phase = Phase::Lingering(Instant::now());
        activity.is_sending
    }

    fn overdue(&self, limits: Limits) -> Option<&'static str> {
        let activity = lock(&self.activity);
        let is_over = |since: Instant, limit| since.elapsed() >= limit;
        match (activity.blocked, activity.phase) {
            (Some(blocked), _) if is_over(blocked.since, limits.write) => Some("its answer to be read"),
            (_, Phase::Head(since)) if is_over(since, limits.head) => Some("a request's head"),
            (_, Phase::Idle(since)) if is_over(since, limits.idle) => Some("the next request"),
            (_, Phase::Lingering(since)) if is_over(since, LINGER) => Some("its end"),
            _ => None,
        }
    }

    /// How much a connection that waits is worth, the least first; nothing for one that is going already, or that has just
    /// come.
    fn worth(&self) -> Option<(Wait, Instant)> {
        let activity = lock(&self.activity);
        let (wait, since) = match (activity.blocked, activity.phase) {
            (Some(blocked), _) => (Wait::Slow, blocked.since),
            (None, Phase::Unread { .. }) => return None,
            (None, Phase::Idle(since)) => (Wait::Idle, since),
            (None, Phase::Head(since) | Phase::Lingering(since)) => (Wait::Slow, since),
            (None, Phase::Answering(since)) => (Wait::Answer, since),
        };
        let is_going = self.closed.is_cancelled() || (wait == Wait::Answer && self.hurry.is_cancelled());
        let is_old_enough = wait == Wait::Idle || since.elapsed() >= EVICTABLE_AFTER;
        (is_old_enough && !is_going).then_some((wait, since))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(20),
    };

    fn answered(opened: &Opened) {
        opened.connection.answered();
        opened.connection.has_nothing_to_read();
    }

    fn is_closed(connection: &Connection) -> bool {
        connection.closed.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_limit() {
        let registry = Arc::new(Registry::default());
        let [head, idle, answering, blocked] = [(); 4].map(|()| registry.open());
        head.connection.has_nothing_to_read();
        for opened in [&idle, &answering, &blocked] {
            opened.connection.answering(false);
        }
        answered(&idle);
        blocked.connection.blocked();
        let mut closed_after = Vec::new();
        for seconds in [9, 1, 9, 1, 54, 1, 100_000] {
            advance(Duration::from_secs(seconds)).await;
            registry.close_overdue(LIMITS);
            closed_after
                .push([&head, &blocked, &idle, &answering].map(|opened| is_closed(&opened.connection)));
        }
        assert_eq!(closed_after[0], [false, false, false, false]);
        assert_eq!(closed_after[1], [true, false, false, false]);
        assert_eq!(closed_after[2], [true, false, false, false]);
        assert_eq!(closed_after[3], [true, true, false, false]);
        assert_eq!(closed_after[4], [true, true, false, false]);
        assert_eq!(closed_after[5], [true, true, true, false]);
        assert_eq!(closed_after[6], [true, true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_of_the_next_request_begins_its_time() {
        let registry = Arc::new(Registry::default());
        let opened = registry.open();
        opened.connection.answering(false);
        answered(&opened);
        advance(Duration::from_secs(70)).await;
        for _ in 0..9 {
            opened.connection.received();
            advance(Duration::from_secs(1)).await;
        }
        registry.close_overdue(LIMITS);
        assert!(!is_closed(&opened.connection));
        advance(Duration::from_secs(1)).await;
        registry.close_overdue(LIMITS);
        assert!(is_closed(&opened.connection), "one byte a second does not hold it open");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answer_in_drops_is_as_stuck_as_one_that_takes_nothing() {
        let registry = Arc::new(Registry::default());
        let [drops, steady] = [(); 2].map(|()| registry.open());
        for opened in [&drops, &steady] {
            opened.connection.answering(false);
        }
        for _ in 0..20 {
            drops.connection.blocked();
            drops.connection.took(1, 1_000_000);
            steady.connection.blocked();
            steady.connection.took(PROGRESS_BYTES, 1_000_000);
            advance(Duration::from_secs(1)).await;
        }
        registry.close_overdue(LIMITS);
        assert_eq!((is_closed(&drops.connection), is_closed(&steady.connection)), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_the_one_that_is_missed_least() {
        let registry = Arc::new(Registry::default());
        let [answering, head, blocked, idle] = [(); 4].map(|()| registry.open());
        for opened in [&answering, &blocked, &idle] {
            opened.connection.answering(true);
        }
        blocked.connection.blocked();
        head.connection.has_nothing_to_read();
        advance(EVICTABLE_AFTER).await;
        answered(&idle);
        let mut open = vec!["answering", "blocked or head", "blocked or head", "idle"];
        for _ in 0..5 {
            registry.make_room();
            let closed = [&idle, &head, &blocked, &answering].map(|opened| is_closed(&opened.connection));
            open.truncate(closed.iter().filter(|closed| !**closed).count());
            assert!(closed[0], "the idle one goes first");
            let is_hurried = answering.connection.hurry.is_cancelled();
            assert!(!is_hurried || open.len() == 1, "an answer is hurried last");
        }
        assert_eq!(open, ["answering"], "an answer is not given up");
        assert!(answering.connection.hurry.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_does_not_pay_for_a_service_that_is_busy() {
        let registry = Arc::new(Registry::default());
        let opened = registry.open();
        advance(Duration::from_secs(100_000)).await;
        registry.close_overdue(LIMITS);
        registry.make_room();
        assert!(!is_closed(&opened.connection), "nobody has looked yet whether its request is there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_just_come_is_not_closed_for_another() {
        let registry = Arc::new(Registry::default());
        let opened = registry.open();
        opened.connection.has_nothing_to_read();
        registry.make_room();
        assert!(!is_closed(&opened.connection));
    }

    #[test]
    fn what_is_closed_is_forgotten() {
        let registry = Arc::new(Registry::default());
        drop(registry.open());
        assert!(lock(&registry.open).is_empty());
    }

    #[test]
    fn a_service_that_stops_is_less_patient_and_never_more() {
        let stopping = LIMITS.when_stopping();
        assert_eq!((stopping.head, stopping.write), (STOPPING, STOPPING));
        let short = Limits { head: Duration::from_millis(1), ..LIMITS };
        assert_eq!(short.when_stopping().head, Duration::from_millis(1));
    }
}
