//! Several addresses of one YBA: which of them leads.
//!
//! A standby refuses changes, which is easy to see, but answers reads from a copy that may be hours old.
//! So when it says that it does not know a thing, that is no answer.

use std::sync::atomic::Ordering;

use url::Url;

use crate::{
    api::leadership,
    client::YbaClient,
    error::{Call, Error, ErrorKind, Reach, texts},
    request::{Idempotency, Request, Target},
    types::Leadership,
};

/// What to do about a failure, as far as other addresses are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// Another address leads: send the call there at once.
    Go,
    /// Nothing to be gained.
    Stay,
    /// A standby said "not found", and no leader is to be had.
    NotBelieved,
}

impl YbaClient {
    /// Asks the addresses which of them leads, and sends later calls there.
    ///
    /// `None` when none does: they all follow, or do not answer. A YBA without high availability leads
    /// itself.
    pub async fn find_leader(&self) -> Option<Url> {
        let first = self.place();
        for place in (0..self.0.addresses.len()).map(|i| (first + i) % self.0.addresses.len()) {
            if self.leads(place).await {
                self.0.preferred.store(place, Ordering::Relaxed);
                return Some(self.0.addresses[place].clone());
            }
        }
        None
    }

    /// Decides whether a failed call belongs to another address.
    ///
    /// A call that changes something may go there too, because it was not received here: there was no
    /// connection, or a filter in front of everything else turned it away.
    pub(crate) async fn elsewhere(
        &self,
        request: &Request,
        error: &Error,
        place: usize,
        moves: &mut usize,
    ) -> Elsewhere {
        if !matches!(request.target, Target::Path(_)) || !request.authenticated {
            return Elsewhere::Stay;
        }
        // Something that stands in the way of one address need not stand in the way of another.
        let is_misled = error.kind() == ErrorKind::NotYba && error.reach() == Reach::NotSent;
        let turned_away =
            error.kind() == ErrorKind::Connect || error.is_standby() || error.is_stopping() || is_misled;
        if turned_away {
            return if self.move_from(place, moves).await { Elsewhere::Go } else { Elsewhere::Stay };
        }
        let doubtful = request.idempotency == Idempotency::Safe
            && error.is_not_found()
            && error.api_text().is_some_and(texts::unknown_thing);
        if !doubtful || self.leadership_of(place).await.ok() != Some(Leadership::Follower) {
            return Elsewhere::Stay;
        }
        if self.move_from(place, moves).await { Elsewhere::Go } else { Elsewhere::NotBelieved }
    }

    /// Goes over to the leader among the other addresses. At most once per address and call.
    async fn move_from(&self, place: usize, moves: &mut usize) -> bool {
        let all = self.0.addresses.len();
        if *moves + 1 >= all {
            return false;
        }
        *moves += 1;
        for other in (1..all).map(|i| (place + i) % all) {
            if self.leads(other).await {
                tracing::info!(address = %self.0.addresses[other], "calls now go to the YBA that leads");
                self.0.preferred.store(other, Ordering::Relaxed);
                return true;
            }
        }
        false
    }

    async fn leads(&self, place: usize) -> bool {
        self.leadership_of(place).await.is_ok_and(Leadership::is_authoritative)
    }

    /// Asks one address once. The circuit may be open, if it was the leader that did not answer: somebody has to ask the others.
    async fn leadership_of(&self, place: usize) -> Result<Leadership, Error> {
        let request = Request::get("ha_leader", "/api/v1/ha_leader").anonymous().despite_circuit();
        let answer = self.attempt(&request, place, None, |_| Ok(())).await;
        leadership(answer.map(|_| ()).map_err(|failure| {
            failure.into_error(&Call {
                operation: request.operation,
                method: &request.method,
                path: request.template,
                request_id: None,
                attempts: 1,
                elapsed: std::time::Duration::ZERO,
            })
        }))
    }
}
