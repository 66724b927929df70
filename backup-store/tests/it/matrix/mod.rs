//! The fault matrix: every story of a backup, with everything that can go wrong at each of its steps, on every store.
//!
//! Nothing is listed by hand. Each story is first played without trouble, which tells its steps and its calls to YBA
//! ([`case::Outline`]); the cases are the product of these with the moments and the faults there are ([`case::cases`]). A case is
//! played on real parts (store, strategies over HTTP, orchestrators) by a manual clock, which moves only while no call is
//! under way, and then judged from every side ([`verdict`]).

mod case;
mod lane;
mod play;
mod process;
mod story;
mod tables;
mod verdict;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, OnceLock},
    thread,
    time::Instant,
};

use tokio::runtime;
use yba_client::simulator::Endpoint;

use self::{
    case::{Case, Outline, Trouble, cases},
    lane::{Engine, Lane},
    play::play,
    story::Story,
};

/// One runtime turns a lane: its order of events is the same every time.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// The stories as they go without trouble.
fn outlines() -> &'static [Outline] {
    static OUTLINES: OnceLock<Vec<Outline>> = OnceLock::new();
    OUTLINES.get_or_init(|| {
        block_on(async {
            let mut outlines = Vec::new();
            for story in Story::ALL {
                let lane = Lane::open(Engine::Memory).await;
                lane.yba.record_requests(true);
                let case = Case { engine: Engine::Memory, story, trouble: Trouble::None };
                let steps = play(&lane, &case).await.unwrap_or_else(|error| panic!("{case}: {error}"));
                let mut calls: Vec<_> = lane.yba.requests().iter().map(|request| request.endpoint).collect();
                calls.sort_unstable();
                calls.dedup();
                outlines.push(Outline { story, steps, calls });
            }
            outlines
        })
    })
}

/// A step or a call that no story takes would be missing from the matrix without a word.
#[test]
fn the_stories_take_every_step_of_the_protocol() {
    let steps: BTreeSet<&str> =
        outlines().iter().flat_map(|outline| &outline.steps).map(String::as_str).collect();
    for step in [
        "create SUBMITTING",
        "create WAITING",
        "create DONE FAILED",
        "save WAITING -> SUBMITTING",
        "save SUBMITTING -> SUBMITTING",
        "save SUBMITTING -> WAITING",
        "save SUBMITTING -> RUNNING",
        "save SUBMITTING -> DONE FAILED",
        "save RUNNING -> SETTLING",
        "save SETTLING -> RUNNING",
        "save SETTLING -> DONE FAILED",
        "save RUNNING -> DONE",
        "save RUNNING -> DONE FAILED",
        "reopen SUBMITTING",
        "find",
        "claim",
        "heartbeat",
        "release",
        "request_cancel",
        "YBA plan",
        "YBA start",
        "YBA find",
        "YBA observe",
        "YBA cancel",
    ] {
        assert!(steps.contains(step), "{step} is not among {steps:?}");
    }
    let calls: BTreeSet<Endpoint> = outlines().iter().flat_map(|outline| outline.calls.clone()).collect();
    let path = BTreeSet::from([
        Endpoint::CreateBackup,
        Endpoint::PageBackups,
        Endpoint::BackupsOfTask,
        Endpoint::GetTask,
        Endpoint::FailedSubtasks,
        Endpoint::AbortTask,
        Endpoint::ListTasks,
        Endpoint::PageTasks,
        Endpoint::HaLeader,
    ]);
    assert_eq!(calls, path);
}

/// Plays every case of an engine, and names those that break a promise.
///
/// `MATRIX=all` plays every step of every story, also those that an earlier story has; any other value plays, of all of
/// them, the cases whose name contains it.
fn matrix_on(engine: Engine) {
    /// Lanes side by side: one waits for its database while the other works.
    const LANES: usize = 2;
    let began = Instant::now();
    let wanted = std::env::var_os("MATRIX").and_then(|text| text.into_string().ok());
    let mut cases = cases(engine, outlines(), wanted.is_some());
    if let Some(wanted) = wanted.filter(|wanted| wanted != "all") {
        cases.retain(|case| case.to_string().contains(&wanted));
    }
    let number = cases.len();
    let (cases, broken) = (Mutex::new(VecDeque::from(cases)), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| block_on(play_all(engine, &cases, &broken)));
        }
    });
    println!("{engine}: {number} cases in {:.1} s", began.elapsed().as_secs_f64());
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} of {number} cases:\n\n{}", broken.len(), broken.join("\n\n"));
}

/// Plays cases until none is left. What a broken case leaves behind stays in its lane, and a lane with a long past is slow.
async fn play_all(engine: Engine, cases: &Mutex<VecDeque<Case>>, broken: &Mutex<Vec<String>>) {
    const CASES_OF_A_LANE: usize = 100;
    let next = || cases.lock().unwrap().pop_front();
    let mut lane = Lane::open(engine).await;
    let mut played = 0;
    while let Some(case) = next() {
        let outcome = play(&lane, &case).await;
        played += 1;
        if outcome.is_err() || played % CASES_OF_A_LANE == 0 {
            lane = Lane::open(engine).await;
        }
        if let Err(what) = outcome {
            broken.lock().unwrap().push(format!("{case}\n  {what}"));
        }
    }
}

#[test]
fn nothing_loses_or_doubles_a_backup_in_memory() {
    matrix_on(Engine::Memory);
}

#[test]
#[cfg(feature = "sqlite")]
fn nothing_loses_or_doubles_a_backup_on_sqlite() {
    matrix_on(Engine::Sqlite);
}

#[test]
#[cfg(feature = "postgres")]
fn nothing_loses_or_doubles_a_backup_on_postgres() {
    if pg_harness::Server::shared().is_none() {
        return pg_harness::skip(
            "matrix::nothing_loses_or_doubles_a_backup_on_postgres",
            pg_harness::NOT_FOUND,
        );
    }
    matrix_on(Engine::Postgres);
}
