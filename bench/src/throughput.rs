//! Completed backups per second, against the bare loop in the same run.

use std::{sync::atomic::Ordering, time::Duration};

use crate::{Engine, bare, cost::Cost, databases::Database, fake_yba::FakeYba, ours::Ours};

pub(crate) async fn run(store: Option<Engine>, in_flight: &[usize], rounds: usize) -> anyhow::Result<()> {
    let engines = store.map_or_else(|| vec![Engine::Postgres, Engine::Sqlite], |engine| vec![engine]);
    say("store     in flight   bare/s   ours/s   ratio   round trips   YBA calls   CPU us (bare)");
    for engine in engines {
        for &in_flight in in_flight {
            measure(engine, in_flight, (in_flight * rounds).max(500)).await?;
        }
    }
    Ok(())
}

async fn measure(engine: Engine, in_flight: usize, backups: usize) -> anyhow::Result<()> {
    let yba = FakeYba::start(Duration::ZERO).await?;
    let database = Database::fresh(engine)?;
    let bare_database = Database::fresh(engine)?;
    let ours =
        Ours::start(&database.url, &yba.url, |settings| settings.concurrency = in_flight.max(16)).await?;
    // Warm both: connections, prepared statements, the fake's threads.
    ours.run(in_flight, in_flight * 2).await?;

    // Turn by turn, so that whatever else the machine does falls on both.
    let (mut our_cost, mut bare_cost) = (Vec::new(), Vec::new());
    let (trips_before, calls_before) = (ours.round_trips.load(Ordering::Relaxed), yba.calls().await?);
    let (mut trips, mut calls) = (0, 0);
    for turn in 0..4 {
        if turn % 2 == 0 {
            our_cost.push(ours.run(in_flight, backups / 2).await?);
            trips = ours.round_trips.load(Ordering::Relaxed) - trips_before;
            calls = calls.max(yba.calls().await?);
        } else {
            let fresh = Database::fresh(engine);
            let url = fresh.as_ref().map_or(bare_database.url.as_str(), |database| database.url.as_str());
            bare_cost.push(bare::run(engine, url, &yba.url, in_flight, backups / 2).await?);
        }
    }
    let _ = (calls, calls_before);
    ours.orchestrator.shutdown().await;
    let (ours_rate, bare_rate) = (rate(&our_cost, backups), rate(&bare_cost, backups));
    #[expect(clippy::cast_precision_loss, reason = "a count of backups")]
    let per_backup = trips as f64 / backups as f64;
    say(&format!(
        "{:9} {in_flight:9} {bare_rate:8.0} {ours_rate:8.0} {:7.2} {per_backup:13.2}           3 {:8.0} ({:.0})",
        format!("{engine:?}"),
        ours_rate / bare_rate,
        micros(&our_cost, backups),
        micros(&bare_cost, backups),
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of backups")]
fn rate(costs: &[Cost], backups: usize) -> f64 {
    let wall: Duration = costs.iter().map(|cost| cost.wall).sum();
    (backups / 2 * costs.len()) as f64 / wall.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a count of backups")]
fn micros(costs: &[Cost], backups: usize) -> f64 {
    let cpu: Duration = costs.iter().map(|cost| cost.cpu).sum();
    cpu.as_secs_f64() * 1e6 / (backups / 2 * costs.len()) as f64
}

#[expect(clippy::print_stdout, reason = "the report")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
