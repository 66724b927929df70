//! What each call does, once it is known who calls.

mod backups;
mod pitr;
mod restores;
mod schedules;
mod session;
mod tasks;
mod universes;

use serde_json::{Value, json};

use super::{
    endpoint::Endpoint,
    reply::{Handled, Refusal},
    server::Incoming,
    world::World,
};

pub(super) fn answer(world: &mut World, call: &Incoming<'_>) -> Handled {
    match call.route.endpoint {
        Endpoint::CreateBackup => backups::create(world, call),
        Endpoint::PageBackups => backups::page(world, call),
        Endpoint::DeleteBackups => backups::delete(world, call),
        Endpoint::GetBackup => backups::get(world, call),
        Endpoint::EditBackup => backups::edit(world, call),
        Endpoint::StopBackup => backups::stop(world, call),
        Endpoint::ListIncrements => backups::increments(world, call),
        Endpoint::BackupsOfTask => Ok(backups::of_task(world, call)),
        Endpoint::LegacyIncremental => backups::legacy_incremental(world, call),
        Endpoint::LegacyLastBackup => backups::legacy_last(world, call),
        Endpoint::RestorableKeyspaces => backups::restorable(world, call),
        Endpoint::PageTasks => tasks::page(world, call),
        Endpoint::Restore => restores::create(world, call),
        Endpoint::RestorePreflight => restores::preflight(world, call),
        Endpoint::PageRestores => restores::page(world, call),
        Endpoint::CreateScheduleAsync => schedules::create_async(world, call),
        Endpoint::CreateSchedule => schedules::create(world, call),
        Endpoint::PageSchedules => schedules::page(world, call),
        Endpoint::GetSchedule => schedules::get(world, call),
        Endpoint::DeleteSchedule => schedules::delete(world, call),
        Endpoint::EditSchedule => schedules::edit(world, call),
        Endpoint::PauseResumeSchedule => schedules::pause_resume(world, call),
        Endpoint::DeleteScheduleAsync => schedules::delete_async(world, call),
        Endpoint::ListPitr => pitr::list(world, call),
        Endpoint::CreatePitr => pitr::create(world, call),
        Endpoint::UpdatePitr => pitr::update(world, call),
        Endpoint::DeletePitr => pitr::delete(world, call),
        Endpoint::RestorePitr => pitr::restore(world, call),
        Endpoint::ListCustomers => Ok(session::customers(world)),
        Endpoint::GetCustomer => Ok(session::customer(world)),
        Endpoint::LogIn => session::log_in(world, call),
        Endpoint::RegenerateToken => session::regenerate_token(world, call),
        Endpoint::ListNamespaces => universes::namespaces(world, call),
        Endpoint::ListTables => universes::tables(world, call),
        Endpoint::UpdateBackupState => universes::update_backup_state(world, call),
        Endpoint::GetTask => tasks::get(world, call),
        Endpoint::FailedSubtasks => tasks::failed_subtasks(world, call),
        Endpoint::AbortTask => tasks::abort(world, call),
        Endpoint::ListTasks => Ok(tasks::list(world, call)),
        Endpoint::ListUniverses => Ok(universes::list(world, call)),
        Endpoint::GetUniverse => universes::get(world, call),
        Endpoint::ListConfigs => Ok(world.data.configs.values().map(super::wire::config).collect()),
        Endpoint::SessionInfo => Ok(session::info(world)),
        Endpoint::AppVersion => Ok(session::version(world)),
        Endpoint::HaLeader => session::ha_leader(world),
        Endpoint::Unknown => Err(unknown_route(call)),
    }
}

/// The framework's words for a route that does not exist.
pub(super) fn unknown_route(call: &Incoming<'_>) -> Refusal {
    let (method, path) = (call.request.method.as_str(), call.request.url.path());
    Refusal::new(404, format!("HTTP Client Error: 404(Not Found), details: {method} {path}"))
}

/// A text field that is there and not empty.
fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A list of texts.
fn list<'a>(body: &'a Value, field: &str) -> Vec<&'a str> {
    let list = body.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The page of `rows` that the body asks for.
fn paged<T>(body: &Value, rows: &[&T], wire: impl Fn(&T) -> Value) -> Value {
    let number = |field: &str, default: usize| {
        let given = body.get(field).and_then(Value::as_u64);
        given.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let (offset, limit) = (number("offset", 0), number("limit", 10));
    let counted = body.get("needTotalCount").and_then(Value::as_bool).unwrap_or(false);
    let total = rows.len();
    let entities: Value = rows.iter().skip(offset).take(limit).map(|row| wire(row)).collect();
    json!({
        "entities": entities,
        "hasNext": total > offset.saturating_add(limit),
        "hasPrev": offset > 0,
        "totalCount": if counted { total } else { 0 },
    })
}
