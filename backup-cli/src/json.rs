//! The result for programs: a batch as JSON, as `docs/cli.md` promises it.

use backup_core::store::Follower;
use backup_core::{BackupId, BackupRecord, Failure, Plan, Surplus, TaskId};
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;

/// A batch, as programs read it. Fields are added, never renamed or removed.
#[derive(Debug, Serialize)]
pub(crate) struct BatchJson<'a> {
    batch_id: &'a str,
    business_date: NaiveDate,
    category: &'a str,
    target: &'a str,
    mode: &'static str,
    status: &'static str,
    phase: &'static str,
    created_at: String,
    started_at: String,
    ended_at: Option<String>,
    duration_seconds: Option<f64>,
    yba_created_at: Option<String>,
    yba_completed_at: Option<String>,
    deadline_at: String,
    plan: Option<PlanJson<'a>>,
    waiting_since: Option<String>,
    unfollowed_since: Option<String>,
    note: Option<&'a Failure>,
    attempts: Vec<AttemptJson>,
    task_id: Option<&'a str>,
    backup_id: Option<&'a str>,
    failure: Option<&'a Failure>,
    cancel_requested: bool,
    in_doubt: bool,
    audit_until: Option<String>,
    surplus: Vec<SurplusJson<'a>>,
    yba_response: Option<&'a Value>,
}

/// What is, or would be, posted.
#[derive(Debug, Serialize)]
struct PlanJson<'a> {
    strategy: &'a str,
    base_backup_id: Option<&'a str>,
    reason: &'a str,
}

/// One POST that may have been sent.
#[derive(Debug, Serialize)]
struct AttemptJson {
    id: String,
    number: u32,
    at: String,
}

/// A task of the batch that does not count.
#[derive(Debug, Serialize)]
struct SurplusJson<'a> {
    task_id: &'a str,
    attempt_id: Option<String>,
    state: &'static str,
    backup_id: Option<&'a str>,
    found_at: String,
}

impl<'a> From<&'a Surplus> for SurplusJson<'a> {
    fn from(surplus: &'a Surplus) -> Self {
        Self {
            task_id: surplus.task.as_str(),
            attempt_id: surplus.attempt.map(|attempt| attempt.to_string()),
            state: surplus.state.as_str(),
            backup_id: surplus.backup.as_ref().map(BackupId::as_str),
            found_at: utc(surplus.found_at),
        }
    }
}

impl<'a> From<&'a BackupRecord> for BatchJson<'a> {
    fn from(record: &'a BackupRecord) -> Self {
        Self {
            batch_id: record.batch.as_str(),
            business_date: record.business_date,
            category: &record.category,
            target: record.target.as_str(),
            mode: record.mode.as_str(),
            status: record.batch_status().as_str(),
            phase: record.phase.as_str(),
            created_at: utc(record.created_at),
            started_at: utc(record.started_at),
            ended_at: record.ended_at.map(utc),
            duration_seconds: record.ended_at.map(|ended| seconds(record.duration(ended).as_millis())),
            yba_created_at: record.yba_times().map(|times| utc(times.created_at)),
            yba_completed_at: record.yba_times().map(|times| utc(times.completed_at)),
            deadline_at: utc(record.deadline_at),
            plan: record.plan.as_ref().map(PlanJson::from),
            waiting_since: record.waiting_since.map(utc),
            unfollowed_since: None,
            note: record.note.as_ref(),
            attempts: record
                .attempts
                .iter()
                .map(|attempt| AttemptJson {
                    id: attempt.id.to_string(),
                    number: attempt.number,
                    at: utc(attempt.at),
                })
                .collect(),
            task_id: record.task.as_ref().map(TaskId::as_str),
            backup_id: record.backup.as_ref().map(BackupId::as_str),
            failure: record.failure.as_ref(),
            cancel_requested: record.cancel_requested,
            in_doubt: record.in_doubt,
            audit_until: record.audit_until.map(utc),
            surplus: record.surplus.iter().map(SurplusJson::from).collect(),
            yba_response: record.response.as_ref(),
        }
    }
}

impl BatchJson<'_> {
    /// Says since when nobody follows the batch, if nobody does.
    pub(crate) fn followed_by(mut self, follower: Option<Follower>, now: DateTime<Utc>) -> Self {
        if let Some(Follower::Nobody(span)) = follower {
            self.unfollowed_since = TimeDelta::from_std(span).ok().map(|span| utc(now - span));
        }
        self
    }
}

impl<'a> From<&'a Plan> for PlanJson<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            strategy: &plan.strategy,
            base_backup_id: plan.base.as_ref().map(BackupId::as_str),
            reason: &plan.reason,
        }
    }
}

/// An instant, as programs read it: RFC 3339, UTC.
fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn seconds(millis: u128) -> f64 {
    u32::try_from(millis).map_or(f64::from(u32::MAX), f64::from) / 1000.0
}
