//! The documents are true: every setting is described, every line of their tables holds, every example loads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backup_app::Settings;
use backup_app::settings::{AuthSettings, TargetState};
use backup_core::ErrorCode;
use serde_json::Value;

use crate::support::{STORAGE, UNIVERSE, URL, loaded, warnings};

const SECRETS: &str = "/run/secrets";

/// A file of the repository.
fn read(path: &str) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The fenced blocks of a document in one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let starts = document.split(&fence).skip(1);
    starts.filter_map(|rest| rest.split("\n```").next()).map(|block| format!("{block}\n")).collect()
}

/// Settings in which the secrets of the documents exist.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("yugabytedb-backup");
        fs::create_dir(&below).expect("a folder in it");
        for name in ["yba-token", "service-token", "database-password"] {
            fs::write(folder.path().join(name), "0123456789abcdef\n").expect("a file");
            fs::write(below.join(name), "0123456789abcdef\n").expect("a file");
        }
        Self(folder)
    }

    /// Text whose secrets are where they are in this test.
    fn place(&self, text: &str) -> String {
        text.replace(SECRETS, self.0.path().to_str().expect("a path of plain text"))
    }

    fn load(&self, text: &str, variables: &[(String, String)]) -> Settings {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), self.place(value))).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        loaded(&self.place(text), &variables, &[])
    }
}

fn ready(settings: &Settings) -> Vec<&str> {
    let targets = settings.targets.iter();
    targets
        .filter(|target| matches!(target.state, TargetState::Ready(_)))
        .map(|target| target.key.as_str())
        .collect()
}

