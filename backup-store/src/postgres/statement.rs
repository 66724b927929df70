//! Statements of one row or of many: the same text around another source of rows.
//!
//! One row comes as plain parameters, since at low load a statement has one, and arrays cost more than what they carry. Many
//! come as an array for each column.

use std::fmt::Write;

use sqlx::{
    Encode, PgConnection, Postgres, Type,
    postgres::{PgArguments, PgRow},
    query::Query,
};

/// A statement that takes its rows from `input`.
pub(super) struct Statement {
    one: String,
    many: String,
}

impl Statement {
    /// `columns`: the names and types of a row. `fixed`: how many parameters of the statement's own come before them.
    /// `text`: the statement, given what stands for `input` in a `FROM`.
    pub(super) fn new(fixed: usize, columns: &[(&str, &str)], text: impl Fn(&str) -> String) -> Self {
        Self { one: text(&one(fixed, columns)), many: text(&many(fixed, columns)) }
    }

    /// The statement for these rows. The values follow in the order of the parameters.
    pub(super) fn of<'a, R>(&'static self, rows: &'a [R]) -> Values<'a, R> {
        let text: &'static str = if rows.len() == 1 { &self.one } else { &self.many };
        Values { query: sqlx::query(text), rows }
    }
}

/// `(SELECT $1::text AS batch_id, …) AS input`
fn one(fixed: usize, columns: &[(&str, &str)]) -> String {
    let mut text = String::from("(SELECT ");
    for (place, (name, sql_type)) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = write!(text, "{comma}${}::{sql_type} AS {name}", fixed + place + 1);
    }
    text + ") AS input"
}

/// `unnest($1::text[], …) AS input (batch_id, …)`
fn many(fixed: usize, columns: &[(&str, &str)]) -> String {
    let (mut arrays, mut names) = (String::new(), String::new());
    for (place, (name, sql_type)) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(arrays, "{comma}${}::{sql_type}[]", fixed + place + 1);
        let _ = write!(names, "{comma}{name}");
    }
    format!("unnest({arrays}) AS input ({names})")
}

/// The values of a statement.
pub(super) struct Values<'a, R> {
    query: Query<'a, Postgres, PgArguments>,
    rows: &'a [R],
}

impl<'a, R> Values<'a, R> {
    /// A parameter of the statement's own.
    pub(super) fn fixed<T: Encode<'a, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
        self.query = self.query.bind(value);
        self
    }

    /// A column of the rows.
    pub(super) fn column<T>(mut self, value: impl Fn(&'a R) -> T) -> Self
    where
        T: Encode<'a, Postgres> + Type<Postgres>,
        Vec<T>: Encode<'a, Postgres> + Type<Postgres>,
    {
        self.query = match self.rows {
            [row] => self.query.bind(value(row)),
            rows => self.query.bind(rows.iter().map(value).collect::<Vec<T>>()),
        };
        self
    }

    pub(super) async fn fetch_all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
        self.query.fetch_all(connection).await
    }
}

/// The columns of a statement's rows, each with its type and its value, in one place: a constant `COLUMNS` for the text, and a
/// function `bind` for the values.
macro_rules! columns {
    ($row:ty: $($name:ident $sql_type:ident = $value:expr,)+) => {
        const COLUMNS: &[(&str, &str)] = &[$((stringify!($name), stringify!($sql_type))),+];

        fn bind<'a>(
            values: $crate::postgres::statement::Values<'a, $row>,
        ) -> $crate::postgres::statement::Values<'a, $row> {
            values$(.column::<_>($value))+
        }
    };
}
pub(super) use columns;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_plain_and_many_are_arrays() {
        let columns = [("batch_id", "text"), ("epoch", "bigint")];
        let statement = Statement::new(1, &columns, |input| format!("SELECT FROM {input}"));
        assert_eq!(statement.one, "SELECT FROM (SELECT $2::text AS batch_id, $3::bigint AS epoch) AS input");
        assert_eq!(statement.many, "SELECT FROM unnest($2::text[], $3::bigint[]) AS input (batch_id, epoch)");
    }
}
