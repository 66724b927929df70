//! `docs/compatibility.md` and the data say the same.

use std::collections::BTreeSet;

use super::contract::Contract;

const DOCUMENT: &str = include_str!("../../../../docs/compatibility.md");

/// What a row may say that we do.
const VERDICTS: [&str; 4] = ["same", "better", "refused", "later"];

/// The cells of every row of every table whose last column is `case`.
fn rows() -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for line in DOCUMENT.lines() {
        let Some(line) = line.strip_prefix('|') else {
            in_table = false;
            continue;
        };
        let cells: Vec<&str> = line.trim_end_matches('|').split('|').map(str::trim).collect();
        if cells.last() == Some(&"case") {
            in_table = true;
        } else if in_table && !cells[0].starts_with("---") {
            rows.push(cells);
        }
    }
    rows
}

/// The ids that a row names.
fn ids(row: &[&'static str]) -> Vec<&'static str> {
    row.last().expect("a cell").split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_row_says_what_we_do_and_names_its_cases() {
    let contract = Contract::read();
    let known = contract.ids();
    let rows = rows();
    assert!(rows.len() > 150, "the document has lost its rows: {}", rows.len());
    for row in rows {
        assert_eq!(row.len(), 4, "item, the original, ours, case: {row:?}");
        let verdict = row[2].split([':', ' ']).next().unwrap_or_default();
        assert!(VERDICTS.contains(&verdict), "{row:?} says {verdict:?}, expected one of {VERDICTS:?}");
        let why = row[2].len() > verdict.len();
        assert!(verdict == "same" || why, "{row:?} does not say why");
        let ids = ids(&row);
        assert!(verdict == "later" || !ids.is_empty(), "{row:?} names no case");
        for id in ids {
            assert!(known.contains(id), "{row:?}: there is no case {id}");
        }
    }
}

#[test]
fn every_case_has_a_row() {
    let contract = Contract::read();
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| ids(row)).collect();
    let missing: Vec<&str> = contract.ids().into_iter().filter(|id| !named.contains(id)).collect();
    assert!(missing.is_empty(), "docs/compatibility.md names no row for {missing:?}");
}
