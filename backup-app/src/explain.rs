//! The resolved configuration as a table: what every key is, and who said so.

use std::fmt;

use serde::Serialize;

use crate::origin::Origin;

/// What a secret looks like in every table.
pub(crate) const MASK: &str = "******";

/// One setting, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The key, in our own name for it.
    pub key: String,
    /// The value, or `******` where it is a secret.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
}

/// Every setting that has a value, in the order of the sections; shown as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Explanation {
    /// The settings.
    pub rows: Vec<Row>,
}

impl Explanation {
    /// The row of a key.
    pub fn find(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |text: fn(&Row) -> &str| self.rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0);
        let (keys, values) = (width(|row| &row.key), width(|row| &row.value));
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{:keys$}  {:values$}  {}", row.key, row.value, row.origin)?;
        }
        Ok(())
    }
}
