//! What the file and the variables resolve to.

use std::collections::BTreeMap;

use backup_app::{ConfigError, Environment, Settings, Sources};

use super::{
    contract::{APPLICATION, Contract, variables},
    places::Places,
    service::Way,
};

/// The settings of a way, with these variables.
fn load(way: Way, variables: &BTreeMap<String, String>) -> Settings {
    try_load(way, variables).unwrap_or_else(|error| panic!("{way:?}: {error}"))
}

fn try_load(way: Way, variables: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let environment: Environment =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let sources = Sources { environment, ..Sources::default() };
    Settings::from_text("application.yml", way.file().unwrap_or_default(), &sources)
}

fn filled(places: &Places) -> BTreeMap<String, String> {
    variables().into_iter().map(|(name, value)| (name.to_owned(), places.fill(value))).collect()
}

fn value(settings: &Settings, key: &str) -> Option<String> {
    settings.explain().find(key).map(|row| row.value.clone())
}

/// Every key has the original's value, whether its file is there or not.
#[test]
fn every_key_has_the_original_s_value() {
    let (contract, places) = (Contract::read(), Places::made_up());
    for way in Way::ALL {
        let settings = load(way, &filled(&places));
        for case in &contract.settings {
            let found = value(&settings, &case.key);
            assert_eq!(found, Some(places.fill(&case.is)), "{}, {way:?}: {}", case.id, case.key);
        }
    }
}

/// The variables alone define the very targets that the file does with them.
#[test]
fn the_variables_alone_are_as_good_as_the_file() {
    let places = Places::made_up();
    let targets = |way| {
        let settings = load(way, &filled(&places));
        let rows = settings.explain().rows.iter().filter(|row| row.key.starts_with("yba.databases."));
        rows.map(|row| (row.key.clone(), row.value.clone())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(targets(Way::Variables), targets(Way::FileWithoutProfiles));
}

#[test]
fn nothing_of_the_original_is_a_warning() {
    let contract = Contract::read();
    for way in Way::ALL {
        let settings = load(way, &filled(&Places::made_up()));
        let about = |warning: &&backup_app::Warning| {
            let text = warning.to_string();
            // That the ids of these tests are no UUIDs is on purpose.
            let named = contract.variables.iter().any(|case| text.contains(&case.name));
            (named && !text.contains("is no UUID")) || text.contains("data.")
        };
        let warnings: Vec<String> =
            settings.warnings().iter().filter(about).map(ToString::to_string).collect();
        assert!(warnings.is_empty(), "{way:?}: {warnings:#?}");
    }
}

#[test]
fn every_profile_has_its_document() {
    let contract = Contract::read();
    for case in &contract.profiles {
        let mut variables = filled(&Places::made_up());
        variables.retain(|name, _| !case.without.contains(name));
        variables.extend(case.app_env.iter().map(|value| ("APP_ENV".to_owned(), value.clone())));
        let settings = load(Way::File, &variables);
        assert_eq!(settings.profiles, [case.active.as_str()], "{}", case.id);
        let retries = value(&settings, "yba.max-retry-attempts");
        assert_eq!(retries.as_ref(), Some(&case.retries), "{}", case.id);
    }
    assert!(APPLICATION.contains("on-profile: prod"));
}

/// Each variable decides its setting: without it the setting has another value, or another origin.
#[test]
fn every_variable_is_read() {
    let contract = Contract::read();
    let given = filled(&Places::made_up());
    for name in given.keys() {
        assert!(contract.variables.iter().any(|case| case.name == *name), "{name} has no case");
    }
    for way in Way::ALL {
        let all = load(way, &given);
        for case in &contract.variables {
            assert!(given.contains_key(&case.name), "{}: variables.env lacks it", case.id);
            let Some(key) = &case.key else { continue };
            let mut fewer = given.clone();
            fewer.remove(&case.name);
            let row = all.explain().find(key);
            // Without an address of the database there are no settings at all.
            let same = try_load(way, &fewer).is_ok_and(|without| without.explain().find(key) == row);
            assert!(row.is_some() && !same, "{}, {way:?}: {key} is {row:?} without it too", case.id);
        }
    }
}
