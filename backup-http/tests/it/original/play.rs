//! Plays the requests of the contract, and keeps what they leave behind.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use yba_client::{
    UniverseId,
    simulator::{Endpoint, Fault, RecordedRequest},
};

use super::{
    contract::{Given, RequestCase},
    places::{Installations, Places},
    service::Original,
    shape::differences,
};
use crate::support::{Reply, until};

/// Longer than the service waits for an answer of YBA in these tests.
const TOO_LATE: Duration = Duration::from_secs(4);

/// A service that is played on, and the batches so far.
pub(super) struct Play<'a> {
    pub(super) service: &'a Original,
    pub(super) yba: &'a Installations,
    pub(super) places: Places,
    /// `server.legacy-status-codes` is on.
    pub(super) legacy: bool,
    /// The batch of each case.
    pub(super) batches: BTreeMap<String, String>,
}

impl<'a> Play<'a> {
    pub(super) fn new(service: &'a Original, yba: &'a Installations, places: Places) -> Self {
        Self { service, yba, places, legacy: false, batches: BTreeMap::new() }
    }

    pub(super) async fn all(&mut self, cases: &[RequestCase]) {
        for case in cases {
            self.one(case).await;
        }
    }

    async fn one(&mut self, case: &RequestCase) {
        if let Some(given) = &case.given {
            self.arrange(given).await;
        }
        let before = self.seen();
        let body = self.fill_json(&case.body);
        let reply = self.service.process(&body, case.prefer.as_deref()).await;
        let mut faults = self.faults_of(case, &reply);
        // An answer that does not wait may come before the order.
        let calls = until(
            async || self.calls_since(&before),
            |calls| calls.iter().filter(|(_, call)| is_order(call)).count() >= case.orders.len(),
        );
        faults.extend(self.faults_of_calls(case, &calls.await));
        assert!(faults.is_empty(), "{}:\n{}\n{reply:#?}", case.id, faults.join("\n"));
        if let Some(batch) = reply.json()["id"]["batchExecutionId"].as_str() {
            self.batches.insert(case.id.clone(), batch.to_owned());
        }
    }

    fn faults_of(&self, case: &RequestCase, reply: &Reply) -> Vec<String> {
        let status = if self.legacy { 200 } else { case.status };
        let body = reply.json();
        let mut faults = differences(&self.fill_json(&case.answer), &body);
        if reply.status != status {
            faults.push(format!("the status is {}, expected {status}", reply.status));
        }
        let message = body["extensionFields"]["error_message"].as_str();
        if !case.message.iter().all(|part| message.is_some_and(|message| message.contains(part))) {
            faults.push(format!("error_message is {message:?}, expected {:?}", case.message));
        }
        if case.message.is_none() && message.is_some() {
            faults.push(format!("error_message is {message:?}"));
        }
        let kept = body["extensionFields"]["backup_response"].as_str().unwrap_or("null");
        let kept = serde_json::from_str(kept).unwrap_or(Value::Null);
        faults.extend(case.keeps.iter().flat_map(|keeps| differences(keeps, &kept)));
        faults
    }

    fn faults_of_calls(&self, case: &RequestCase, calls: &[(String, RecordedRequest)]) -> Vec<String> {
        let posted: Vec<_> = calls.iter().filter(|(_, call)| is_order(call)).collect();
        let mut faults = Vec::new();
        if posted.len() != case.orders.len() {
            faults.push(format!("{} orders reached YBA, expected {}", posted.len(), case.orders.len()));
        }
        for (order, (at, call)) in case.orders.iter().zip(posted) {
            let expected = self.fill(&order.at);
            if *at != expected {
                faults.push(format!("YBA was asked at {at}, expected {expected}"));
            }
            faults.extend(differences(&self.fill_json(&order.body), &call.body));
        }
        let asked = case.asked.iter().map(|asked| self.fill(asked));
        faults.extend(
            asked
                .filter(|asked| !calls.iter().any(|(at, call)| call.method == "GET" && at == asked))
                .map(|asked| format!("YBA was not asked for {asked}")),
        );
        faults
    }

    /// Sees to it that YBA is as the case says.
    async fn arrange(&mut self, given: &Given) {
        if let Some(name) = &given.full_backup_of {
            let base = self.yba.take_full_backup(name, &self.places).await;
            self.places.set(name, "base", &base);
        }
        let Some(name) = &given.at else { return };
        let yba = self.yba.at(name);
        let universe = UniverseId::from(self.places.get(name, "universe"));
        if let Some(status) = given.answer {
            yba.script(Endpoint::CreateBackup, Fault::status(status, &given.text));
        }
        if given.no_answer {
            yba.script(Endpoint::CreateBackup, Fault::DropAfterAcceptance);
        }
        if given.answers_after_the_read_timeout {
            yba.script(Endpoint::CreateBackup, Fault::Delay(TOO_LATE));
        }
        if let Some(text) = &given.task_fails_with {
            yba.fail_next_backup(&universe, text);
        }
        if given.task_hangs {
            yba.hang_next_backup(&universe);
        }
        if given.task_succeeds {
            let task = yba.tasks().pop().expect("a task that hangs");
            yba.finish_task(&task.id, yba_client::simulator::Outcome::Success);
        }
    }

    /// The text with every place and every batch filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        let text = self.places.fill(text);
        self.batches.iter().fold(text, |text, (id, batch)| text.replace(&format!("{{{id}}}"), batch))
    }

    fn fill_json(&self, value: &Value) -> Value {
        serde_json::from_str(&self.fill(&value.to_string())).expect("ids and addresses need no escape")
    }

    /// How many calls each installation has had.
    fn seen(&self) -> Vec<usize> {
        self.yba.all().map(|yba| yba.requests().len()).collect()
    }

    /// The calls since then, each with its address.
    fn calls_since(&self, before: &[usize]) -> Vec<(String, RecordedRequest)> {
        let of_each = self.yba.all().zip(before).flat_map(|(yba, seen)| {
            let address = |call: &RecordedRequest| {
                let query = call.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
                format!("{}{}{query}", yba.url(), call.path)
            };
            yba.requests().into_iter().skip(*seen).map(move |call| (address(&call), call)).collect::<Vec<_>>()
        });
        of_each.collect()
    }
}

/// Whether YBA is asked to start a backup.
fn is_order(call: &RecordedRequest) -> bool {
    matches!(call.endpoint, Endpoint::CreateBackup | Endpoint::LegacyIncremental)
}
