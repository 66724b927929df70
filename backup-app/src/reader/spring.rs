//! Spring's own keys. Those that say where the database is, and that nothing here reads, are refused by name; those that
//! somebody would miss are named in a warning; all others are foreign.

use super::Reader;
use crate::fault::{Fault, Warning};
use crate::file::tree::{Entry, Map, Node, canonical, canonical_path};
use crate::origin::Origin;

/// Sections of Spring that describe databases.
const DATABASES: [&str; 4] = ["spring.datasource", "spring.r2dbc", "spring.jpa", "spring.jooq"];

/// The beginnings of their variables.
const VARIABLES: [&str; 2] = ["SPRING_DATASOURCE_", "SPRING_R2DBC_"];

/// Names of keys that say which server, or who connects to it.
const SERVER: [&str; 18] = [
    "url",
    "jdbcurl",
    "connectionurl",
    "jndi",
    "jndiname",
    "datasource",
    "datasourcejndi",
    "datasourceclassname",
    "embeddeddatabaseconnection",
    "servername",
    "servernames",
    "host",
    "portnumber",
    "databasename",
    "currentschema",
    "user",
    "username",
    "password",
];

/// Sections that name sources of settings elsewhere.
const SOURCES: [&str; 6] = [
    "spring.cloud.bootstrap",
    "spring.cloud.config",
    "spring.cloud.consul",
    "spring.cloud.kubernetes",
    "spring.cloud.vault",
    "spring.cloud.zookeeper",
];

/// Keys whose effect somebody would miss, and what to do instead.
const MISSED: [(&str, &str); 9] = [
    ("management.server.port", "everything is served at `server.port`"),
    ("management.endpoints.web.base-path", "the paths begin with /actuator"),
    ("server.servlet.context-path", "the paths have no prefix"),
    ("spring.webflux.base-path", "the paths have no prefix"),
    ("spring.mvc.servlet.path", "the paths have no prefix"),
    ("spring.flyway.enabled", "`datasource.migrate` says whether tables are made"),
    ("spring.flyway.url", "tables are made in the database of `datasource.url`"),
    ("spring.liquibase.url", "tables are made in the database of `datasource.url`"),
    ("spring.datasource.hikari.connection-init-sql", "`datasource.schema` says where the tables are"),
];

impl Reader<'_> {
    /// Refuses what says where the database is or where settings come from, and names what is missed.
    pub(super) fn check_springs(&mut self) {
        let file = self.file;
        for map in [&self.overrides.flags, &self.overrides.json, &file.tree] {
            for section in DATABASES {
                self.each_value(map, section, &mut |reader, path, entry| reader.refuse_server(path, entry));
            }
            for section in SOURCES {
                self.each_value(map, section, &mut Self::refuse_source);
            }
            if self.origin("datasource.url") == Some(Origin::Default) {
                for entry in map.entries() {
                    self.each_value(map, &entry.name, &mut Self::refuse_stray_address);
                }
            }
        }
        self.refuse_variables();
        self.warn_missed();
    }

    /// Calls a function for every value below a section.
    fn each_value(&mut self, map: &Map, section: &str, check: &mut dyn FnMut(&mut Self, &str, &Entry)) {
        if let Some(entry) = map.get(section) {
            self.each_value_below(section, entry, check);
        }
    }

    fn each_value_below(
        &mut self,
        path: &str,
        entry: &Entry,
        check: &mut dyn FnMut(&mut Self, &str, &Entry),
    ) {
        match &entry.node {
            Node::Map(map) => {
                for below in map.entries() {
                    self.each_value_below(&format!("{path}.{}", below.name), below, check);
                }
            }
            node if node.texts().is_some() => check(self, path, entry),
            _ => {}
        }
    }

    fn is_known(&self, path: &str) -> bool {
        self.known.contains_key(&canonical_path(path))
    }

    fn refuse_server(&mut self, path: &str, entry: &Entry) {
        if SERVER.contains(&canonical(&entry.name).as_str()) && !self.is_known(path) {
            self.refuse_database(path, entry.origin.clone());
        }
    }

    fn refuse_database(&mut self, path: &str, origin: Origin) {
        let message = "is not supported: it says where the database is; write `spring.datasource.url` (or \
                       `datasource.url`), `.username` and `.password`";
        self.faults.push(Fault::new(path, origin, message));
    }

    fn refuse_source(&mut self, path: &str, entry: &Entry) {
        let is_off =
            canonical(&entry.name) == "enabled" && entry.node.texts().is_some_and(|texts| texts == ["false"]);
        if !is_off {
            let message = "is not supported: it names a source of settings that is not read; import files with \
                           `spring.config.import`";
            self.faults.push(Fault::new(path, entry.origin.clone(), message));
        }
    }

    /// Without an address of our own, one that lies anywhere else is surely meant for something that we do not read.
    fn refuse_stray_address(&mut self, path: &str, entry: &Entry) {
        let texts = entry.node.texts().unwrap_or_default();
        let is_address = texts.iter().any(|text| text.contains("jdbc:") || text.contains("r2dbc:"));
        if is_address && !self.is_known(path) && !self.faults.iter().any(|fault| fault.key == path) {
            self.refuse_database(path, entry.origin.clone());
        }
    }

    fn refuse_variables(&mut self) {
        let environment = self.overrides.environment;
        let unread =
            environment.names().filter(|name| environment.filled(name).is_some() && !self.is_consulted(name));
        let servers: Vec<_> = unread.filter(|name| is_server_variable(name)).map(str::to_owned).collect();
        for name in servers {
            let origin = Origin::variable(&name);
            self.refuse_database(&name, origin);
        }
    }

    pub(super) fn is_consulted(&self, name: &str) -> bool {
        let upper = name.to_ascii_uppercase().replace(['.', '-'], "_");
        self.consulted.contains(name) || self.consulted.contains(&upper)
    }

    fn warn_missed(&mut self) {
        for (key, instead) in MISSED {
            if let Some((_, origin)) = self.mention(&key.into()) {
                let message = format!("is a setting of Spring's that has no meaning here: {instead}");
                self.warnings.push(Warning { key: key.to_owned(), origin: Some(origin), message });
            }
        }
    }

    /// Whether a warning speaks of this key already.
    pub(super) fn is_missed(path: &str) -> bool {
        let path = canonical_path(path);
        MISSED.iter().any(|(key, _)| canonical_path(key) == path)
    }
}

/// `SPRING_DATASOURCE_PRIMARY_URL`, `SPRING_R2DBC_URL`.
fn is_server_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['.', '-'], "_");
    let Some(key) = VARIABLES.iter().find_map(|prefix| name.strip_prefix(prefix)) else { return false };
    let key = canonical(key);
    SERVER.iter().any(|server| key == *server || key.ends_with(server))
}
