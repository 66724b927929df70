//! The configuration files: YAML documents and what they import, those of the active profiles included, as one tree.

mod config_tree;
mod control;
mod expression;
mod loader;
mod location;
pub(crate) mod placeholder;
mod profiles;
pub(crate) mod read;
pub(crate) mod tree;
mod yaml;

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::loader::Loader;
use self::profiles::{Choice, Profiles};
use self::tree::Map;
use crate::fault::{ConfigError, Fault};
use crate::origin::Origin;
use crate::overrides::Overrides;

/// The file that was named, or a text in place of it.
pub(crate) struct Main {
    /// What to call it in faults.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where it lies; imports and files of profiles are looked for beside it.
    pub(crate) path: Option<PathBuf>,
}

/// What the files say, for the active profiles.
pub(crate) struct File {
    pub(crate) tree: Map,
    pub(crate) profiles: Vec<String>,
    /// Who chose the profiles, where somebody did.
    pub(crate) chosen_by: Option<Origin>,
    /// The environment variables that the files name in the placeholders of these documents.
    pub(crate) variables: BTreeSet<String>,
    /// Whether no file stands in place of the original's own.
    pub(crate) is_absent: bool,
}

/// Reads the main file, or what `spring.config.location` names, and everything that belongs to it.
pub(crate) fn read(
    main: Option<&Main>,
    overrides: &Overrides<'_>,
    faults: &mut Vec<Fault>,
) -> Result<File, ConfigError> {
    control::check_overrides(overrides, faults);
    let is_absent = main.is_none() && overrides.texts(control::LOCATION).is_none();
    let mut loader = Loader::new(overrides);
    let mut root = loader.root(main)?;
    loader.without_profiles(&mut root)?;
    let (base, Profiles { active, chosen_by }) = {
        let mut documents = root.unconditional();
        let base = merged(documents.iter().map(|map| (*map).clone()));
        documents.reverse();
        let choice = Choice { overrides, documents: &documents, tree: &base, without_file: is_absent };
        let profiles = choice.make(faults);
        (base, profiles)
    };
    loader.with_profiles(&mut root, &active, &base)?;
    faults.append(&mut loader.faults);
    let documents = root.into_active();
    let variables = documents.iter().flat_map(variables_of).collect();
    Ok(File { tree: merged(documents), profiles: active, chosen_by, variables, is_absent })
}

fn merged(documents: impl IntoIterator<Item = Map>) -> Map {
    let mut tree = Map::default();
    documents.into_iter().for_each(|document| tree.merge(document));
    tree
}

fn variables_of(document: &Map) -> Vec<String> {
    let texts = document.leaves().into_iter().filter_map(|leaf| leaf.text.as_deref());
    texts.flat_map(placeholder::variables).map(str::to_owned).collect()
}
