//! Backup schedules.

use std::time::Duration;

use serde_json::{Value, json};

use super::{backups, text, universes};
use crate::{
    ids::{ScheduleId, UniverseId},
    simulator::{
        cron::Cron,
        reply::{Handled, Refusal},
        scheduler::TICK,
        server::Incoming,
        wire,
        world::{BackupOrder, ScheduleChange, SimSchedule, SimTask, SimUniverse, Work, World},
    },
    types::{ScheduleState, TaskState},
};

const HOUR: u64 = 3_600_000;
/// `yb.backup.minIncrementalScheduleFrequencyInSecs`, in milliseconds.
const LEAST_INCREMENT: u64 = 900_000;

pub(super) fn create_async(world: &mut World, call: &Incoming<'_>) -> Handled {
    let schedule = checked(world, &call.body()?)?;
    let universe = schedule.order.universe.clone();
    Ok(submit(world, call, &universe, ScheduleChange::Create(Box::new(schedule))))
}

pub(super) fn create(world: &mut World, call: &Incoming<'_>) -> Handled {
    let schedule = checked(world, &call.body()?)?;
    let answer = wire::schedule(world, &schedule);
    world.data.schedules.insert(schedule.id.clone(), schedule);
    Ok(answer)
}

fn submit(world: &mut World, call: &Incoming<'_>, universe: &UniverseId, change: ScheduleChange) -> Value {
    let mut task = SimTask::new(Work::Schedule(change), world.now());
    task.target = universe.to_string();
    task.correlation = call.request_id.clone().filter(|_| world.settings.correlation);
    let id = world.submit(task);
    json!({"taskUUID": id, "resourceUUID": null})
}

fn checked(world: &World, body: &Value) -> Result<SimSchedule, Refusal> {
    let Some(name) = text(body, "scheduleName") else {
        return Err(Refusal::bad_request("Provide a name for the schedule"));
    };
    let order = backups::read_checked(body)?;
    let universe = world.data.universes.get(&order.universe);
    let universe = universe.ok_or_else(|| universes::unknown(&order.universe))?;
    if named(world, &order.universe, name).is_some() {
        return Err(Refusal::bad_request(format!("Schedule with name {name} already exist")));
    }
    if order.time_before_delete != 0 && order.expiry_time_unit.is_none() {
        return Err(Refusal::bad_request("Please provide time unit for backup expiry"));
    }
    backups::check_storage(world, &order)?;
    let full = check_recurrence(world, body)?;
    check_increments(body, universe, full)?;
    let order = BackupOrder { category: backups::engine(universe, &order), ..order };
    Ok(SimSchedule::of(order, body, world.now()))
}

fn named<'a>(world: &'a World, universe: &UniverseId, name: &str) -> Option<&'a SimSchedule> {
    world.data.schedules.values().find(|s| s.order.universe == *universe && s.name == name)
}

/// The distance of full backups, in milliseconds.
fn check_recurrence(world: &World, body: &Value) -> Result<u64, Refusal> {
    let frequency = body.get("schedulingFrequency").and_then(Value::as_u64).filter(|ms| *ms > 0);
    match (frequency, text(body, "cronExpression")) {
        (Some(_), Some(_)) => {
            Err(Refusal::bad_request("Cannot provide both Cron Expression and Scheduling frequency"))
        }
        (None, None) => Err(Refusal::bad_request("Provide Cron Expression or Scheduling frequency")),
        (Some(frequency), None) if frequency < HOUR => {
            Err(Refusal::bad_request("Minimum schedule duration is 1 hour"))
        }
        (Some(_), None) if text(body, "frequencyTimeUnit").is_none() => {
            Err(Refusal::bad_request("Please provide time unit for scheduler frequency"))
        }
        (Some(frequency), None) => Ok(frequency),
        (None, Some(cron)) => {
            let gap = Cron::parse(cron).and_then(|cron| cron.gap(world.now()));
            let gap = gap.ok_or_else(|| Refusal::bad_request("Cron expression specified is invalid"))?;
            if gap < Duration::from_millis(HOUR) {
                let text = "Duration between the cron schedules cannot be less than 1 hour";
                return Err(Refusal::bad_request(text));
            }
            Ok(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX))
        }
    }
}

fn check_increments(body: &Value, universe: &SimUniverse, full: u64) -> Result<(), Refusal> {
    let every = body.get("incrementalBackupFrequency").and_then(Value::as_u64).unwrap_or(0);
    if every == 0 {
        return Ok(());
    }
    let refuse = |text: &str| Err(Refusal::bad_request(text));
    if text(body, "baseBackupUUID").is_some() {
        return refuse("Cannot assign base backup while creating backup schedules.");
    }
    if !universe.spec.ybc {
        return refuse("Incremental backup not allowed for non-YBC universes");
    }
    if text(body, "incrementalBackupFrequencyTimeUnit").is_none() {
        return refuse("Please provide time unit for incremental backup frequency.");
    }
    let least = LEAST_INCREMENT.max(u64::try_from(TICK.as_millis()).unwrap_or(0));
    if every < least {
        return refuse("Minimum incremental backup schedule duration is 900000 milliseconds");
    }
    if every >= full {
        return refuse("Incremental backup frequency should be lower than full backup frequency.");
    }
    Ok(())
}

