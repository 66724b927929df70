//! How the cost grows: with the backups in flight, and with finished rows in the tables.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::{Engine, databases::Database, fake_yba::FakeYba, ours::Ours, scale, throughput::say};

/// Finished backups, as the orchestrator would have left them.
const FINISHED: [&str; 5] = [
    "INSERT INTO batch_execution_details (batch_id, business_date, batch_category, batch_mode, batch_status, start_time, end_time)
     SELECT 'old-' || n, DATE '2025-03-25', 'old', 'SCHEDULED', 'COMPLETED', now(), now() FROM generate_series(1, $1) n",
    "INSERT INTO batch_db_schedule_event_tracker
         (batch_id, business_date, backup_status, backup_type, start_time, end_time, backup_job_categorycode)
     SELECT 'old-' || n, DATE '2025-03-25', 'SUCCESS', 'full_backup', now(), now(), 'old' FROM generate_series(1, $1) n",
    "INSERT INTO backup_batch
         (batch_id, business_date, strategy, started_at, ended_at, batch_category, batch_mode, target, created_at, deadline_at)
     SELECT 'old-' || n, DATE '2025-03-25', 'full_backup', now(), now(), 'old', 'SCHEDULED', 'old', now(), now()
     FROM generate_series(1, $1) n",
    "INSERT INTO backup_work
         (batch_id, business_date, bucket, slot, created_at, phase, phase_since, cancel_requested, is_open, is_waiting,
          due_at, epoch)
     SELECT 'old-' || n, DATE '2025-03-25', n % 16, 'yba/old', now(), 'DONE', now(), false, false, false, now(), 1
     FROM generate_series(1, $1) n",
    "INSERT INTO backup_attempt (attempt_id, batch_id, attempt_number, attempted_at)
     SELECT gen_random_uuid(), 'old-' || n, 1, now() FROM generate_series(1, $1) n",
];

pub(crate) async fn run(finished: u64) -> anyhow::Result<()> {
    say("finished rows   ours/s at 64 in flight   claim ms");
    let yba = FakeYba::start(Duration::ZERO).await?;
    let database = Database::fresh(Engine::Postgres, None).await?;
    let ours = Ours::start(&database.url, &yba.url, |_| {}).await?;
    ours.run(64, 200).await?;
    for rows in [0, finished] {
        fill(&database.url, rows).await?;
        let backups = 4000;
        let cost = ours.run(64, backups).await?;
        #[expect(clippy::cast_precision_loss, reason = "counts for a report")]
        let rate = backups as f64 / cost.wall.as_secs_f64();
        say(&format!("{rows:13} {rate:24.0} {:10.2}", claim_ms(&ours).await?));
    }
    ours.orchestrator.shutdown().await;

    say("");
    say("in flight   memory MiB   (empty)   CPU cores   YBA calls/s   round trips/s");
    for in_flight in [100, 1_000, 10_000] {
        say(&scale::measure(in_flight, Duration::from_secs(15), Duration::from_secs(5)).await?);
    }
    Ok(())
}

async fn fill(database: &str, rows: u64) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    sqlx::query("SET search_path TO epricing").execute(&mut connection).await?;
    for sql in FINISHED {
        sqlx::query(sql).bind(i64::try_from(rows)?).execute(&mut connection).await?;
    }
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    Ok(())
}

/// What one look for open work takes, as the median of many.
async fn claim_ms(ours: &Ours) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = std::time::Instant::now();
        ours.orchestrator.take_up(&"nobody".into()).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1000.0)
}
