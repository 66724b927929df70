//! What each call does, once it is known who calls.

mod backups;
mod session;
mod tasks;
mod universes;

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
        Endpoint::Unknown => Err(Refusal::new(404, "HTTP Client Error: 404(Not Found)")),
    }
}
