//! YAML text to trees, one per document, with the line of every value.
//!
//! The settings are read from parser events rather than through serde, because types are decided later, by the
//! setting that asks: an id `00123` or `1e5` must stay the text that was written, quoted or not.

use std::collections::HashMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::tree::{Leaf, Map, Measure, Node, Refused};
use crate::fault::{ConfigError, Fault};
use crate::origin::Origin;

/// Deeper than any configuration; bounds the recursion here and in the tree.
const MAX_DEPTH: usize = 24;
/// What all aliases of a file may expand to.
const MAX_ALIASED: usize = 10_000;

/// One document of the file, as it was written.
pub(crate) struct Document {
    pub(crate) map: Map,
    pub(crate) origin: Origin,
}

/// The documents of a YAML text. What is wrong inside them goes to `faults`.
pub(crate) fn documents(
    file: &Arc<str>,
    text: &str,
    faults: &mut Vec<Fault>,
) -> Result<Vec<Document>, ConfigError> {
    let mut options = granit_parser::Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut loader = Loader {
        parser: Parser::new_from_str_with_options(text, options),
        file,
        faults,
        anchors: HashMap::new(),
        aliased: 0,
    };
    loader.documents().map_err(|error| ConfigError::Syntax {
        file: file.to_string(),
        line: error.marker().line(),
        column: error.marker().col() + 1,
        message: error.info(),
    })
}

struct Loader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    file: &'t Arc<str>,
    faults: &'t mut Vec<Fault>,
    anchors: HashMap<usize, (Node, Measure)>,
    aliased: usize,
}

impl<'t> Loader<'t> {
    fn documents(&mut self) -> Result<Vec<Document>, ScanError> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
                Event::DocumentStart(..) => self.anchors.clear(),
                content => {
                    let origin = self.place(span);
                    let node = self.node(content, span, 0)?;
                    if let Some(map) = self.section(node, &origin) {
                        documents.push(Document { map, origin });
                    }
                }
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, ScanError> {
        self.parser.next_event().transpose()
    }

    fn place(&self, span: Span) -> Origin {
        Origin::line_of(self.file, span.start.line())
    }

    fn fault(&mut self, key: &str, origin: &Origin, message: &str) {
        self.faults.push(Fault::new(key, origin.clone(), message));
    }

    /// The top of a document must be a section; an empty document says nothing.
    fn section(&mut self, node: Node, origin: &Origin) -> Option<Map> {
        match node {
            Node::Map(map) => Some(map),
            Node::Leaf(Leaf { text: None, .. }) => None,
            _ => {
                self.fault("(document)", origin, "expected keys with values, found something else");
                None
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, ScanError> {
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let null =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let text = (!null).then(|| text.into_owned());
                (Node::Leaf(Leaf { text, origin: self.place(span) }), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(depth + 1)?, anchor),
            Event::MappingStart(_, anchor, _) => (Node::Map(self.map(depth + 1)?), anchor),
            Event::Alias(anchor) => (self.alias(anchor, span, depth), 0),
            _ => (self.nothing(span), 0),
        };
        if anchor != 0 {
            let measure = node.measure();
            self.anchors.insert(anchor, (node.clone(), measure));
        }
        Ok(node)
    }

    fn nothing(&self, span: Span) -> Node {
        Node::Leaf(Leaf { text: None, origin: self.place(span) })
    }

    /// A copy of what the anchor named. The bounds keep a small file from growing into a large tree.
    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Node {
        let Some((node, measure)) = self.anchors.get(&anchor) else {
            self.fault("(alias)", &self.place(span), "refers to itself");
            return self.nothing(span);
        };
        self.aliased += measure.size;
        if self.aliased > MAX_ALIASED || depth + measure.depth > MAX_DEPTH {
            self.fault("(alias)", &self.place(span), "expands to more than a configuration can be");
            return self.nothing(span);
        }
        node.clone()
    }

    fn list(&mut self, depth: usize) -> Result<Node, ScanError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span, depth)?);
        }
        Ok(Node::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Map, ScanError> {
        let mut map = Map::default();
        let mut defaults = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let origin = self.place(span);
            let key = self.node(event, span, depth)?;
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span, depth)?;
            match key {
                Node::Leaf(Leaf { text: Some(key), .. }) if key == "<<" => defaults.push((value, origin)),
                Node::Leaf(Leaf { text: Some(key), .. }) => self.enter(&mut map, &key, &origin, value),
                _ => self.fault("(key)", &origin, "a key must be a word"),
            }
        }
        for (value, origin) in defaults {
            self.fill(&mut map, value, &origin);
        }
        Ok(map)
    }

    fn enter(&mut self, map: &mut Map, key: &str, origin: &Origin, value: Node) {
        let Err(refused) = map.insert(key, origin.clone(), value) else { return };
        let message = match refused {
            Refused::Twice { first } => format!("is given twice, first in {first}"),
            Refused::BadKey => "is no key: a part is empty, or there are too many".to_owned(),
        };
        self.fault(key, origin, &message);
    }

    fn fill(&mut self, map: &mut Map, value: Node, origin: &Origin) {
        match value {
            Node::Map(defaults) => map.fill_from(defaults),
            Node::List(items) => items.into_iter().for_each(|item| self.fill(map, item, origin)),
            Node::Leaf(_) => self.fault("<<", origin, "expects a section"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (Vec<Document>, Vec<Fault>) {
        let mut faults = Vec::new();
        let documents =
            documents(&"f.yml".into(), text, &mut faults).map_err(|error| error.to_string()).unwrap();
        (documents, faults)
    }

    fn written(text: &str, path: &str) -> Option<String> {
        let (documents, _) = load(text);
        match &documents[0].map.get(path)?.node {
            Node::Leaf(leaf) => leaf.text.as_ref().map(|text| format!("{text} @ {}", leaf.origin)),
            _ => None,
        }
    }

    #[test]
    fn scalars_keep_their_text_and_their_line() {
        let text = "a: 00123\nb:\n  c: 1e5\n  d: '0x10'\n  e: true\n";
        assert_eq!(written(text, "a").as_deref(), Some("00123 @ f.yml:1"));
        assert_eq!(written(text, "b.c").as_deref(), Some("1e5 @ f.yml:3"));
        assert_eq!(written(text, "b.d").as_deref(), Some("0x10 @ f.yml:4"));
        assert_eq!(written(text, "b.e").as_deref(), Some("true @ f.yml:5"));
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        let text = "base: &b\n  x: 1\n  y: 2\nover:\n  <<: *b\n  y: 3\n";
        assert_eq!(written(text, "over.x").as_deref(), Some("1 @ f.yml:2"));
        assert_eq!(written(text, "over.y").as_deref(), Some("3 @ f.yml:6"));
    }

    #[test]
    fn a_key_given_twice_names_both_lines() {
        let (_, faults) = load("api-token: a\nb: 1\napiToken: c\n");
        assert_eq!(faults[0].to_string(), "apiToken (f.yml:3): is given twice, first in f.yml:1");
    }

    #[test]
    fn a_small_file_cannot_become_a_large_tree() {
        let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
        for n in 1..9 {
            let copies = vec![format!("*a{}", n - 1); 10].join(", ");
            lines.push(format!("a{n}: &a{n} [{copies}]"));
        }
        let (_, faults) = load(&lines.join("\n"));
        assert!(faults.iter().any(|fault| fault.message.contains("expands to more")));
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let error =
            documents(&"f.yml".into(), "a: 1\nb: [1, 2\n", &mut Vec::new()).err().unwrap().to_string();
        assert!(error.starts_with("f.yml:"), "{error}");
    }
}
