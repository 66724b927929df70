//! The partitions of the coming months, made while nobody writes to them.
//!
//! A date without a partition of its own goes to the default one, so nothing is ever refused. A month of which the
//! default partition holds rows already stays there: that is said once, and is no error.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use chrono::{Datelike, Months, NaiveDate};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::migrate::{execute, renew};
use crate::error::ConnectError;

const BATCHES: &str = "batch_execution_details";
const PARENTS: [&str; 2] = [BATCHES, "exception_details"];
/// The last month, this one, and a year ahead.
const BEHIND: u32 = 1;
const AHEAD: u32 = 12;
const LEASE: &str = "partitions";

/// A month of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Partition {
    parent: &'static str,
    first: NaiveDate,
}

impl Partition {
    fn name(&self) -> String {
        format!("{}_{:04}_{:02}", self.parent, self.first.year(), self.first.month())
    }

    fn statement(&self) -> String {
        let (name, parent, first) = (self.name(), self.parent, self.first);
        let next = first + Months::new(1);
        // A batch's row grows once, when it ends: with room for that on its page no index is written again.
        let storage = if parent == BATCHES { " WITH (fillfactor = 25)" } else { "" };
        format!(
            "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {parent} FOR VALUES FROM ('{first}') TO ('{next}'){storage}"
        )
    }
}

/// Makes what is missing, unless another process is at it. Nothing missing costs one round trip.
pub(super) async fn make(
    connection: &mut PgConnection,
    today: NaiveDate,
    address: &str,
) -> Result<(), ConnectError> {
    let refused = |error| super::refused(address, "the making of partitions", error);
    let there = names(connection).await.map_err(refused)?;
    let missing: Vec<_> = wanted(today).filter(|partition| !there.contains(&partition.name())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let owner = Uuid::new_v4();
    if !renew(connection, LEASE, owner).await.map_err(refused)? {
        return Ok(());
    }
    // The new partition waits for every open writer of its table, and holds up those that come after it.
    execute(connection, "SET lock_timeout = '2s'").await.map_err(refused)?;
    let made = make_all(connection, &missing, owner, address).await;
    execute(connection, "RESET lock_timeout").await.map_err(refused)?;
    release(connection, owner).await.map_err(refused)?;
    made.map_err(refused)
}

async fn make_all(
    connection: &mut PgConnection,
    missing: &[Partition],
    owner: Uuid,
    address: &str,
) -> Result<(), sqlx::Error> {
    for partition in missing {
        if !renew(connection, LEASE, owner).await? {
            return Ok(());
        }
        let name = partition.name();
        match execute(connection, &partition.statement()).await {
            Ok(()) => tracing::debug!(address, partition = name, "a partition was made"),
            Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some("23514") => note_default(address, &name),
                Some("55P03") => {
                    tracing::info!(
                        address,
                        partition = name,
                        "the table is in use; its partition is made later"
                    );
                    return Ok(());
                }
                // Not our tables to change: whoever they belong to makes the partitions.
                Some("42501") => {
                    tracing::warn!(address, partition = name, error = %error, "no right to make partitions");
                    return Ok(());
                }
                _ => return Err(sqlx::Error::Database(error)),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says once per process that a month stays in the default partition.
fn note_default(address: &str, name: &str) {
    static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get_or_insert_default().insert(format!("{address} {name}")) {
        tracing::info!(
            address,
            partition = name,
            "the default partition holds rows of this month; it stays there"
        );
    }
}

fn wanted(today: NaiveDate) -> impl Iterator<Item = Partition> {
    let this_month = today.with_day(1).unwrap_or(today);
    let first = this_month - Months::new(BEHIND);
    PARENTS.into_iter().flat_map(move |parent| {
        (0..=BEHIND + AHEAD).map(move |months| Partition { parent, first: first + Months::new(months) })
    })
}

async fn names(connection: &mut PgConnection) -> Result<HashSet<String>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT child.relname::text AS name
        FROM pg_inherits AS inherits
        JOIN pg_class AS child ON child.oid = inherits.inhrelid
        JOIN pg_class AS parent ON parent.oid = inherits.inhparent
        JOIN pg_namespace AS namespace ON namespace.oid = parent.relnamespace
        WHERE namespace.nspname = current_schema()
            AND parent.relname = ANY ($1)
            AND parent.relkind = 'p'
        ORDER BY child.relname
        ",
    )
    .bind(PARENTS.to_vec())
    .persistent(false)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

async fn release(connection: &mut PgConnection, owner: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE backup_lease SET until = now() WHERE name = $1 AND owner = $2")
        .bind(LEASE)
        .bind(owner)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_ahead_is_wanted_across_the_end_of_a_year() {
        let today = NaiveDate::from_ymd_opt(2025, 12, 31).unwrap();
        let wanted: Vec<_> = wanted(today).collect();
        assert_eq!(wanted.len(), 28);
        assert_eq!(wanted[0].name(), "batch_execution_details_2025_11");
        assert_eq!(wanted[13].name(), "batch_execution_details_2026_12");
        assert_eq!(
            wanted[1].statement(),
            "CREATE TABLE IF NOT EXISTS batch_execution_details_2025_12 PARTITION OF batch_execution_details \
             FOR VALUES FROM ('2025-12-01') TO ('2026-01-01') WITH (fillfactor = 25)"
        );
    }
}
