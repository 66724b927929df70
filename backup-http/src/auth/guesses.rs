//! Tokens that are not known: whoever guesses is slowed down, and spoken of.
//!
//! A token that is known is never slowed, whoever else calls from the same address: behind a proxy all callers have
//! one. So the address of the caller decides only how long a *wrong* token waits for its answer.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// So many wrong tokens are answered at once: somebody has a typing error.
const FREE: u32 = 3;
/// The wait after those; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// So many wait at once for one caller; more are turned away.
const MAX_WAITING: u32 = 16;
/// Whoever was quiet for so long begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(5);
/// One line in the log for each caller in this time.
const SAID_EVERY: Duration = Duration::from_mins(1);
/// Callers that are told apart; all others count as one.
const MAX_CALLERS: usize = 1024;

/// Who guessed, how often, and who is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guesses {
    callers: Arc<Mutex<HashMap<Caller, Record>>>,
}

/// Who calls, as far as the connection says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caller {
    /// An address; of IPv6 the network, for a machine has as many addresses as it likes.
    Address(IpAddr),
    /// Not known, or one of too many.
    Others,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Others => f.write_str("others"),
        }
    }
}

#[derive(Debug)]
struct Record {
    last: Instant,
    guesses: u32,
    waiting: u32,
    unsaid: u64,
    is_said: bool,
}

/// What becomes of a wrong token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The answer is given; the first few of them on a connection that stays open.
    Refused { keeps_connection: bool },
    /// Too many answers wait already.
    TurnedAway,
}

impl Guesses {
    /// Takes note of a wrong token, and lets its answer wait.
    pub(crate) async fn slow_down(&self, peer: Option<IpAddr>) -> Verdict {
        let caller = self.note(peer);
        let Some(wait) = self.begin_wait(caller) else { return Verdict::TurnedAway };
        if wait.is_zero() {
            return Verdict::Refused { keeps_connection: true };
        }
        let _waiting = Waiting { guesses: self, caller };
        sleep(wait).await;
        Verdict::Refused { keeps_connection: false }
    }

    /// Counts, and says so: the first at once, the others of a minute together.
    fn note(&self, peer: Option<IpAddr>) -> Caller {
        let now = Instant::now();
        let mut callers = self.lock();
        let caller = place(&mut callers, peer, now);
        let record = callers.entry(caller).or_insert_with(|| Record::new(now));
        if now.duration_since(record.last) >= FORGOTTEN_AFTER {
            record.guesses = 0;
        }
        record.last = now;
        record.guesses = record.guesses.saturating_add(1);
        record.unsaid += 1;
        if !record.is_said {
            record.is_said = true;
            say(caller, record);
            tokio::spawn(self.clone().say_the_rest(caller));
        }
        caller
    }

    async fn say_the_rest(self, caller: Caller) {
        loop {
            sleep(SAID_EVERY).await;
            let mut callers = self.lock();
            let Some(record) = callers.get_mut(&caller) else { return };
            if record.unsaid == 0 {
                record.is_said = false;
                return;
            }
            say(caller, record);
        }
    }

    /// How long the answer waits; nothing where too many wait already.
    fn begin_wait(&self, caller: Caller) -> Option<Duration> {
        let mut callers = self.lock();
        let Some(record) = callers.get_mut(&caller) else { return Some(Duration::ZERO) };
        let wait = wait_after(record.guesses);
        if wait.is_zero() {
            return Some(wait);
        }
        let has_room = record.waiting < MAX_WAITING;
        record.waiting += u32::from(has_room);
        has_room.then_some(wait)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Caller, Record>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn new(now: Instant) -> Self {
        Self { last: now, guesses: 0, waiting: 0, unsaid: 0, is_said: false }
    }

    /// Nothing of it is needed any more.
    fn is_over(&self, now: Instant) -> bool {
        self.waiting == 0 && self.unsaid == 0 && now.duration_since(self.last) >= FORGOTTEN_AFTER
    }
}

/// An answer that waits; a client that hangs up does not wait any more.
struct Waiting<'g> {
    guesses: &'g Guesses,
    caller: Caller,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.guesses.lock().get_mut(&self.caller) {
            record.waiting = record.waiting.saturating_sub(1);
        }
    }
}

