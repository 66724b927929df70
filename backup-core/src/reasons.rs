//! Why a step failed or waits, in words for a person: what happened, and what to do next.

use chrono::{DateTime, Utc};

use crate::{
    failure::{ErrorCode, Failure},
    ids::{BatchId, TaskId},
    strategy::{Unavailable, UnavailableKind},
    target::BackupTarget,
};

/// The strategy of a target or a plan is not there: a fault of the assembly.
pub(crate) fn no_strategy(name: &str) -> Failure {
    Failure::new(ErrorCode::Internal, format!("no strategy is registered under the name \"{name}\""))
}

/// YBA said that something else holds the universe.
pub(crate) fn busy(text: &str) -> Failure {
    Failure::new(ErrorCode::UniverseBusy, format!("the universe was busy for as long as we may wait: {text}"))
        .with_advice("see in YBA what holds the universe, then run the batch again")
}

/// Another batch of ours has the universe.
pub(crate) fn behind(batch: &BatchId) -> Failure {
    Failure::new(
        ErrorCode::UniverseBusy,
        format!("the universe was busy for as long as we may wait: batch {batch} has it"),
    )
    .with_advice("see what that batch waits for, then run this one again")
}

/// No YBA that would act answered.
pub(crate) fn unavailable(cause: &Unavailable) -> Failure {
    let (code, what, advice) = match cause.kind {
        UnavailableKind::Unauthorized => return unauthorized(&cause.text),
        UnavailableKind::NotYba => (
            ErrorCode::YbaUnreachable,
            "something other than YBA answered for as long as we may wait",
            "nothing was started; correct the address, or what stands before YBA, then run the batch again",
        ),
        UnavailableKind::Unreachable | UnavailableKind::Standby => (
            ErrorCode::YbaUnreachable,
            "YBA could not be reached for as long as we may wait",
            "nothing was started; mend the way to YBA, then run the batch again",
        ),
    };
    Failure::new(code, format!("{what}: {cause}")).with_advice(advice)
}

/// YBA refuses us: waiting changes nothing.
pub(crate) fn unauthorized(text: &str) -> Failure {
    Failure::new(ErrorCode::YbaUnauthorized, text).with_advice(
        "check the API token and the rights of its user (401 is also YBA's answer to a missing right)",
    )
}

/// YBA gives no answer about something that is under way.
pub(crate) fn no_word(cause: &Unavailable, what: &str, since: DateTime<Utc>) -> Failure {
    let since = since.format("%Y-%m-%d %H:%M:%S UTC");
    let message = format!("{what} cannot be looked at since {since}: {cause}");
    match cause.kind {
        UnavailableKind::Unauthorized => Failure::new(ErrorCode::YbaUnauthorized, message).with_advice(
            "give the service a valid API token; the backup itself goes on in YBA, and a token's file is read again by itself",
        ),
        _ => Failure::new(ErrorCode::YbaUnreachable, message)
            .with_advice("restore the way to YBA; the backup itself goes on in YBA"),
    }
}

/// The answer to a POST was lost; what it started is looked for.
pub(crate) fn lost_answer(cause: &str) -> Failure {
    Failure::new(
        ErrorCode::TaskLost,
        format!("YBA's answer was lost ({cause}); YBA is asked for what it started"),
    )
}

/// An answer was lost, and what it spoke of cannot be decided.
pub(crate) fn unknown(what: &str) -> Failure {
    Failure::new(ErrorCode::TaskLost, format!("nobody can tell whether YBA started this backup: {what}"))
        .with_advice("look at the universe's tasks and backups in YBA; run the batch again only if there is none of it")
}

/// The task outlived the deadline.
pub(crate) fn deadline(task: &TaskId, target: &BackupTarget, cause: Option<&str>) -> Failure {
    let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    Failure::new(
        ErrorCode::DeadlineExceeded,
        format!("YBA's task {task} was still open after {} minutes{cause}", target.deadline.as_secs() / 60),
    )
    .with_advice(
        "the task may still run and lock the universe: look at it in YBA, and abort it there if it hangs",
    )
}
