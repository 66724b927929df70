//! Which profiles are active: `spring.profiles.active`, `.include` and `.group`, from every source.

use super::control::{ACTIVE, GROUP, INCLUDE};
use super::tree::{Map, Node};
use crate::fault::Fault;
use crate::origin::Origin;
use crate::overrides::Overrides;
use crate::values::Values;

/// The profile of the original's file where `APP_ENV` says none.
const ORIGINALS_DEFAULT: &str = "dev";

/// The active profiles.
#[derive(Default)]
pub(super) struct Profiles {
    /// In Spring's order: of two, the later one wins.
    pub(super) active: Vec<String>,
    /// Who chose them, where somebody did.
    pub(super) chosen_by: Option<Origin>,
}

/// What profiles are chosen from.
pub(super) struct Choice<'c> {
    pub(super) overrides: &'c Overrides<'c>,
    /// The documents without a condition, the strongest first.
    pub(super) documents: &'c [&'c Map],
    /// The same as one tree.
    pub(super) tree: &'c Map,
    /// No file is named: the original's own would say `${APP_ENV:dev}`.
    pub(super) without_file: bool,
}

impl Choice<'_> {
    /// Chooses the profiles.
    pub(super) fn make(&self, faults: &mut Vec<Fault>) -> Profiles {
        let mut chosen: Vec<(String, Origin)> = Vec::new();
        let included = self.included();
        for (texts, origin) in included.iter().chain(&self.active()) {
            let key = if included.iter().any(|(_, other)| other == origin) { INCLUDE } else { ACTIVE };
            chosen.extend(
                self.names(key, texts, origin, faults).into_iter().map(|name| (name, origin.clone())),
            );
        }
        let chosen_by = chosen.last().map(|(_, origin)| origin.clone());
        let active = self.with_groups(chosen.into_iter().map(|(name, _)| name).collect(), faults);
        Profiles { active, chosen_by }
    }

    /// The strongest source alone says which profiles are active.
    fn active(&self) -> Option<(Vec<String>, Origin)> {
        self.overrides.texts(ACTIVE).or_else(|| in_tree(self.tree, ACTIVE)).or_else(|| self.originals())
    }

    /// `APP_ENV` chooses where nothing else does.
    fn originals(&self) -> Option<(Vec<String>, Origin)> {
        match self.overrides.environment.get("APP_ENV") {
            Some(profile) => Some((vec![profile.to_owned()], Origin::variable("APP_ENV"))),
            None => self.without_file.then(|| (vec![ORIGINALS_DEFAULT.to_owned()], Origin::Default)),
        }
    }

    /// Every source adds what it includes.
    fn included(&self) -> Vec<(Vec<String>, Origin)> {
        let mut included = self.overrides.all_texts(INCLUDE);
        included.extend(self.documents.iter().filter_map(|document| in_tree(document, INCLUDE)));
        included
    }

    /// The names in the texts of a key.
    fn names(&self, key: &str, texts: &[String], origin: &Origin, faults: &mut Vec<Fault>) -> Vec<String> {
        let values = Values { overrides: self.overrides, tree: self.tree };
        let mut names = Vec::new();
        for text in texts {
            match values.fill(text, false) {
                Ok(filled) => names.extend(
                    filled.text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
                ),
                Err(error) => faults.push(Fault::new(key, origin.clone(), error.to_string())),
            }
        }
        let (names, wrong): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| is_profile(name));
        for name in wrong {
            let message = format!(
                "{} is no name of a profile: letters, digits and `-_.+@`, with a letter or digit at both ends",
                crate::reader::quoted(&name)
            );
            faults.push(Fault::new(key, origin.clone(), message));
        }
        names
    }

    /// Behind each profile those of its group, and of theirs; each once.
    fn with_groups(&self, profiles: Vec<String>, faults: &mut Vec<Fault>) -> Vec<String> {
        let mut open: Vec<String> = profiles.into_iter().rev().collect();
        let mut all: Vec<String> = Vec::new();
        while let Some(profile) = open.pop() {
            if !all.contains(&profile) {
                open.extend(self.group(&profile, faults).into_iter().rev());
                all.push(profile);
            }
        }
        all
    }

    fn group(&self, profile: &str, faults: &mut Vec<Fault>) -> Vec<String> {
        let key = format!("{GROUP}.{profile}");
        let found = self.overrides.texts(&key).or_else(|| in_group(self.tree, profile));
        found.map_or_else(Vec::new, |(texts, origin)| self.names(&key, &texts, &origin, faults))
    }
}

fn in_tree(tree: &Map, key: &str) -> Option<(Vec<String>, Origin)> {
    let entry = tree.get(key)?;
    Some((entry.node.texts()?, entry.origin.clone()))
}

/// The names of profiles are compared as they are written, those of groups too.
fn in_group(tree: &Map, profile: &str) -> Option<(Vec<String>, Origin)> {
    let Node::Map(groups) = &tree.get(GROUP)?.node else { return None };
    let entry = groups.entries().find(|entry| entry.name == profile)?;
    Some((entry.node.texts()?, entry.origin.clone()))
}

fn is_profile(name: &str) -> bool {
    let is_end = |c: char| c.is_alphanumeric();
    name.starts_with(is_end)
        && name.ends_with(is_end)
        && name.chars().all(|c| c.is_alphanumeric() || "-_.+@".contains(c))
}
