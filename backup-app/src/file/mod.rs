//! The configuration file: YAML documents, those of the active profiles laid over the base, as one tree.

pub(crate) mod placeholder;
mod profile;
pub(crate) mod tree;
mod yaml;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::placeholder::PlaceholderError;
use self::tree::{Map, Node};
use self::yaml::Document;
use crate::environment::Environment;
use crate::fault::{ConfigError, Fault};
use crate::origin::Origin;

const ACTIVE: &str = "spring.profiles.active";
const ON_PROFILE: &str = "spring.config.activate.on-profile";

/// What the file says, for the active profiles.
pub(crate) struct File {
    pub(crate) tree: Map,
    pub(crate) profiles: Vec<String>,
    /// Who chose the profiles, where somebody did.
    pub(crate) chosen_by: Option<Origin>,
    /// The environment variables that the file names in the placeholders of these documents.
    pub(crate) variables: BTreeSet<String>,
}

/// Reads the text of a file. Base documents come first, then those whose profile expression holds, in the
/// order of the file.
pub(crate) fn read(
    name: &str,
    text: &str,
    flags: &Map,
    environment: &Environment,
    faults: &mut Vec<Fault>,
) -> Result<File, ConfigError> {
    let documents = yaml::documents(&Arc::from(name), text, faults)?;
    let (base, conditional) = split(documents);
    let mut tree = Map::default();
    let mut variables = BTreeSet::new();
    for document in base {
        variables.extend(variables_of(&document.map));
        tree.merge(document.map);
    }
    let (profiles, chosen_by) = active_profiles(&tree, flags, environment, faults);
    for (expression, mut document) in conditional {
        match accepts(&expression, &profiles, environment) {
            Some(true) => {
                variables.extend(variables_of(&document.map));
                document.map.set_profile(&Arc::from(expression.join(", ")));
                tree.merge(document.map);
            }
            Some(false) => {}
            None => faults.push(Fault::new(ON_PROFILE, document.origin, "is no profile expression")),
        }
    }
    Ok(File { tree, profiles, chosen_by, variables })
}

/// Documents without and with a profile expression (Spring's present key, or the one before 2.4).
fn split(documents: Vec<Document>) -> (Vec<Document>, Vec<(Vec<String>, Document)>) {
    let (mut base, mut conditional) = (Vec::new(), Vec::new());
    for document in documents {
        let condition =
            [ON_PROFILE, "spring.profiles"].iter().find_map(|key| texts(&document.map.get(key)?.node));
        match condition {
            Some(expression) => conditional.push((expression, document)),
            None => base.push(document),
        }
    }
    (base, conditional)
}

/// A scalar or a list of scalars; a section or nothing at all is `None`.
fn texts(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Leaf(leaf) => leaf.text.clone().map(|text| vec![text]),
        Node::List(items) => Some(items.iter().filter_map(texts).flatten().collect()),
        Node::Map(_) => None,
    }
}

fn accepts(expressions: &[String], active: &[String], environment: &Environment) -> Option<bool> {
    let mut accepted = false;
    for expression in expressions {
        accepted |= profile::accepts(&filled(expression, environment).ok()?, active)?;
    }
    Some(accepted)
}

fn filled(text: &str, environment: &Environment) -> Result<String, PlaceholderError> {
    let mut lookup = |name: &str| Ok(environment.get(name).map(str::to_owned));
    placeholder::fill(text, &mut lookup).map(|filled| filled.text)
}

/// A flag, then the environment, then the file.
fn active_profiles(
    tree: &Map,
    flags: &Map,
    environment: &Environment,
    faults: &mut Vec<Fault>,
) -> (Vec<String>, Option<Origin>) {
    if let Some(chosen) = flags.get(ACTIVE).and_then(|entry| texts(&entry.node)) {
        return (names(&chosen), Some(Origin::Flag));
    }
    for variable in ["SPRING_PROFILES_ACTIVE", "APP_ENV"] {
        if let Some(chosen) = environment.filled(variable) {
            return (names(&[chosen.to_owned()]), Some(Origin::variable(variable)));
        }
    }
    let Some(entry) = tree.get(ACTIVE) else { return (Vec::new(), None) };
    let written = texts(&entry.node).unwrap_or_default();
    let chosen: Result<Vec<_>, _> = written.iter().map(|text| filled(text, environment)).collect();
    match chosen {
        Ok(chosen) => (names(&chosen), Some(entry.origin.clone())),
        Err(error) => {
            faults.push(Fault::new(ACTIVE, entry.origin.clone(), error.to_string()));
            (Vec::new(), None)
        }
    }
}

fn names(texts: &[String]) -> Vec<String> {
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn variables_of(document: &Map) -> impl Iterator<Item = String> {
    let texts = document.leaves().into_iter().filter_map(|leaf| leaf.text.as_deref());
    texts.flat_map(placeholder::variables).map(str::to_owned)
}
