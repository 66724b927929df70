//! The promise, as what is true of every world that can come about.

use stateright::Property;

use super::{
    Protocol,
    record::{Phase, SurplusState},
    world::World,
    yba::{TaskId, TaskState},
};

/// At most one task ever counts for a batch, and a success counts a completed backup.
pub const ONE_COUNTS: &str = "one completed backup counts";
/// What the batch follows or counts is not taken for surplus.
pub const ITS_OWN_IS_SAFE: &str = "nothing is aborted that the batch follows";
/// A lost answer and a dead process alone start nothing twice.
pub const SURPLUS_NEEDS_A_LATE_POST: &str = "a surplus needs a late POST";
/// Every batch ends, and an end stays.
pub const ENDS: &str = "when all is quiet, the batch is over";
/// No surplus is silent.
pub const NOTHING_IS_SILENT: &str = "when all is quiet, every task is known";

/// All properties: those that always hold, and what must come about for them to say anything.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_COUNTS, |_, world: &World| one_counts(world)),
        Property::always(ITS_OWN_IS_SAFE, |_, world: &World| !world.aborted_its_own),
        Property::always(SURPLUS_NEEDS_A_LATE_POST, surplus_needs_a_late_post),
        Property::always(ENDS, |model: &Protocol, world: &World| {
            is_over(world) || !world.is_quiet(&model.config)
        }),
        Property::always(NOTHING_IS_SILENT, |model: &Protocol, world: &World| {
            is_all_known(world) || !world.is_quiet(&model.config)
        }),
        Property::sometimes("a backup counts", |_, world: &World| !world.counted.is_empty()),
        Property::sometimes("a surplus is aborted", |_, world: &World| {
            surplus(world).any(|state| state == SurplusState::Over)
        }),
        Property::sometimes("a completed surplus is on record", |_, world: &World| {
            surplus(world).any(|state| state == SurplusState::Kept)
        }),
        Property::sometimes(
            "a further run counts what a lost attempt made",
            |model: &Protocol, world: &World| {
                let is_rerun = world.faults.reruns < model.config.faults.reruns;
                let first = world.store.record.attempts.first();
                let counts = world.counted.iter().any(|task| Some(&world.yba.tasks[*task].attempt) == first);
                is_rerun && counts && world.store.record.attempts.len() > 1
            },
        ),
    ]
}

fn one_counts(world: &World) -> bool {
    let is_completed = |task: &TaskId| world.yba.tasks[*task].state == TaskState::Completed;
    world.counted.len() <= 1 && world.counted.iter().all(is_completed)
}

fn surplus_needs_a_late_post(model: &Protocol, world: &World) -> bool {
    let (given, left) = (&model.config.faults, &world.faults);
    let is_late = left.late_posts < given.late_posts || left.stops < given.stops;
    let gave_up = left.deadlines < given.deadlines;
    let lives = |state| matches!(state, TaskState::Open | TaskState::Completed);
    is_late || gave_up || world.yba.tasks.iter().filter(|task| lives(task.state)).count() <= 1
}

fn is_over(world: &World) -> bool {
    world.store.record.phase == Phase::Done
}

/// Each task is the one that the record names, or ended without a backup, or is on record as what it is.
fn is_all_known(world: &World) -> bool {
    let record = &world.store.record;
    world.yba.list().all(|(id, task)| {
        let noted = record.surplus.get(&id);
        let is_noted = match task.state {
            TaskState::Open => false,
            TaskState::Completed => noted == Some(&SurplusState::Kept),
            TaskState::Failed | TaskState::Aborted => noted.is_none_or(|state| *state == SurplusState::Over),
        };
        record.task == Some(id) || is_noted
    })
}

fn surplus(world: &World) -> impl Iterator<Item = SurplusState> {
    world.store.record.surplus.values().copied()
}
