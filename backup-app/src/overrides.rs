//! The sources that are stronger than any file: arguments, then `SPRING_APPLICATION_JSON`, then the environment.

use serde_json::Value;

use crate::environment::Environment;
use crate::fault::Fault;
use crate::file::tree::{Leaf, Map, Node};
use crate::origin::Origin;
use crate::reader::variables_of;
use crate::sources::Sources;

/// Spring's key for a whole tree of settings in one text.
const JSON: &str = "spring.application.json";

/// The three sources, each in its own form.
pub(crate) struct Overrides<'s> {
    pub(crate) flags: Map,
    pub(crate) json: Map,
    pub(crate) environment: &'s Environment,
}

impl<'s> Overrides<'s> {
    pub(crate) fn new(sources: &'s Sources, faults: &mut Vec<Fault>) -> Self {
        let flags = flags(&sources.overrides, faults);
        let mut overrides = Self { flags, json: Map::default(), environment: &sources.environment };
        if let Some((texts, origin)) = overrides.texts(JSON) {
            overrides.json = json(&texts.join(","), &origin, faults);
        }
        overrides
    }

    /// What the strongest source says of a key: one text or several, as they were written.
    pub(crate) fn texts(&self, path: &str) -> Option<(Vec<String>, Origin)> {
        in_map(&self.flags, path).or_else(|| in_map(&self.json, path)).or_else(|| self.variable(path))
    }

    /// What every source says of a key, the strongest first.
    pub(crate) fn all_texts(&self, path: &str) -> Vec<(Vec<String>, Origin)> {
        let found = [in_map(&self.flags, path), in_map(&self.json, path), self.variable(path)];
        found.into_iter().flatten().collect()
    }

    /// The variable that Spring derives from a key, or the numbered ones of a list.
    fn variable(&self, path: &str) -> Option<(Vec<String>, Origin)> {
        variables_of(path).iter().find_map(|name| self.environment.texts(name))
    }

    /// What a placeholder is filled with: a property of these sources, or a variable.
    pub(crate) fn placeholder(&self, name: &str) -> Option<String> {
        let property = in_map(&self.flags, name).or_else(|| in_map(&self.json, name));
        if let Some((texts, _)) = property {
            return Some(texts.join(","));
        }
        if let Some(value) = self.environment.get(name) {
            return Some(value.to_owned());
        }
        let relaxed = variables_of(name);
        relaxed.iter().find_map(|variable| self.environment.find(variable)).map(|(_, value)| value.to_owned())
    }
}

/// A value or a list of values that say something.
fn in_map(map: &Map, path: &str) -> Option<(Vec<String>, Origin)> {
    let entry = map.get(path)?;
    let texts: Vec<_> = entry.node.texts()?.into_iter().filter(|text| !text.trim().is_empty()).collect();
    (!texts.is_empty()).then(|| (texts, entry.origin.clone()))
}

/// Arguments as a tree, so that they are found in every spelling too. The last of two wins.
fn flags(overrides: &[(String, String)], faults: &mut Vec<Fault>) -> Map {
    let mut flags = Map::default();
    for (key, value) in overrides {
        let leaf = Leaf { text: Some(value.clone()), origin: Origin::Flag };
        enter(&mut flags, key, Node::Leaf(leaf), &Origin::Flag, faults);
    }
    flags
}

fn enter(map: &mut Map, key: &str, node: Node, origin: &Origin, faults: &mut Vec<Fault>) {
    let mut one = Map::default();
    match one.insert(key, origin.clone(), node) {
        Ok(()) => map.merge(one),
        Err(_) => {
            faults.push(Fault::new(key, origin.clone(), "is no key: a part is empty, or there are too many"));
        }
    }
}

fn json(text: &str, origin: &Origin, faults: &mut Vec<Fault>) -> Map {
    match serde_json::from_str(text) {
        Ok(Value::Object(entries)) => map(entries, origin, faults),
        Ok(_) => {
            faults.push(Fault::new(JSON, origin.clone(), "expected a JSON object"));
            Map::default()
        }
        // The parser's own words may quote the text, which may hold secrets.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let message = format!("is no valid JSON (line {line}, column {column})");
            faults.push(Fault::new(JSON, origin.clone(), message));
            Map::default()
        }
    }
}

fn map(entries: serde_json::Map<String, Value>, origin: &Origin, faults: &mut Vec<Fault>) -> Map {
    let mut map = Map::default();
    for (key, value) in entries {
        let node = node(value, origin, faults);
        enter(&mut map, &key, node, origin, faults);
    }
    map
}

fn node(value: Value, origin: &Origin, faults: &mut Vec<Fault>) -> Node {
    let leaf = |text: Option<String>| Node::Leaf(Leaf { text, origin: origin.clone() });
    match value {
        Value::Null => leaf(None),
        Value::String(text) => leaf(Some(text)),
        Value::Bool(_) | Value::Number(_) => leaf(Some(value.to_string())),
        Value::Array(items) => Node::List(items.into_iter().map(|item| node(item, origin, faults)).collect()),
        Value::Object(entries) => Node::Map(map(entries, origin, faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides<'s>(sources: &'s Sources, faults: &mut Vec<Fault>) -> Overrides<'s> {
        Overrides::new(sources, faults)
    }

    #[test]
    fn json_is_read_with_nested_and_dotted_keys_and_lists() {
        let text = r#"{"server.port": 9000, "a": {"b": ["x", true], "c": null}}"#;
        let sources = Sources {
            environment: [("SPRING_APPLICATION_JSON", text)].into_iter().collect(),
            ..Sources::default()
        };
        let mut faults = Vec::new();
        let overrides = overrides(&sources, &mut faults);
        let texts = |path: &str| overrides.texts(path).map(|(texts, _)| texts);
        assert_eq!(texts("server.port"), Some(vec!["9000".to_owned()]));
        assert_eq!(texts("a.b"), Some(vec!["x".to_owned(), "true".to_owned()]));
        assert_eq!(texts("a.c"), None);
        assert!(faults.is_empty());
    }

    #[test]
    fn broken_json_is_a_fault_that_shows_none_of_it() {
        for text in [r#"{"password": "s3cret""#, r#"["s3cret"]"#, "s3cret"] {
            let sources = Sources {
                environment: [("SPRING_APPLICATION_JSON", text)].into_iter().collect(),
                ..Sources::default()
            };
            let mut faults = Vec::new();
            overrides(&sources, &mut faults);
            assert_eq!(faults.len(), 1);
            assert!(!faults[0].to_string().contains("s3cret"), "{}", faults[0]);
        }
    }
}
