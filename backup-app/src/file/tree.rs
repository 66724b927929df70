//! The generic tree under the settings: relaxed keys, and for every leaf its text and its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::origin::Origin;

/// More parts than any key of ours has: a bound on recursion, not a rule anybody meets.
const MAX_PARTS: usize = 16;

/// A value of the configuration. It has no `Debug`: any text may be a secret.
#[derive(Clone)]
pub(crate) enum Node {
    Leaf(Leaf),
    List(Vec<Node>),
    Map(Map),
}

/// A scalar as it was written; `None` where it was null. Nothing is converted here: `00123` stays `00123`.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) text: Option<String>,
    pub(crate) origin: Origin,
}

/// Keys and their values, found in any of Spring's spellings.
#[derive(Clone, Default)]
pub(crate) struct Map {
    entries: BTreeMap<String, Entry>,
}

/// A key as it was written, its place, and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

/// Why an entry could not be put into a tree.
pub(crate) enum Refused {
    /// The key has a value already, written there.
    Twice { first: Origin },
    /// `a..b`, or more parts than we follow.
    BadKey,
}

/// Kebab-case, camelCase and snake_case are one key.
pub(crate) fn canonical(part: &str) -> String {
    let relaxed: String =
        part.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect();
    if relaxed.is_empty() { part.to_owned() } else { relaxed }
}

/// The same for a dotted path.
pub(crate) fn canonical_path(path: &str) -> String {
    path.split('.').map(canonical).collect::<Vec<_>>().join(".")
}

impl Map {
    /// Puts a value at a dotted key. Two sections of one name are joined; two values of one name are refused.
    pub(crate) fn insert(&mut self, path: &str, origin: Origin, node: Node) -> Result<(), Refused> {
        let parts: Vec<&str> = path.split('.').collect();
        if parts.len() > MAX_PARTS || parts.iter().any(|part| part.is_empty()) {
            return Err(Refused::BadKey);
        }
        let (last, above) = parts.split_last().ok_or(Refused::BadKey)?;
        let node = above.iter().rev().fold((*last, node), |(name, node), part| {
            let mut map = Map::default();
            let entry = Entry { name: name.to_owned(), origin: origin.clone(), node };
            map.entries.insert(canonical(name), entry);
            (part, Node::Map(map))
        });
        self.add(Entry { name: node.0.to_owned(), origin, node: node.1 })
    }

    fn add(&mut self, entry: Entry) -> Result<(), Refused> {
        let Some(present) = self.entries.get_mut(&canonical(&entry.name)) else {
            self.entries.insert(canonical(&entry.name), entry);
            return Ok(());
        };
        match (&mut present.node, entry.node) {
            (Node::Map(present), Node::Map(more)) => {
                more.entries.into_values().try_for_each(|entry| present.add(entry))
            }
            (Node::Map(_), Node::Leaf(Leaf { text: None, .. })) => Ok(()),
            (node @ Node::Leaf(Leaf { text: None, .. }), more @ Node::Map(_)) => {
                *node = more;
                Ok(())
            }
            _ => Err(Refused::Twice { first: present.origin.clone() }),
        }
    }

    /// Lays another tree over this one: sections are joined, values and lists replaced. An empty section does
    /// not erase a full one.
    pub(crate) fn merge(&mut self, over: Map) {
        for (key, entry) in over.entries {
            match self.entries.get_mut(&key) {
                None => {
                    self.entries.insert(key, entry);
                }
                Some(present) => match (&mut present.node, entry.node) {
                    (Node::Map(present), Node::Map(over)) => present.merge(over),
                    (Node::Map(_), Node::Leaf(Leaf { text: None, .. })) => {}
                    (node, over) => {
                        *node = over;
                        present.origin = entry.origin;
                    }
                },
            }
        }
    }

    /// YAML's `<<`: entries that this map does not have itself.
    pub(crate) fn fill_from(&mut self, defaults: Map) {
        for (key, entry) in defaults.entries {
            self.entries.entry(key).or_insert(entry);
        }
    }

