//! When a backup began and ended by YBA's own account, read from its last answer about the backup.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use yba_client::parse_date;

/// The times that YBA has on record for a backup.
///
/// What follows a backup may look late, or only the next morning: these say how long the backup itself took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YbaTimes {
    /// When YBA began it, UTC.
    pub created_at: DateTime<Utc>,
    /// When YBA completed it, UTC: later than `created_at`.
    pub completed_at: DateTime<Utc>,
}

impl YbaTimes {
    /// The times in an answer as it is recorded: the backup's row lies under `backup`, in either of YBA's shapes. `None` where
    /// one is missing, cannot be read, or makes no span of time.
    pub(crate) fn in_answer(answer: &Value) -> Option<Self> {
        let row = answer.get("backup")?;
        let time = |name: &str| {
            let value = row.get(name).or_else(|| row.get("commonBackupInfo")?.get(name))?;
            match value {
                Value::String(text) => parse_date(text),
                Value::Number(millis) => DateTime::from_timestamp_millis(millis.as_i64()?),
                _ => None,
            }
        };
        let (created_at, completed_at) = (time("createTime")?, time("completionTime")?);
        (completed_at > created_at).then_some(Self { created_at, completed_at })
    }

    /// How long the backup took.
    pub fn took(&self) -> Duration {
        (self.completed_at - self.created_at).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_of_a_row_are_read() {
        let times = json!({"createTime": "2025-03-25T10:15:31Z", "completionTime": "2025-03-25T10:16:11Z"});
        for answer in [json!({"backup": times}), json!({"backup": {"commonBackupInfo": times}})] {
            let read = YbaTimes::in_answer(&answer).map(|times| times.took());
            assert_eq!(read, Some(Duration::from_secs(40)), "{answer}");
        }
    }

    #[test]
    fn what_makes_no_span_is_no_time() {
        for times in [
            json!({}),
            json!({"createTime": "2025-03-25T10:15:31Z"}),
            json!({"createTime": "2025-03-25T10:15:31Z", "completionTime": null}),
            json!({"createTime": "2025-03-25T10:15:31Z", "completionTime": "2025-03-25T10:15:30Z"}),
            json!({"createTime": "2025-03-25T10:15:31Z", "completionTime": "soon"}),
            json!({"createTime": i64::MAX, "completionTime": i64::MIN}),
        ] {
            assert_eq!(YbaTimes::in_answer(&json!({"backup": times})), None, "{times}");
        }
        assert_eq!(YbaTimes::in_answer(&Value::Null), None);
    }
}
