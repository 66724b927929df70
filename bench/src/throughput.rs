//! Completed backups per second, against the bare loop in the same run.

use std::{sync::atomic::Ordering, time::Duration};

use crate::{Engine, bare::Bare, cost::Cost, databases::Database, fake_yba::FakeYba, ours::Ours};

pub(crate) async fn run(
    store: Option<Engine>,
    in_flight: &[usize],
    rounds: usize,
    server: Option<&str>,
) -> anyhow::Result<()> {
    let engines = store.map_or_else(|| vec![Engine::Postgres, Engine::Sqlite], |engine| vec![engine]);
    say(
        "store     in flight   bare/s   ours/s   ratio   round trips   YBA calls   CPU us (bare)   database's (bare)",
    );
    for engine in engines {
        for &in_flight in in_flight {
            measure(engine, in_flight, (in_flight * rounds).max(500), server).await?;
        }
    }
    Ok(())
}

/// Turns of each, so that whatever else the machine does falls on both.
const TURNS: usize = 3;

async fn measure(
    engine: Engine,
    in_flight: usize,
    backups: usize,
    server: Option<&str>,
) -> anyhow::Result<()> {
    let yba = FakeYba::start(Duration::ZERO).await?;
    let our_database = Database::fresh(engine, server).await?;
    let bare_database = Database::fresh(engine, server).await?;
    let ours = Ours::start(&our_database.url, &yba.url, |settings| {
        settings.concurrency = in_flight.max(16);
        settings.concurrency_per_instance = in_flight.max(16);
    })
    .await?;
    let bare = Bare::open(engine, &bare_database.url, &yba.url).await?;
    // Warm both: connections, prepared statements, the fake's threads.
    ours.run(in_flight, in_flight * 2).await?;
    bare.run(in_flight, in_flight * 2).await?;

    let (mut our_total, mut bare_total) = (Total::default(), Total::default());
    for _ in 0..TURNS {
        let (trips, calls) = (ours.round_trips.load(Ordering::Relaxed), yba.calls().await?);
        let (our_cpu, bare_cpu) = (our_database.cpu(), bare_database.cpu());
        our_total.add(ours.run(in_flight, backups).await?, backups);
        our_total.trips += ours.round_trips.load(Ordering::Relaxed) - trips;
        our_total.calls += yba.calls().await? - calls;
        bare_total.add(bare.run(in_flight, backups).await?, backups);
        our_total.database_cpu += our_database.cpu().saturating_sub(our_cpu);
        bare_total.database_cpu += bare_database.cpu().saturating_sub(bare_cpu);
    }
    ours.orchestrator.shutdown().await;
    say(&format!(
        "{:9} {in_flight:9} {:8.0} {:8.0} {:7.2} {:13.2} {:11.2} {:8.0} ({:.0}) {:10.0} ({:.0})",
        format!("{engine:?}"),
        bare_total.rate(),
        our_total.rate(),
        our_total.rate() / bare_total.rate(),
        our_total.each(our_total.trips),
        our_total.each(our_total.calls),
        our_total.micros(our_total.cpu),
        bare_total.micros(bare_total.cpu),
        our_total.micros(our_total.database_cpu),
        bare_total.micros(bare_total.database_cpu),
    ));
    Ok(())
}

/// Several turns.
#[derive(Default)]
struct Total {
    backups: usize,
    wall: Duration,
    cpu: Duration,
    database_cpu: Duration,
    trips: u64,
    calls: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts for a report")]
impl Total {
    fn add(&mut self, cost: Cost, backups: usize) {
        self.backups += backups;
        self.wall += cost.wall;
        self.cpu += cost.cpu;
    }

    fn rate(&self) -> f64 {
        self.backups as f64 / self.wall.as_secs_f64()
    }

    fn each(&self, count: u64) -> f64 {
        count as f64 / self.backups as f64
    }

    fn micros(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.backups as f64
    }
}

#[expect(clippy::print_stdout, reason = "the report")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