fn find<'a>(world: &'a World, id: &str) -> Result<&'a SimSchedule, Refusal> {
    let found = world.data.schedules.get(&ScheduleId::from(id));
    found.ok_or_else(|| Refusal::bad_request(format!("Invalid Schedule UUID: {id}")))
}

/// The schedule of a path that also names its universe.
fn find_owned<'a>(world: &'a World, call: &Incoming<'_>) -> Result<&'a SimSchedule, Refusal> {
    let schedule = find(world, call.part(1))?;
    if schedule.order.universe != *call.part(0) {
        return Err(Refusal::bad_request("Schedule not owned by Universe."));
    }
    Ok(schedule)
}

fn is_running(world: &World, schedule: &SimSchedule) -> bool {
    let task = schedule.last_task.as_ref().and_then(|id| world.data.tasks.get(id));
    task.is_some_and(|task| matches!(task.state, TaskState::Created | TaskState::Running))
}

pub(super) fn get(world: &World, call: &Incoming<'_>) -> Handled {
    Ok(wire::schedule(world, find(world, call.part(0))?))
}

pub(super) fn page(world: &World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let filter = body.get("filter").unwrap_or(&Value::Null);
    let admits = |field: &str, value: &str| {
        let wanted: Vec<&str> = super::list(filter, field);
        wanted.is_empty() || wanted.contains(&value)
    };
    let mut rows: Vec<&SimSchedule> = world
        .data
        .schedules
        .values()
        .filter(|row| {
            admits("universeUUIDList", row.order.universe.as_str())
                && admits("status", row.state.as_str())
                && admits("taskTypes", "CreateBackup")
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    if text(&body, "direction") != Some("ASC") {
        rows.reverse();
    }
    Ok(super::paged(&body, &rows, |row| wire::schedule_resp(world, row)))
}

pub(super) fn edit(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let schedule = find_owned(world, call)?.clone();
    if is_running(world, &schedule) {
        return Err(Refusal::bad_request("Cannot edit schedule as it is running."));
    }
    let full = check_recurrence(world, &body)?;
    let every = body.get("incrementalBackupFrequency").and_then(Value::as_u64).unwrap_or(0);
    if every > 0 && schedule.increment_frequency == 0 {
        return Err(Refusal::bad_request(
            "Cannot assign incremental backup frequency to a non-incremental schedule",
        ));
    }
    let universe = schedule.order.universe.clone();
    if let Some(row) = world.data.universes.get(&universe) {
        check_increments(&body, row, full)?;
    }
    let change = ScheduleChange::Edit(schedule.id.clone(), body);
    Ok(submit(world, call, &universe, change))
}

pub(super) fn pause_resume(world: &mut World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let schedule = find_owned(world, call)?;
    let (id, current) = (schedule.id.clone(), schedule.state.clone());
    let wanted = ScheduleState::from(text(&body, "status").unwrap_or_default());
    if !matches!(wanted, ScheduleState::Active | ScheduleState::Stopped) {
        return Err(Refusal::bad_request(format!("Schedule cannot be set to {wanted}")));
    }
    if current == wanted {
        return Err(Refusal::bad_request(format!("Schedule is already in {wanted} state.")));
    }
    let run_now = body.get("runImmediateBackupOnResume").and_then(Value::as_bool).unwrap_or(false);
    let now = world.now();
    if let Some(schedule) = world.data.schedules.get_mut(&id) {
        if wanted == ScheduleState::Active {
            schedule.rearm(now);
            schedule.backlog = run_now;
        }
        schedule.state = wanted;
    }
    Ok(json!({"success": true}))
}

pub(super) fn delete_async(world: &mut World, call: &Incoming<'_>) -> Handled {
    let schedule = find_owned(world, call)?.clone();
    refuse_running(world, &schedule)?;
    let universe = schedule.order.universe.clone();
    Ok(submit(world, call, &universe, ScheduleChange::Delete(schedule.id)))
}

pub(super) fn delete(world: &mut World, call: &Incoming<'_>) -> Handled {
    let schedule = find(world, call.part(0))?.clone();
    refuse_running(world, &schedule)?;
    world.data.schedules.remove(&schedule.id);
    Ok(json!({"success": true}))
}

fn refuse_running(world: &World, schedule: &SimSchedule) -> Result<(), Refusal> {
    if is_running(world, schedule) {
        return Err(Refusal::bad_request("Cannot delete schedule as it is running."));
    }
    Ok(())
}
