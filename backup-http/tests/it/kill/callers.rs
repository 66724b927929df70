//! Those who want backups. A request that got no answer is repeated under its key until it is accepted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use backup_core::BatchId;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{dice::Dice, world::World};
use crate::support::{ask, http_client};

/// Longer than any trouble lasts.
const PATIENCE: Duration = Duration::from_secs(180);
/// A replica that is stopped takes connections and does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const CALLERS: usize = 4;

/// The batch that was promised for each key.
pub(super) type Promises = BTreeMap<String, BatchId>;

pub(super) struct Callers {
    stop: CancellationToken,
    callers: JoinSet<Promises>,
}

impl Callers {
    pub(super) fn start(world: &mut World) -> Self {
        let stop = CancellationToken::new();
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let caller = Caller::new(number, world);
            callers.spawn(caller.call(stop.clone()));
        }
        Self { stop, callers }
    }

    /// No new requests; those under way are repeated until they are accepted.
    pub(super) async fn end(self) -> Promises {
        self.stop.cancel();
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

/// Every key once more: it is the same batch, completed, and nothing is started. Says what else was answered.
pub(super) async fn repeat_all(world: &World, promises: &Promises) -> Vec<String> {
    let mut caller = Caller::of(world);
    let mut surprises = Vec::new();
    for (key, batch) in promises {
        let expected = Ok((batch.clone(), "COMPLETED".to_owned()));
        let answer = caller.insist(key).await;
        if answer != expected {
            surprises.push(format!("{key} was promised {batch}; repeated, it got {answer:?}"));
        }
    }
    surprises
}

/// The batch and its status; another answer than 200 or 202 as it came.
type Accepted = Result<(BatchId, String), String>;

struct Caller {
    name: String,
    client: reqwest::Client,
    replicas: Vec<String>,
    categories: usize,
    dice: Dice,
}

impl Caller {
    fn of(world: &World) -> Self {
        Self {
            name: String::new(),
            client: http_client(),
            replicas: world.replicas.iter().map(|replica| replica.url.clone()).collect(),
            categories: world.universes.len(),
            dice: world.dice.clone(),
        }
    }

    fn new(number: usize, world: &mut World) -> Self {
        let dice = world.dice.fork();
        Self { name: format!("caller-{number}"), dice, ..Self::of(world) }
    }

    async fn call(mut self, stop: CancellationToken) -> Promises {
        let mut promises = Promises::new();
        for request in 0.. {
            let category = self.dice.index(self.categories);
            let key = format!("db{category} {} {request}", self.name);
            let (batch, _) = self.insist(&key).await.expect("a sound request is accepted");
            promises.insert(key, batch);
            let pause = self.dice.millis(50..500);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        promises
    }

    /// Asks, of any replica, until one accepts.
    async fn insist(&mut self, key: &str) -> Accepted {
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.request(key).await {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answered the request {key}");
            tokio::time::sleep(self.dice.millis(10..100)).await;
        }
    }

    /// `None`: no answer, or 503; the same request may be sent again.
    async fn request(&mut self, key: &str) -> Option<Accepted> {
        let (category, _) = key.split_once(' ').expect("a category");
        let call = self
            .client
            .post(format!("{}/backupProcess", self.dice.pick(&self.replicas)))
            .timeout(ANSWER_WITHIN)
            .header("Prefer", "respond-async")
            .header("Idempotency-Key", key)
            .body(ask(category).to_string());
        let answer = call.send().await.ok()?;
        let status = answer.status();
        if status == reqwest::StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let text = answer.text().await.ok()?;
        if !status.is_success() {
            return Some(Err(format!("{status}: {text}")));
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        Some(Ok((text(&body["id"]["batchExecutionId"]).into(), text(&body["status"]))))
    }
}
