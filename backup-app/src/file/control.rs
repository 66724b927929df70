//! The keys that decide which settings count. Those that are not understood are refused by name: ignored, they would
//! let settings count that should not, or the other way round.

use super::tree::{Map, Node, canonical};
use crate::fault::Fault;
use crate::origin::Origin;
use crate::overrides::Overrides;

pub(super) const ON_PROFILE: &str = "spring.config.activate.on-profile";
pub(super) const IMPORT: &str = "spring.config.import";
pub(super) const LOCATION: &str = "spring.config.location";
pub(super) const ADDITIONAL_LOCATION: &str = "spring.config.additional-location";
pub(super) const ACTIVE: &str = "spring.profiles.active";
pub(super) const INCLUDE: &str = "spring.profiles.include";
pub(super) const GROUP: &str = "spring.profiles.group";
const ACTIVATE: &str = "spring.config.activate";

/// What may stand in a document, by section.
const IN_A_DOCUMENT: [(&str, &[&str]); 3] = [
    ("spring.config", &["import", "activate"]),
    (ACTIVATE, &["onprofile"]),
    ("spring.profiles", &["active", "include", "group", "validate"]),
];

/// What arguments, JSON and variables may say, by section.
const OUTSIDE: [(&str, &[&str]); 2] = [
    ("spring.config", &["location", "additionallocation", "import"]),
    ("spring.profiles", &["active", "include", "group", "validate"]),
];

/// Checks a document. `false`: it cannot be told whether it counts.
pub(super) fn check_document(map: &Map, is_conditional: bool, faults: &mut Vec<Fault>) -> bool {
    let before = faults.len();
    check(map, &IN_A_DOCUMENT, faults);
    let is_understood = !faults[before..].iter().any(|fault| fault.key.starts_with(ACTIVATE));
    if is_conditional {
        for key in [ACTIVE, INCLUDE, GROUP] {
            if let Some(entry) = map.get(key) {
                let message = "cannot stand in a document or a file of a profile, as in Spring";
                faults.push(Fault::new(key, entry.origin.clone(), message));
            }
        }
    }
    is_understood
}

/// Checks arguments, JSON and variables.
pub(super) fn check_overrides(overrides: &Overrides<'_>, faults: &mut Vec<Fault>) {
    check(&overrides.flags, &OUTSIDE, faults);
    check(&overrides.json, &OUTSIDE, faults);
    for name in overrides.environment.names() {
        if overrides.environment.filled(name).is_some() && is_unknown_variable(name) {
            let origin = Origin::variable(name);
            faults.push(Fault::new(name, origin, "is not supported: it decides which settings count"));
        }
    }
}

fn check(map: &Map, sections: &[(&str, &[&str])], faults: &mut Vec<Fault>) {
    for (section, allowed) in sections {
        let Some(entry) = map.get(section) else { continue };
        let Node::Map(keys) = &entry.node else {
            if entry.node.texts().is_some() {
                faults.push(Fault::new(*section, entry.origin.clone(), instead_of_section(section)));
            }
            continue;
        };
        for key in keys.entries().filter(|key| !allowed.contains(&canonical(&key.name).as_str())) {
            let path = format!("{section}.{}", key.name);
            let message = refusal(section, &canonical(&key.name));
            faults.push(Fault::new(path, key.origin.clone(), message));
        }
    }
}

fn instead_of_section(section: &str) -> String {
    match section {
        "spring.profiles" => format!("is the key of Spring before 2.4; write `{ON_PROFILE}`"),
        _ => "expects keys, not a value".to_owned(),
    }
}

fn refusal(section: &str, key: &str) -> String {
    match (section, key) {
        (ACTIVATE, _) => {
            format!("is not supported: it cannot be told whether the document counts; `{ON_PROFILE}` can")
        }
        ("spring.config", "location" | "additionallocation") => {
            "has no effect in a file; set the variable or the argument of this name".to_owned()
        }
        _ => "is not supported: it decides which settings count".to_owned(),
    }
}

/// `SPRING_CONFIG_NAME`, and not `SPRING_CONFIG_IMPORT` or `SPRING_PROFILES_GROUP_PROD_0`.
fn is_unknown_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['.', '-'], "_");
    let Some((section, key)) = ["SPRING_CONFIG_", "SPRING_PROFILES_"]
        .into_iter()
        .zip(&OUTSIDE)
        .find_map(|(prefix, (_, keys))| Some((keys, name.strip_prefix(prefix)?)))
    else {
        return false;
    };
    let key = canonical(key);
    let known = |known: &&str| {
        let rest = key.strip_prefix(*known);
        rest.is_some_and(|rest| *known == "group" || rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    !section.iter().any(known)
}
