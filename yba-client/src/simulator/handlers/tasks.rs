//! Tasks.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::{
    ids::TaskId,
    simulator::{
        reply::{Handled, Refusal},
        server::Incoming,
        wire,
        world::{SimTask, Work, World},
    },
    types::TaskState,
};

fn find<'a>(world: &'a World, call: &Incoming<'_>) -> Result<&'a SimTask, Refusal> {
    let id = TaskId::from(call.part(0));
    world.data.tasks.get(&id).ok_or_else(|| Refusal::bad_request(format!("Invalid Customer Task UUID: {id}")))
}

pub(super) fn get(world: &World, call: &Incoming<'_>) -> Handled {
    Ok(wire::task(world, find(world, call)?))
}

pub(super) fn failed_subtasks(world: &World, call: &Incoming<'_>) -> Handled {
    Ok(wire::failed_subtasks(find(world, call)?))
}

pub(super) fn list(world: &World, call: &Incoming<'_>) -> Value {
    let ids: &[TaskId] = match call.query("uUUID") {
        None => &world.data.task_order,
        Some(target) => world.data.tasks_of.get(&target).map(Vec::as_slice).unwrap_or_default(),
    };
    let newest = ids.iter().rev().filter_map(|id| world.data.tasks.get(id));
    let cut = newest.take(world.settings.task_list_limit);
    cut.map(|task| wire::task_summary(world, task)).collect::<Value>()
}

pub(super) fn page(world: &World, call: &Incoming<'_>) -> Handled {
    let body = call.body()?;
    let filter = body.get("filter").unwrap_or(&Value::Null);
    let (targets, states) = (super::list(filter, "targetUUIDList"), super::list(filter, "status"));
    let date = |field| super::text(filter, field).and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let (from, to) = (date("dateRangeStart"), date("dateRangeEnd"));
    let newest = world.data.task_order.iter().rev().filter_map(|id| world.data.tasks.get(id));
    let mut rows: Vec<&SimTask> = newest
        .filter(|task| targets.is_empty() || targets.contains(&task.target.as_str()))
        .filter(|task| from.is_none_or(|from| from <= task.created) && to.is_none_or(|to| task.created <= to))
        .filter(|task| states.is_empty() || states.contains(&task.state.as_str()))
        .collect();
    if super::text(&body, "direction") == Some("ASC") {
        rows.reverse();
    }
    Ok(super::paged(&body, &rows, |task| wire::task_summary(world, task)))
}

pub(super) fn abort(world: &mut World, call: &Incoming<'_>) -> Handled {
    let task = find(world, call)?;
    let (id, state) = (task.id.clone(), task.state.clone());
    if matches!(task.work, Work::Delete(_) | Work::Schedule(_)) {
        let text = format!("Invalid task type: Task {id} cannot be aborted");
        return Err(Refusal::bad_request(text));
    }
    if state != TaskState::Running {
        return Ok(json!({"success": true, "message": "Task is not running."}));
    }
    let now = world.now();
    world.abort(&id, now);
    Ok(json!({"success": true, "message": "Task is being aborted."}))
}
