//! `backup-category-type`: a target names a strategy that exists, or nothing starts.

use backup_app::settings::CategoryType;
use backup_app::{App, Role, Settings, Sources, StartError};

use crate::support::{faults, file, loaded, target};

/// A file with one target of this category type.
fn of_type(category_type: &str) -> String {
    file(&[target("db1", &format!("      backup-category-type: {category_type}\n"))])
        + "datasource.url: 'sqlite::memory:'\n"
}

/// The settings of a program that registers a strategy of its own.
fn with_own_strategy(text: &str) -> Settings {
    let sources = Sources { strategies: vec!["sunday_full".to_owned()], ..Sources::default() };
    Settings::from_text("application.yml", text, &sources).expect("no faults")
}

#[test]
fn every_spelling_of_both_strategies_is_understood() {
    for word in ["full_backup", "FULL_BACKUP", "Full-Backup", "full", "FULL", "' full '"] {
        assert_eq!(
            loaded(&of_type(word), &[], &[]).targets[0].category_type.as_str(),
            "full_backup",
            "{word}"
        );
    }
    for word in ["incremental_backup", "INCREMENTAL-BACKUP", "incremental", "Incremental"] {
        let settings = loaded(&of_type(word), &[], &[]);
        assert_eq!(settings.targets[0].category_type.as_str(), "incremental_backup", "{word}");
        let shown = settings.explain().find("yba.databases.db1.backup-category-type").expect("a row");
        assert_eq!(shown.value, "incremental_backup");
    }
}

#[test]
fn any_other_word_is_a_fault_with_its_place_and_what_is_allowed() {
    for (word, suggestion) in [
        ("incremental_bakup", "; did you mean `incremental_backup`?"),
        ("full-backups", "; did you mean `full_backup`?"),
        ("differential", ""),
        ("full_backup;", "; did you mean `full_backup`?"),
    ] {
        let expected = format!(
            "yba.databases.db1.backup-category-type (application.yml:9): `{word}` is not a strategy; allowed: \
             full_backup, incremental_backup{suggestion}"
        );
        assert!(faults(&of_type(word), &[]).ends_with(&expected), "{}", faults(&of_type(word), &[]));
    }
    let variables = [("YBA_BACKUP_CATEGORY_TYPE", "weekly")];
    assert!(faults(&file(&[target("db1", "")]), &variables).contains(
        "yba.databases.db1.backup-category-type (environment YBA_BACKUP_CATEGORY_TYPE): `weekly` is not"
    ));
}

#[test]
fn a_half_set_target_is_checked_too() {
    let text = "yba.databases.db1: {category-codes: a, backup-category-type: weekly}";
    assert!(faults(text, &[]).contains("`weekly` is not a strategy"));
}

#[test]
fn a_strategy_that_an_embedder_names_is_understood_in_any_case() {
    let settings = with_own_strategy(&of_type("Sunday-Full"));
    assert_eq!(settings.targets[0].category_type, CategoryType::Custom("sunday_full".to_owned()));
}

#[tokio::test]
async fn a_strategy_that_is_named_and_not_registered_starts_nothing() {
    let settings = with_own_strategy(&of_type("sunday_full"));
    let error = App::start(settings, Role::CommandLine).await.expect_err("it is not registered");
    assert!(matches!(&error, StartError::Strategy { target, .. } if target == "db1"), "{error}");
}
