//! What was written and never asked for: unknown keys, and variables that nothing reads.

use super::{Reader, nearest};
use crate::fault::{Fault, Warning};
use crate::file::tree::{Entry, Leaf, Map, Node, canonical, canonical_path};

/// Our sections of the file. Everything else belongs to Spring and is ignored.
const OWN: [&str; 5] = ["yba", "datasource", "server", "logging", "orchestrator"];

/// Spring's sections that its users give as arguments.
const FOREIGN_ARGUMENTS: [&str; 4] = ["spring", "management", "data", "app"];

/// Spring's keys inside our sections: the original's file may hold them.
const SPRINGS: [&str; 23] = [
    "server.compression",
    "server.connection-timeout",
    "server.error",
    "server.forward-headers-strategy",
    "server.http2",
    "server.jetty",
    "server.max-http-header-size",
    "server.max-http-request-header-size",
    "server.netty",
    "server.reactive",
    "server.server-header",
    "server.shutdown",
    "server.ssl",
    "server.tomcat",
    "server.undertow",
    "logging.charset",
    "logging.config",
    "logging.file",
    "logging.group",
    "logging.logback",
    "logging.pattern",
    "logging.register-shutdown-hook",
    "logging.threshold",
];

/// Sections of Spring's of which each key has a warning of its own.
const SPRINGS_SECTIONS: [&str; 1] = ["server.servlet"];

/// The beginnings of our variables' names.
const PREFIXES: [&str; 6] = ["YBA_", "UAM_", "DATASOURCE_", "SERVER_", "LOGGING_", "ORCHESTRATOR_"];

impl Reader<'_> {
    /// Complains about everything in our sections that no setting asked for.
    pub(crate) fn refuse_unknown(&mut self) {
        let (overrides, file) = (self.overrides, self.file);
        for entry in file.tree.entries().chain(overrides.json.entries()) {
            if OWN.contains(&canonical(&entry.name).as_str()) {
                self.check(entry, "");
            } else {
                self.check_foreign(entry);
            }
        }
        for entry in overrides.flags.entries() {
            // Arguments are typed: a section that is not ours is a slip, Spring's own apart.
            if !FOREIGN_ARGUMENTS.contains(&canonical(&entry.name).as_str()) {
                self.check(entry, "");
            }
        }
        self.check_springs();
        self.check_variables();
    }

    fn check(&mut self, entry: &Entry, above: &str) {
        let path = if above.is_empty() { entry.name.clone() } else { format!("{above}.{}", entry.name) };
        let (is_value, is_section) = self.role(&path);
        match &entry.node {
            Node::Map(map) if is_section => self.check_all(map, &path),
            Node::Map(map) if is_value && map.entries().next().is_some() => {
                self.refuse(&path, entry, "expects a value, not keys");
            }
            Node::Leaf(Leaf { text: None, .. }) if is_section => {}
            _ if is_value => {}
            _ if is_section => self.refuse(&path, entry, "is a section: it expects keys, not a value"),
            _ if Self::is_missed(&path) => {}
            Node::Map(map) if SPRINGS_SECTIONS.contains(&canonical_path(&path).as_str()) => {
                map.entries().for_each(|below| self.ignore_below(&path, below));
            }
            _ if is_springs(&path) => self.ignore(&path, entry),
            _ => self.unknown(&path, above, entry),
        }
    }

    fn check_all(&mut self, map: &Map, path: &str) {
        map.entries().for_each(|entry| self.check(entry, path));
    }

    /// Whether a path is a setting, and whether settings lie below it.
    fn role(&self, path: &str) -> (bool, bool) {
        let path = canonical_path(path);
        let below = format!("{path}.");
        let is_section =
            self.known.range(below.clone()..).next().is_some_and(|(key, _)| key.starts_with(&below));
        (self.known.contains_key(&path), is_section)
    }

    fn refuse(&mut self, path: &str, entry: &Entry, message: &str) {
        self.faults.push(Fault::new(path, entry.origin.clone(), message));
    }

    fn unknown(&mut self, path: &str, above: &str, entry: &Entry) {
        let suggestion = nearest(&entry.name, self.siblings(above).iter().map(String::as_str));
        let suggestion =
            suggestion.map(|name| if above.is_empty() { name } else { format!("{above}.{name}") });
        let fault = Fault::new(path, entry.origin.clone(), "unknown key");
        self.faults.push(fault.with_suggestion(suggestion));
    }

    /// The names that may follow a section.
    fn siblings(&self, above: &str) -> Vec<String> {
        let depth = if above.is_empty() { 0 } else { above.split('.').count() };
        let prefix = if above.is_empty() { String::new() } else { format!("{}.", canonical_path(above)) };
        let below = self.known.iter().filter(|(key, _)| key.starts_with(&prefix));
        below.filter_map(|(_, path)| path.split('.').nth(depth)).map(str::to_owned).collect()
    }

    fn ignore(&mut self, path: &str, entry: &Entry) {
        let message = "is a setting of Spring's that has no meaning here; it is ignored".to_owned();
        self.warnings.push(Warning { key: path.to_owned(), origin: Some(entry.origin.clone()), message });
    }

    /// Each key of a section of Spring's, unless another warning speaks of it.
    fn ignore_below(&mut self, above: &str, entry: &Entry) {
        let path = format!("{above}.{}", entry.name);
        if !Self::is_missed(&path) {
            self.ignore(&path, entry);
        }
    }

    /// A section that is nearly one of ours is ignored like every foreign one, but not silently.
    fn check_foreign(&mut self, entry: &Entry) {
        if let Some(own) = nearest(&entry.name, OWN) {
            let message = format!("is no section of ours and is ignored; did you mean `{own}`?");
            self.warnings.push(Warning {
                key: entry.name.clone(),
                origin: Some(entry.origin.clone()),
                message,
            });
        }
    }

    /// The environment holds anything, so an unknown variable is no fault; a misspelt one is worth a word.
    fn check_variables(&mut self) {
        let unread = self.overrides.environment.names().filter(|name| {
            let ours = name.len() <= 96 && PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            ours && !self.is_consulted(name) && !self.belongs_to_the_file(name)
        });
        let misspelt: Vec<_> = unread
            .filter_map(|name| {
                let near =
                    self.consulted.iter().find(|known| strsim::damerau_levenshtein(name, known) <= 2)?;
                Some((name.to_owned(), near.clone()))
            })
            .collect();
        for (name, near) in misspelt {
            let message = format!("nothing reads this environment variable; did you mean `{near}`?");
            self.warnings.push(Warning { key: name, origin: None, message });
        }
    }
}

fn is_springs(path: &str) -> bool {
    // Loggers of Java packages (`logging.level.org.springframework`) are sections below `logging.level`.
    let path = canonical_path(path);
    path.starts_with("logging.level.") || SPRINGS.iter().any(|springs| canonical_path(springs) == path)
}
