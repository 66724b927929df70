//! Reads settings one by one from flags, environment and file, and remembers every place it looked at.
//!
//! What the settings ask for *is* the list of known keys: nothing else has to be kept in step to find unknown
//! keys and to suggest the near one.

pub(crate) mod duration;
mod key;
mod secret;
mod setting;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

pub(crate) use self::key::Key;
use self::key::variables_of;
pub(crate) use self::setting::{Bytes, Setting, Unfit, Words, nearest, quoted};
use crate::environment::Environment;
use crate::explain::Row;
use crate::fault::{Fault, Warning};
use crate::file::File;
use crate::file::placeholder;
use crate::file::tree::{Leaf, Map, Node, canonical_path};
use crate::origin::Origin;

/// Sources by precedence, the strongest first.
const LAYERS: [Layer; 3] = [Layer::Flags, Layer::Environment, Layer::File];

#[derive(Clone, Copy)]
enum Layer {
    Flags,
    Environment,
    File,
}

/// What a place says: one text or several, never empty.
struct Found {
    texts: Vec<String>,
    is_list: bool,
    origin: Origin,
}

/// Reads settings, and collects what is known, wrong and remarkable.
pub(crate) struct Reader<'s> {
    flags: &'s Map,
    environment: &'s Environment,
    file: &'s File,
    /// The names of an embedder's strategies.
    pub(crate) strategies: &'s [String],
    /// Every key that was asked for: relaxed form to our spelling.
    known: BTreeMap<String, String>,
    /// Every environment variable that was asked for.
    consulted: BTreeSet<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Warning>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(
        flags: &'s Map,
        environment: &'s Environment,
        file: &'s File,
        strategies: &'s [String],
    ) -> Self {
        Self {
            flags,
            environment,
            file,
            strategies,
            known: BTreeMap::new(),
            consulted: BTreeSet::new(),
            rows: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A setting with a default.
    pub(crate) fn setting<T: Setting>(&mut self, key: impl Into<Key>, default: T) -> T {
        let key = key.into();
        self.optional(key.clone()).unwrap_or_else(|| {
            self.row(&key.path, default.show(), Origin::Default);
            default
        })
    }

    /// A setting with a default and bounds.
    pub(crate) fn within<T: Setting + PartialOrd>(
        &mut self,
        key: impl Into<Key>,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        let key = key.into();
        let value = self.setting(key.clone(), default);
        self.check_bounds(&key, &value, &bounds);
        value
    }

    /// A setting that may be absent, with bounds.
    pub(crate) fn optional_within<T: Setting + PartialOrd>(
        &mut self,
        key: impl Into<Key>,
        bounds: RangeInclusive<T>,
    ) -> Option<T> {
        let key = key.into();
        let value = self.optional(key.clone())?;
        self.check_bounds(&key, &value, &bounds);
        Some(value)
    }

    fn check_bounds<T: Setting + PartialOrd>(&mut self, key: &Key, value: &T, bounds: &RangeInclusive<T>) {
        if !bounds.contains(value) {
            let (from, to) = (bounds.start().show(), bounds.end().show());
            self.fault(&key.path, format!("`{}` is not between {from} and {to}", value.show()));
        }
    }

    /// A setting that may be absent.
    pub(crate) fn optional<T: Setting>(&mut self, key: impl Into<Key>) -> Option<T> {
        let key = key.into();
        let found = self.find(&key)?;
        let [text] = found.texts.as_slice() else {
            self.faults.push(Fault::new(key.path, found.origin, "expects one value, not a list"));
            return None;
        };
        match T::read(text) {
            Ok(value) => {
                self.row(&key.path, value.show(), found.origin);
                Some(value)
            }
            Err(Unfit { message, suggestion }) => {
                self.faults.push(Fault::new(key.path, found.origin, message).with_suggestion(suggestion));
                None
            }
        }
    }

    /// Several texts: a YAML list, or one text with commas.
    pub(crate) fn list(&mut self, key: impl Into<Key>) -> Vec<String> {
        let key = key.into();
        let Some(found) = self.find(&key) else { return Vec::new() };
        let items = items(&found.texts, found.is_list);
        self.row(&key.path, items.join(", "), found.origin);
        items
    }

    /// The names below a section: `db1`, `db2`.
    pub(crate) fn names(&mut self, section: &str) -> Vec<String> {
        // The closing dot makes it a section, so that it is suggested, and takes no value itself.
        self.known.insert(format!("{}.", canonical_path(section)), section.to_owned());
        let mut names = self.file.tree.names(section);
        let more = self.flags.names(section);
        names.extend(more.into_iter().filter(|name| !contains_relaxed(&self.file.tree.names(section), name)));
        names
    }

    /// Whether a key holds a section, and no value.
    pub(crate) fn is_section(&self, path: &str) -> bool {
        [self.flags, &self.file.tree]
            .iter()
            .any(|map| map.get(path).is_some_and(|e| matches!(e.node, Node::Map(_))))
    }

    /// Where the value of a key came from, once it was read.
    pub(crate) fn origin(&self, path: &str) -> Option<Origin> {
        self.rows.iter().rev().find(|row| row.key == path).map(|row| row.origin.clone())
    }

    /// Complains about a setting that was read.
    pub(crate) fn fault(&mut self, path: &str, message: impl Into<String>) {
        let origin = self.origin(path);
        self.faults.push(Fault::new(path, origin, message));
    }

    /// The same, with what was probably meant.
    pub(crate) fn fault_with_suggestion(
        &mut self,
        path: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let origin = self.origin(path);
        self.faults.push(Fault::new(path, origin, message).with_suggestion(suggestion));
    }

    /// Remarks on a setting that was read.
    pub(crate) fn warn(&mut self, path: &str, message: impl Into<String>) {
        let origin = self.origin(path);
        self.warnings.push(Warning { key: path.to_owned(), origin, message: message.into() });
    }

    /// Enters a value into the table of `config check`.
    pub(crate) fn row(&mut self, key: &str, value: impl Into<String>, origin: Origin) {
        self.rows.push(Row { key: key.to_owned(), value: value.into(), origin });
    }

    /// Marks a key as known that was read elsewhere.
    pub(crate) fn know(&mut self, path: &str) {
        self.known.insert(canonical_path(path), path.to_owned());
    }

    fn find(&mut self, key: &Key) -> Option<Found> {
        self.remember(key);
        let own = self.look(&key.path, &key.variables, false);
        if own.is_some() {
            for other in key.also.clone() {
                if self.look(&other, &[], false).is_some() {
                    self.warnings.push(shadowed(&key.path, &other));
                }
            }
            return own;
        }
        key.also.iter().find_map(|path| self.look(path, &[], false))
    }

    /// Marks every name of a setting as known, whichever of them is used in the end.
    fn remember(&mut self, key: &Key) {
        key.paths().for_each(|path| self.know(path));
        self.consulted.extend(key.paths().flat_map(variables_of));
        self.consulted.extend(key.variables.iter().cloned());
    }

    fn look(&mut self, path: &str, variables: &[String], secret: bool) -> Option<Found> {
        LAYERS.into_iter().find_map(|layer| self.look_in(layer, path, variables, secret))
    }

    fn look_in(&mut self, layer: Layer, path: &str, variables: &[String], secret: bool) -> Option<Found> {
        match layer {
            Layer::Flags => self.in_flags(path),
            Layer::Environment => self.in_environment(path, variables),
            Layer::File => self.in_file(path, secret),
        }
    }

    fn in_flags(&self, path: &str) -> Option<Found> {
        match &self.flags.get(path)?.node {
            Node::Leaf(Leaf { text: Some(text), origin }) if is_filled(text) => {
                Some(Found { texts: vec![text.clone()], is_list: false, origin: origin.clone() })
            }
            _ => None,
        }
    }

    /// An empty variable sets nothing. A variable that the file names in a placeholder belongs to the file,
    /// which says better where it goes; only the name that Spring derives from the key overrides it.
    fn in_environment(&self, path: &str, variables: &[String]) -> Option<Found> {
        let free = variables.iter().filter(|name| !self.belongs_to_the_file(name)).cloned();
        let mut names = variables_of(path).into_iter().chain(free);
        names.find_map(|name| {
            let text = self.environment.get(&name).filter(|text| is_filled(text))?.to_owned();
            Some(Found { texts: vec![text], is_list: false, origin: Origin::variable(name) })
        })
    }

    fn belongs_to_the_file(&self, variable: &str) -> bool {
        let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
        self.file.variables.contains(variable) || self.file.variables.contains(plain)
    }

    fn in_file(&mut self, path: &str, secret: bool) -> Option<Found> {
        let entry = self.file.tree.get(path)?;
        match &entry.node {
            Node::Leaf(leaf) => {
                let (text, origin) = self.fill(path, leaf, secret)?;
                Some(Found { texts: vec![text], is_list: false, origin })
            }
            Node::List(items) => {
                let origin = entry.origin.clone();
                let texts: Vec<_> = items.iter().filter_map(|item| self.item(path, item, secret)).collect();
                (!texts.is_empty()).then_some(Found { texts, is_list: true, origin })
            }
            Node::Map(_) => None,
        }
    }

    fn item(&mut self, path: &str, item: &Node, secret: bool) -> Option<String> {
        if let Node::Leaf(leaf) = item {
            return self.fill(path, leaf, secret).map(|(text, _)| text);
        }
        let origin = self.file.tree.get(path).map(|entry| entry.origin.clone());
        self.faults.push(Fault::new(path, origin, "every item of the list must be a plain value"));
        None
    }

    /// The text of a leaf with its placeholders filled; nothing where it comes out empty.
    fn fill(&mut self, path: &str, leaf: &Leaf, secret: bool) -> Option<(String, Origin)> {
        let text = leaf.text.as_deref()?;
        let environment = self.environment;
        let mut lookup = |name: &str| {
            if secret {
                return secret::variable(environment, name);
            }
            Ok(environment.get(name).map(str::to_owned))
        };
        match placeholder::fill(text, &mut lookup) {
            Ok(filled) if !is_filled(&filled.text) => None,
            Ok(filled) => Some((filled.text, leaf.origin.clone().with_variables(filled.variables))),
            Err(error) => {
                self.faults.push(Fault::new(path, leaf.origin.clone(), error.to_string()));
                None
            }
        }
    }
}

/// Blanks set nothing: an id or a token of blanks is always a mistake of a template.
fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

fn shadowed(own: &str, other: &str) -> Warning {
    let message = format!("`{other}` is set too, and not used");
    Warning { key: own.to_owned(), origin: None, message }
}

/// The items of a list, or the parts of one text with commas.
fn items(texts: &[String], is_list: bool) -> Vec<String> {
    let split = |text| if is_list { vec![text] } else { str::split(text, ',').collect() };
    let parts = texts.iter().flat_map(|text| split(text.as_str())).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn contains_relaxed(names: &[String], name: &str) -> bool {
    names.iter().any(|known| canonical_path(known) == canonical_path(name))
}
