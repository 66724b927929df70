//! Many backups in flight on one replica: what they cost while nothing happens but looking.

use std::time::Duration;

use backup_core::BackupRequest;

use crate::{
    Engine,
    cost::{Meter, resident_mib},
    databases::Database,
    fake_yba::FakeYba,
    ours::Ours,
    throughput::say,
};

pub(crate) async fn run(in_flight: usize, seconds: u64, interval: u64) -> anyhow::Result<()> {
    say("in flight   memory MiB   (empty)   CPU cores   YBA calls/s   round trips/s");
    let line = measure(in_flight, Duration::from_secs(seconds), Duration::from_secs(interval)).await?;
    say(&line);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts for a report")]
pub(crate) async fn measure(in_flight: usize, time: Duration, interval: Duration) -> anyhow::Result<String> {
    let yba = FakeYba::start(Duration::from_hours(1)).await?;
    let database = Database::fresh(Engine::Postgres, None).await?;
    let ours = Ours::start(&database.url, &yba.url, |settings| {
        settings.poll_first = interval;
        settings.poll_max = interval;
    })
    .await?;
    let empty = resident_mib();
    for _ in 0..in_flight {
        let universe = uuid::Uuid::now_v7().to_string();
        ours.orchestrator.submit(BackupRequest::new(universe, "2025-03-25")).await?;
    }
    // Until every one has been posted and looked at.
    while yba.calls().await? < 2 * in_flight as u64 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (calls, trips) = (yba.calls().await?, ours.round_trips.load(std::sync::atomic::Ordering::Relaxed));
    let meter = Meter::start();
    tokio::time::sleep(time).await;
    let cost = meter.stop();
    let seconds = cost.wall.as_secs_f64();
    let line = format!(
        "{in_flight:9} {:12.1} {empty:9.1} {:11.3} {:13.0} {:15.1}",
        resident_mib(),
        cost.cpu.as_secs_f64() / seconds,
        (yba.calls().await? - calls) as f64 / seconds,
        (ours.round_trips.load(std::sync::atomic::Ordering::Relaxed) - trips) as f64 / seconds,
    );
    anyhow::ensure!(ours.orchestrator.in_flight() == in_flight, "all of them are still followed");
    ours.orchestrator.shutdown().await;
    Ok(line)
}