/// The `export`s of a shell block.
fn exports(block: &str) -> Vec<(String, String)> {
    let lines = block.lines().filter_map(|line| line.strip_prefix("export "));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

#[test]
fn the_yaml_of_the_configuration_document_loads() {
    let (secrets, document) = (Secrets::new(), read("docs/configuration.md"));
    let mut variables: Vec<_> = ["YBA_FULL_BACKUP_URL", "YBA_STORAGE_CONFIG_UUID", "YBA_UNIVERSE_UUID"]
        .into_iter()
        .zip([URL, STORAGE, UNIVERSE])
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    variables.push(("YBA_API_TOKEN_FILE".to_owned(), format!("{SECRETS}/yba-token")));
    let blocks = blocks(&document, "yaml");
    assert_eq!(blocks.len(), 3);

    let first = secrets.load(&blocks[0], &[]);
    assert_eq!((ready(&first), warnings(&first)), (vec!["orders", "orders-incremental"], String::new()));

    for (stage, seconds, level) in [("dev", 30, "debug"), ("uat", 120, "debug"), ("prod", 120, "info")] {
        let settings = secrets.load(&blocks[1], &[("STAGE".to_owned(), stage.to_owned())]);
        assert_eq!(settings.server.wait_timeout, Duration::from_secs(seconds), "{stage}");
        assert_eq!(settings.logging.level, level, "{stage}");
    }

    let original = secrets.load(&blocks[2], &variables);
    assert_eq!(ready(&original), ["db1", "db2"]);
    variables.push(("APP_ENV".to_owned(), "prod".to_owned()));
    assert_eq!(secrets.load(&blocks[2], &variables).yba.max_retry_attempts, 5);
}

#[test]
fn the_variables_of_the_configuration_document_are_enough() {
    let (secrets, document) = (Secrets::new(), read("docs/configuration.md"));
    let blocks = blocks(&document, "sh");
    let shortest = secrets.load("", &exports(&blocks[0]));
    assert_eq!((ready(&shortest), warnings(&shortest)), (vec!["db1"], String::new()));

    let original = secrets.load("", &exports(&blocks[1]));
    assert_eq!((ready(&original), warnings(&original)), (vec!["db1", "db2", "uam-db"], String::new()));
    assert_eq!((original.instances.len(), original.profiles.as_slice()), (1, ["prod".to_owned()].as_slice()));
}

/// One line of the tables of settings.
struct Line {
    key: String,
    kind: String,
    default: String,
    variables: Vec<String>,
}

impl Line {
    fn all(document: &str) -> Vec<Self> {
        let mut lines = Vec::new();
        let mut is_settings = false;
        for line in document.lines() {
            is_settings = line.starts_with("| Key |") || is_settings && line.starts_with('|');
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            if let (true, [_, key, kind, default, variables, _, ""]) = (is_settings, cells.as_slice())
                && key.starts_with('`')
            {
                let variables = variables.split(", ").map(bare).collect();
                lines.push(Self { key: bare(key), kind: bare(kind), default: bare(default), variables });
            }
        }
        lines
    }

    /// The key with the names that this test uses.
    fn path(&self) -> String {
        let named = self.key.replace("<name>", "main").replace("<key>", "db1");
        named.replace("<crate>", "backup_core")
    }

    /// A value of the type.
    fn sample(&self, secrets: &Secrets) -> String {
        let is_value = !self.default.is_empty() && !self.default.contains("yba.");
        match self.kind.as_str() {
            _ if is_value => self.default.clone(),
            "true or false" => "true".to_owned(),
            "number" => "1".to_owned(),
            "time" => "1d".to_owned(),
            "URL" => URL.to_owned(),
            "list" if self.key.ends_with("urls") => format!("{URL}, {URL}"),
            "file" => secrets.place(&format!("{SECRETS}/yba-token")),
            "secret" => "0123456789abcdef".to_owned(),
            "list" => "a, b".to_owned(),
            "text" if self.key == "logging.level" => "info".to_owned(),
            "text" if self.key.ends_with(".instance") => "main".to_owned(),
            "text" => "x".to_owned(),
            words => match words.strip_prefix("one of ").and_then(|words| words.split(',').next()) {
                Some(first) => bare(first),
                None => panic!("{words} is no type"),
            },
        }
    }
}

fn bare(cell: &str) -> String {
    cell.trim().replace('`', "")
}

/// A file in which every name exists that stands for itself in the tables.
const NAMES: &str = "yba.instances.main.customer-uuid: c\nlogging.level.backup_core: warn\n";

/// The variables of `db1`, without one.
fn db1_without(variable: &str) -> Vec<(String, String)> {
    let all = crate::support::db1_variables().into_iter();
    all.filter(|(name, _)| *name != variable)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_line_of_the_tables_of_settings_is_true() {
    let secrets = Secrets::new();
    let lines = Line::all(&read("docs/configuration.md"));
    assert!(lines.len() > 70, "{} lines were read", lines.len());
    let plain = secrets.load(NAMES, &db1_without(""));
    for line in &lines {
        let path = line.path();
        let row = plain.explain().find(&path).filter(|row| row.origin.to_string() == "default");
        let shown = row.map_or("", |row| &row.value);
        // The default may be the value of another key.
        let other = line.default.contains("yba.").then(|| plain.explain().find(&line.default));
        let default = other.map_or(line.default.as_str(), |row| row.map_or("", |row| &row.value));
        assert_eq!(shown, default, "the default of {path}");
        for variable in &line.variables {
            for (variable, value) in forms(line, variable, &secrets) {
                let mut variables = db1_without(line.variables[0].as_str());
                variables.push((variable.clone(), value));
                if path.starts_with("datasource.") && variable != "DATASOURCE_URL" {
                    variables.push(("DATASOURCE_URL".to_owned(), "postgres://h/d".to_owned()));
                }
                let settings = secrets.load(NAMES, &variables);
                let row = settings
                    .explain()
                    .find(&path)
                    .unwrap_or_else(|| panic!("{variable} does not set {path}"));
                assert!(
                    row.origin.to_string().contains(&format!("environment {variable}")),
                    "{variable} for {path}"
                );
                assert_eq!(line.kind == "secret", row.value == "******", "{path}");
            }
        }
    }
}

/// A variable, and for a secret the one that names a file.
fn forms(line: &Line, variable: &str, secrets: &Secrets) -> Vec<(String, String)> {
    let mut forms = vec![(variable.to_owned(), line.sample(secrets))];
    if line.kind == "secret" {
        forms.push((format!("{variable}_FILE"), format!("{SECRETS}/yba-token")));
    }
    forms
}

#[test]
fn every_field_of_a_target_has_the_variables_of_the_rule() {
    let secrets = Secrets::new();
    for line in Line::all(&read("docs/configuration.md")) {
        let Some(field) = line.key.strip_prefix("yba.databases.<key>.") else { continue };
        let upper = field.replace('-', "_").to_uppercase();
        assert_eq!(line.variables, [format!("YBA_{upper}")]);
        for (variable, key) in [
            (format!("YBA_{upper}_2"), "db2"),
            (format!("UAM_YBA_{upper}"), "uam-db"),
            (format!("UAM_{upper}"), "uam-db"),
            (format!("YBA_DATABASES_ORDERS_{upper}"), "orders"),
        ] {
            let text = format!("{NAMES}yba.databases.orders.db-name: x\n");
            let mut variables = vec![(variable.clone(), line.sample(&secrets))];
            // So that the target exists.
            let other = if field == "universe-uuid" { "STORAGE_CONFIG_UUID" } else { "UNIVERSE_UUID" };
            variables.push((variable.replace(&upper, other), "x".to_owned()));
            let settings = secrets.load(&text, &variables);
            let row = settings.explain().find(&format!("yba.databases.{key}.{field}"));
            assert_eq!(row.map(|row| row.origin.to_string()), Some(format!("environment {variable}")));
        }
    }
}

#[test]
fn springs_names_set_the_same() {
    for (key, springs, value) in [
        ("application.name", "spring.application.name", "x"),
        ("datasource.url", "spring.datasource.url", "sqlite:x.db"),
        ("datasource.username", "spring.datasource.username", "x"),
        ("datasource.password", "spring.datasource.password", "x"),
        ("datasource.schema", "spring.datasource.hikari.schema", "x"),
        ("datasource.maximum-pool-size", "spring.datasource.hikari.maximum-pool-size", "2"),
        ("datasource.minimum-idle", "datasource.hikari.minimum-idle", "2"),
        ("datasource.connection-timeout", "spring.datasource.hikari.connection-timeout", "2000"),
        ("datasource.idle-timeout", "spring.datasource.hikari.idle-timeout", "2000"),
        ("datasource.max-lifetime", "spring.datasource.hikari.max-lifetime", "2000"),
        ("server.shutdown-timeout", "spring.lifecycle.timeout-per-shutdown-phase", "2s"),
    ] {
        let variable = springs.replace(['.', '-'], "_").to_uppercase();
        let server = if key == "datasource.url" { "" } else { "datasource.url: postgres://h/d\n" };
        let in_file = loaded(&format!("{server}{springs}: {value}"), &[], &[]);
        for settings in [in_file, loaded(server, &[(&variable, value)], &[])] {
            assert_ne!(settings.explain().find(key).unwrap().origin.to_string(), "default", "{springs}");
        }
    }
}

/// Every key that the settings ask for is a text in their source, whole or behind its section.
#[test]
fn every_key_of_the_settings_is_described() {
    let document = read("docs/configuration.md");
    let mut described = BTreeSet::new();
    for word in document.split(|c: char| !c.is_ascii_alphanumeric() && !".-_<>".contains(c)) {
        let parts: Vec<_> = word.trim_matches('.').split('.').collect();
        described.extend((0..parts.len()).map(|start| parts[start..].join(".")));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/settings");
    let mut keys = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        keys.extend(
            code.split('"')
                .skip(1)
                .step_by(2)
                .filter(|text| is_key(text))
                .map(|text| (text.to_owned(), path.clone())),
        );
    }
    assert!(keys.len() > 80, "{} texts were read", keys.len());
    let missing: Vec<_> = keys.iter().filter(|(key, _)| !described.contains(*key)).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not speak of {missing:#?}");
}

/// `lease`, `max-lifetime`, `orchestrator.settle-time`.
fn is_key(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    text.split(['.', '-']).all(is_word) && !matches!(text, "s" | "pass" | "pwd" | "sig" | "cred" | "uamdb")
}

#[test]
fn every_row_of_the_table_of_a_configuration_is_described() {
    let secrets = Secrets::new();
    let lines: BTreeSet<_> = Line::all(&read("docs/configuration.md")).iter().map(Line::path).collect();
    let settings = secrets.load(NAMES, &db1_without(""));
    for row in &settings.explain().rows {
        assert!(lines.contains(&row.key), "docs/configuration.md has no line for {}", row.key);
    }
}

#[test]
fn the_configurations_of_the_deployment_load() {
    let secrets = Secrets::new();
    for file in ["deploy/application.yml", "deploy/kubernetes/application.yml"] {
        let settings = secrets.load(&read(file), &[]);
        assert_eq!(
            (ready(&settings), warnings(&settings)),
            (vec!["orders", "orders-incremental"], String::new()),
            "{file}"
        );
        assert!(matches!(settings.server.auth, AuthSettings::Tokens(_)), "{file}");
    }
    let directory = ("CREDENTIALS_DIRECTORY".to_owned(), format!("{SECRETS}/yugabytedb-backup"));
    assert_eq!(ready(&secrets.load(&read("deploy/application.yml"), &[directory])).len(), 2);
}

#[test]
fn the_commented_settings_of_the_deployment_load_too() {
    let text = read("deploy/application.yml");
    let told: Vec<_> =
        text.lines().map(|line| uncommented(line).unwrap_or_else(|| line.to_owned())).collect();
    // One of each: the last address, and either address of YBA.
    let several = |line: &&String| line.contains("base-urls:") || line.contains("ca-certificate:");
    let addresses: Vec<_> =
        told.iter().filter(|line| line.trim_start().starts_with("url: ")).cloned().collect();
    for address in &addresses {
        let is_other = |line: &&String| line.trim_start().starts_with("url: ") && *line != address;
        let lines: Vec<_> = told.iter().filter(|line| !several(line) && !is_other(line)).cloned().collect();
        let settings = Secrets::new().load(&lines.join("\n"), &[]);
        assert!(settings.server.legacy_status_codes && settings.datasource.username.is_some());
    }
    assert_eq!(addresses.len(), 3);
}

/// `  # key: value` without its `# `.
fn uncommented(line: &str) -> Option<String> {
    let (blanks, rest) = line.split_at(line.len() - line.trim_start().len());
    let rest = rest.strip_prefix("# ")?;
    let key = rest.trim_start().split_once(':')?.0;
    is_key(key).then(|| format!("{blanks}{rest}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn compose_gives_the_service_what_it_needs() {
    let compose = yaml("deploy/docker-compose.yml");
    let service = &compose["services"]["service"];
    let variables: Vec<(String, String)> = service["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "BACKUP_CONFIG")
        .collect();
    let settings = Secrets::new().load(&read("deploy/application.yml"), &variables);
    assert_eq!(ready(&settings).len(), 2);
    assert!(!settings.server.address.is_loopback() && !settings.datasource.url.is_sqlite());
    for secret in service["secrets"].as_array().unwrap() {
        assert!(compose["secrets"][secret.as_str().unwrap()]["file"].is_string());
    }
}

#[test]
fn kubernetes_and_systemd_wait_longer_than_the_service() {
    let pod = &yaml("deploy/kubernetes/deployment.yaml")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let sleep = container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap();
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    let settings = Secrets::new().load(&read("deploy/kubernetes/application.yml"), &[]);
    let needed = settings.server.shutdown_timeout + Duration::from_secs(sleep.parse().unwrap());
    assert!(grace > needed, "{grace:?} {needed:?}");
    for (probe, path) in [("livenessProbe", "liveness"), ("readinessProbe", "readiness")] {
        assert_eq!(container[probe]["httpGet"]["path"], format!("/actuator/health/{path}"));
    }
    for manifest in ["service", "poddisruptionbudget", "kustomization", "secret.example"] {
        assert!(yaml(&format!("deploy/kubernetes/{manifest}.yaml"))["kind"].is_string());
    }
    let unit = read("deploy/systemd/yugabytedb-backup.service");
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s')).unwrap();
    assert!(stop.parse::<u64>().unwrap() > settings.server.shutdown_timeout.as_secs());
}

#[test]
fn operations_explains_every_error_code() {
    let document = read("docs/operations.md");
    for code in ErrorCode::ALL {
        assert!(document.contains(&format!("\n### {code}\n")), "docs/operations.md does not explain {code}");
    }
}

#[test]
fn the_links_of_the_documents_lead_somewhere() {
    for file in ["docs/configuration.md", "docs/operations.md", "docs/embedding.md", "deploy/README.md"] {
        let text = read(file);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let folder = Path::new(file).parent().unwrap();
            let path = if path.is_empty() { PathBuf::from(file) } else { folder.join(path) };
            assert!(repository().join(&path).exists(), "{file} links to {link}");
            if let Some(anchor) = anchor {
                assert!(anchors(&read(path.to_str().unwrap())).contains(anchor), "{file} links to {link}");
            }
        }
    }
}

/// The names of a document's headings, as they are made on the web.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}
