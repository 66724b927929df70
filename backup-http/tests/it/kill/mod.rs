//! The service is killed, again and again, while requests keep coming; at the end one backup counts for each batch, and no other
//! is unknown.
//!
//! Real processes, a real database, and a YBA that loses answers. Callers repeat a request under its `Idempotency-Key`
//! until it is accepted. The killer sends SIGKILL to a replica at a random moment, or right after YBA was asked for a
//! backup, and starts it again; where there are several replicas it also stops one for longer than its lease. The marksman holds
//! requests on their way, and stops or kills who sent them. Then everything calms down, audits end, and [`verdict`] counts. `docs/testing.md` says how to run it for longer.

mod callers;
mod dice;
mod killer;
mod marksman;
mod replica;
mod trial;
mod trouble;
mod verdict;
mod way;
mod world;

use self::{
    callers::Callers,
    killer::Killer,
    marksman::Marksman,
    trial::{Engine, Trial},
    trouble::Trouble,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_on_sqlite_is_killed() {
    survive(Trial::new("sqlite, 1 replica", Engine::Sqlite, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_on_postgres_is_killed() {
    survive(Trial::new("postgres, 1 replica", Engine::Postgres, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_postgres_are_killed_and_stopped() {
    survive(Trial::new("postgres, 2 replicas", Engine::Postgres, 2).with_stops()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_on_postgres_are_killed_and_stopped() {
    survive(Trial::new("postgres, 3 replicas", Engine::Postgres, 3).with_stops()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_are_killed_while_postgres_restarts() {
    survive(Trial::new("postgres restarting, 2 replicas", Engine::RestartingPostgres, 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_postgres_are_hit_at_their_posts() {
    survive(Trial::new("postgres, 2 replicas, aimed", Engine::Postgres, 2).aimed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_sqlite_are_hit_at_their_posts() {
    survive(Trial::new("sqlite, 2 replicas, aimed", Engine::Sqlite, 2).aimed()).await;
}

async fn survive(trial: Trial) {
    let Some(mut world) = World::begin(trial).await else {
        return pg_harness::skip(trial.name, pg_harness::NOT_FOUND);
    };
    let callers = Callers::start(&mut world);
    let trouble = Trouble::start(&mut world);
    let toll = if trial.is_aimed() {
        Marksman::new(&mut world).shoot(&mut world.replicas, &mut world.ways).await
    } else {
        Killer::new(&mut world).kill(&mut world.replicas).await
    };
    let database = trouble.end().await;
    world.everybody_is_up().await;
    let promises = callers.end().await;
    world.until_everything_is_over().await;
    let surprises = callers::repeat_all(&world, &promises).await;
    let verdict = verdict::reach(&world, &promises, surprises).await;
    drop(database);
    world.announce(&toll, &verdict);
    assert!(verdict.faults.is_empty(), "{}", world.explain(&verdict));
}