/// The caller's place among those that are told apart.
fn place(callers: &mut HashMap<Caller, Record>, peer: Option<IpAddr>, now: Instant) -> Caller {
    let Some(caller) = peer.map(|peer| Caller::Address(network(peer))) else { return Caller::Others };
    if callers.contains_key(&caller) || callers.len() < MAX_CALLERS {
        return caller;
    }
    callers.retain(|_, record| !record.is_over(now));
    if callers.len() < MAX_CALLERS { caller } else { Caller::Others }
}

/// The address itself, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn wait_after(guesses: u32) -> Duration {
    let Some(doublings) = guesses.checked_sub(FREE + 1) else { return Duration::ZERO };
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT)
}

fn say(caller: Caller, record: &mut Record) {
    let tokens = std::mem::take(&mut record.unsaid);
    tracing::warn!(%caller, tokens, "tokens that are not known were presented");
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::advance;

    use super::*;

    const PEER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    async fn waited(guesses: &Guesses, peer: Option<IpAddr>) -> Duration {
        let before = Instant::now();
        guesses.slow_down(peer).await;
        before.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_few_are_answered_at_once_and_then_each_waits_longer() {
        let guesses = Guesses::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            waits.push(waited(&guesses, PEER).await.as_millis());
        }
        assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        let other = Some("192.0.2.2".parse().unwrap());
        assert_eq!(waited(&guesses, other).await, Duration::ZERO, "another caller pays nothing for it");
        advance(FORGOTTEN_AFTER).await;
        assert_eq!(waited(&guesses, PEER).await, Duration::ZERO, "forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_many_connections_has_a_few_answers_waiting_and_the_others_are_turned_away() {
        let guesses = Guesses::default();
        let verdicts = join_all((0..100).map(|_| guesses.slow_down(PEER))).await;
        let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert_eq!(count(Verdict::Refused { keeps_connection: true }), FREE as usize);
        assert_eq!(count(Verdict::Refused { keeps_connection: false }), MAX_WAITING as usize);
        assert_eq!(count(Verdict::TurnedAway), 100 - FREE as usize - MAX_WAITING as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_waits_for_makes_room() {
        let guesses = Guesses::default();
        for _ in 0..100 {
            let _ = futures_util::FutureExt::now_or_never(guesses.slow_down(PEER));
        }
        assert!(matches!(guesses.slow_down(PEER).await, Verdict::Refused { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_callers_beyond_it_are_slowed_together() {
        let guesses = Guesses::default();
        for address in 0..5000_u32 {
            let _ = futures_util::FutureExt::now_or_never(
                guesses.slow_down(Some(IpAddr::from(address.to_be_bytes()))),
            );
        }
        assert!(guesses.lock().len() <= MAX_CALLERS + 1);
        assert!(!waited(&guesses, PEER).await.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_are_one_caller() {
        let guesses = Guesses::default();
        for host in 1..=4_u128 {
            let address = IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | host));
            let waited = waited(&guesses, Some(address)).await;
            assert_eq!(waited.is_zero(), host < 4, "{address}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_said_yet_is_said_a_minute_later_and_then_it_is_quiet() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses.slow_down(PEER).await;
        }
        let caller = Caller::Address(PEER.unwrap());
        assert_eq!(guesses.lock()[&caller].unsaid, 4);
        sleep(SAID_EVERY).await;
        assert_eq!(guesses.lock()[&caller].unsaid, 0);
        assert!(guesses.lock()[&caller].is_said);
        sleep(SAID_EVERY).await;
        assert!(!guesses.lock()[&caller].is_said);
    }
}