    /// The entry at a dotted key.
    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let entry = self.entries.get(&canonical(first))?;
        match (rest, &entry.node) {
            (None, _) => Some(entry),
            (Some(rest), Node::Map(map)) => map.get(rest),
            (Some(_), _) => None,
        }
    }

    /// The keys of a section, as they were written.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        match self.get(path).map(|entry| &entry.node) {
            Some(Node::Map(map)) => map.entries().map(|entry| entry.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Every scalar below.
    pub(crate) fn leaves(&self) -> Vec<&Leaf> {
        self.entries().flat_map(|entry| entry.node.leaves()).collect()
    }

    /// Marks everything below as written in the document of a profile.
    pub(crate) fn set_profile(&mut self, profile: &Arc<str>) {
        for entry in self.entries.values_mut() {
            entry.origin.set_profile(profile);
            entry.node.set_profile(profile);
        }
    }
}

impl Node {
    fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Self::Leaf(leaf) => vec![leaf],
            Self::List(items) => items.iter().flat_map(Node::leaves).collect(),
            Self::Map(map) => map.leaves(),
        }
    }

    /// A scalar, or a list of scalars; a section or nothing at all is `None`.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Self::Leaf(leaf) => leaf.text.clone().map(|text| vec![text]),
            Self::List(items) => Some(items.iter().filter_map(Self::texts).flatten().collect()),
            Self::Map(_) => None,
        }
    }

    fn set_profile(&mut self, profile: &Arc<str>) {
        match self {
            Self::Leaf(leaf) => leaf.origin.set_profile(profile),
            Self::List(items) => items.iter_mut().for_each(|item| item.set_profile(profile)),
            Self::Map(map) => map.set_profile(profile),
        }
    }

    /// How deep and how large the node is, for the bounds on aliases.
    pub(crate) fn measure(&self) -> Measure {
        let below: Vec<Measure> = match self {
            Self::Leaf(_) => Vec::new(),
            Self::List(items) => items.iter().map(Node::measure).collect(),
            Self::Map(map) => map.entries().map(|entry| entry.node.measure()).collect(),
        };
        Measure {
            depth: 1 + below.iter().map(|measure| measure.depth).max().unwrap_or(0),
            size: 1 + below.iter().map(|measure| measure.size).sum::<usize>(),
        }
    }
}

/// The size of a node.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) depth: usize,
    pub(crate) size: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> Node {
        Node::Leaf(Leaf { text: Some(text.to_owned()), origin: Origin::Default })
    }

    fn tree(entries: &[(&str, &str)]) -> Map {
        let mut map = Map::default();
        for (key, text) in entries {
            assert!(map.insert(key, Origin::Default, leaf(text)).is_ok(), "{key}");
        }
        map
    }

    fn text<'a>(map: &'a Map, path: &str) -> Option<&'a str> {
        match &map.get(path)?.node {
            Node::Leaf(leaf) => leaf.text.as_deref(),
            _ => None,
        }
    }

    #[test]
    fn every_spelling_of_a_key_finds_it() {
        let map = tree(&[("yba.databases.db1.fullBackupUrl", "u")]);
        for path in ["yba.databases.db1.full-backup-url", "yba.databases.DB1.full_backup_url"] {
            assert_eq!(text(&map, path), Some("u"));
        }
    }

    #[test]
    fn dotted_and_nested_keys_are_one_tree_and_doubles_are_refused() {
        let mut map = tree(&[("a.b.c", "1"), ("a.b.d", "2")]);
        assert_eq!(text(&map, "a.b.d"), Some("2"));
        assert!(matches!(map.insert("a.b.C", Origin::Default, leaf("3")), Err(Refused::Twice { .. })));
        assert!(matches!(map.insert("a..b", Origin::Default, leaf("3")), Err(Refused::BadKey)));
    }

    #[test]
    fn a_merge_joins_sections_and_replaces_values() {
        let mut base = tree(&[("a.x", "1"), ("a.y", "2"), ("b", "3")]);
        base.merge(tree(&[("a.y", "20"), ("c", "4")]));
        let found: Vec<_> = ["a.x", "a.y", "b", "c"].into_iter().map(|key| text(&base, key)).collect();
        assert_eq!(found, [Some("1"), Some("20"), Some("3"), Some("4")]);
    }
}
