//! Reads settings one by one from flags, environment and file, and remembers every place it looked at.
//!
//! What the settings ask for *is* the list of known keys: nothing else has to be kept in step to find unknown
//! keys and to suggest the near one.

pub(crate) mod duration;
mod key;
mod secret;
mod setting;
mod shape;
mod spring;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

pub(crate) use self::key::{Key, variables_of};
pub(crate) use self::setting::{Bytes, Setting, Unfit, Words, nearest, quoted};
use crate::explain::Row;
use crate::fault::{Fault, Warning};
use crate::file::File;
use crate::file::tree::{Leaf, Map, Node, canonical_path};
use crate::origin::Origin;
use crate::overrides::Overrides;
use crate::values::Values;

/// Sources by precedence, the strongest first. The original's variables stand for the file that it had: they fill what a
/// file leaves out.
const LAYERS: [Layer; 5] = [Layer::Flags, Layer::Json, Layer::Environment, Layer::File, Layer::Originals];

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    Flags,
    Json,
    Environment,
    File,
    Originals,
}

/// What a place says: one text or several, never empty.
struct Found {
    texts: Vec<String>,
    is_list: bool,
    origin: Origin,
}

/// Reads settings, and collects what is known, wrong and remarkable.
pub(crate) struct Reader<'s> {
    overrides: &'s Overrides<'s>,
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
    pub(crate) fn new(overrides: &'s Overrides<'s>, file: &'s File, strategies: &'s [String]) -> Self {
        Self {
            overrides,
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
        let read = shape::check(text, &found.origin).map_err(Unfit::new).and_then(|()| T::read(text));
        match read {
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
        for message in items.iter().filter_map(|item| shape::check(item, &found.origin).err()) {
            self.faults.push(Fault::new(key.path.as_str(), found.origin.clone(), message));
        }
        self.row(&key.path, items.join(", "), found.origin);
        items
    }

    /// The text of a setting that is not ours to read, and that no table shows.
    pub(crate) fn text(&mut self, key: &Key) -> Option<String> {
        Some(self.find(key)?.texts.join(","))
    }

    /// The name and the place of a key that some source holds, even if it says nothing.
    pub(crate) fn mention(&self, key: &Key) -> Option<(String, Origin)> {
        let Overrides { flags, json, environment } = self.overrides;
        let in_maps = |path: &str| {
            let entry = [flags, json, &self.file.tree].iter().find_map(|map| map.get(path))?;
            Some((path.to_owned(), entry.origin.clone()))
        };
        let variable = |name: String| {
            let (name, _) = environment.find(&name)?;
            Some((name.to_owned(), Origin::variable(name)))
        };
        let mut variables = key.paths().flat_map(variables_of).filter_map(variable);
        key.paths().find_map(in_maps).or_else(|| variables.next())
    }

    /// The names below a section: `db1`, `db2`.
    pub(crate) fn names(&mut self, section: &str) -> Vec<String> {
        // The closing dot makes it a section, so that it is suggested, and takes no value itself.
        self.known.insert(format!("{}.", canonical_path(section)), section.to_owned());
        let mut names = self.file.tree.names(section);
        for map in [&self.overrides.json, &self.overrides.flags] {
            let more = map.names(section).into_iter().filter(|name| !contains_relaxed(&names, name));
            let more: Vec<_> = more.collect();
            names.extend(more);
        }
        names
    }

    /// Whether a key holds a section, and no value.
    pub(crate) fn is_section(&self, path: &str) -> bool {
        [&self.overrides.flags, &self.overrides.json, &self.file.tree]
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
        let mut paths = key.paths();
        let (used, found) =
            paths.by_ref().find_map(|path| Some((path, self.look(path, key.variables_of(path))?)))?;
        for other in paths {
            if self.look(other, &[]).is_some_and(|other| other.texts != found.texts) {
                self.warnings.push(shadowed(used, other));
            }
        }
        Some(found)
    }

    /// Marks every name of a setting as known, whichever of them is used in the end.
    fn remember(&mut self, key: &Key) {
        key.paths().for_each(|path| self.know(path));
        self.consulted.extend(key.paths().flat_map(variables_of));
        self.consulted.extend(key.variables.iter().cloned());
    }

    fn look(&mut self, path: &str, variables: &[String]) -> Option<Found> {
        LAYERS.into_iter().find_map(|layer| self.look_in(layer, path, variables, false))
    }

    fn look_in(&mut self, layer: Layer, path: &str, variables: &[String], secret: bool) -> Option<Found> {
        match layer {
            Layer::Flags => self.in_map(&self.overrides.flags, path, secret),
            Layer::Json => self.in_map(&self.overrides.json, path, secret),
            Layer::Environment => self.in_environment(path, &variables_of(path), secret),
            Layer::File => self.in_map(&self.file.tree, path, secret),
            Layer::Originals => {
                let free: Vec<_> =
                    variables.iter().filter(|name| !self.belongs_to_the_file(name)).cloned().collect();
                self.in_environment(path, &free, secret).or_else(|| self.in_config_tree(path, &free, secret))
            }
        }
    }

    /// An empty variable sets nothing.
    fn in_environment(&mut self, path: &str, names: &[String], secret: bool) -> Option<Found> {
        let (texts, origin) = names.iter().find_map(|name| self.overrides.environment.texts(name))?;
        let is_list = texts.len() > 1;
        if secret {
            return Some(Found { texts, is_list, origin });
        }
        let texts: Vec<_> = texts.iter().filter_map(|text| self.fill(path, text, &origin, false)).collect();
        (!texts.is_empty()).then(|| Found {
            texts: texts.into_iter().map(|(text, _)| text).collect(),
            is_list,
            origin,
        })
    }

    /// Where no file is named, the original's own would have found its variables in a configuration tree too.
    fn in_config_tree(&mut self, path: &str, names: &[String], secret: bool) -> Option<Found> {
        let name = names.iter().find(|name| self.file.is_absent && self.file.tree.get(name).is_some())?;
        let Node::Leaf(Leaf { text: Some(text), origin }) = &self.file.tree.get(name)?.node else {
            return None;
        };
        let (text, origin) = self.fill(path, text, origin, secret)?;
        Some(Found { texts: vec![text], is_list: false, origin })
    }

    /// A variable that the file names in a placeholder belongs to the file, which says better where it goes; only the
    /// name that Spring derives from the key overrides it.
    fn belongs_to_the_file(&self, variable: &str) -> bool {
        let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
        self.file.variables.contains(variable) || self.file.variables.contains(plain)
    }

    fn in_map(&mut self, map: &'s Map, path: &str, secret: bool) -> Option<Found> {
        let entry = map.get(path)?;
        match &entry.node {
            Node::Leaf(leaf) => {
                let (text, origin) = self.fill(path, leaf.text.as_deref()?, &leaf.origin, secret)?;
                Some(Found { texts: vec![text], is_list: false, origin })
            }
            Node::List(items) => {
                let texts: Vec<_> =
                    items.iter().filter_map(|item| self.item(path, item, &entry.origin, secret)).collect();
                (!texts.is_empty()).then(|| Found { texts, is_list: true, origin: entry.origin.clone() })
            }
            Node::Map(_) => None,
        }
    }

    fn item(&mut self, path: &str, item: &Node, list: &Origin, secret: bool) -> Option<String> {
        if let Node::Leaf(leaf) = item {
            return self.fill(path, leaf.text.as_deref()?, &leaf.origin, secret).map(|(text, _)| text);
        }
        self.faults.push(Fault::new(path, list.clone(), "every item of the list must be a plain value"));
        None
    }

    /// A text with its placeholders filled; nothing where it comes out empty.
    fn fill(&mut self, path: &str, text: &str, origin: &Origin, secret: bool) -> Option<(String, Origin)> {
        // Arguments are typed by a person or a shell: a secret among them is taken as it is.
        if secret && *origin == Origin::Flag {
            return is_filled(text).then(|| (text.to_owned(), origin.clone()));
        }
        match (Values { overrides: self.overrides, tree: &self.file.tree }).fill(text, secret) {
            Ok(filled) if !is_filled(&filled.text) => None,
            Ok(filled) => Some((filled.text, origin.clone().with_variables(filled.variables))),
            Err(error) => {
                self.faults.push(Fault::new(path, origin.clone(), error.to_string()));
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
