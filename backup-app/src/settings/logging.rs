//! `logging.*`: what is logged, and in which form.

use crate::reader::{Key, Reader, Setting, Unfit, Words, quoted};
use crate::telemetry;

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggingSettings {
    /// `logging.format` (`text`).
    pub format: LogFormat,
    /// `logging.level` (`info`): a level, or directives like `info,backup_core=debug`. Spring's form is
    /// understood as well: `logging.level.root`, and `logging.level.<crate>` for single crates.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object on every line, for programs.
    Json,
}

impl Words for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// One word of Spring or ours.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Words for Level {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
        ("fatal", Self::Error),
    ];
}

/// A level, or directives with targets.
struct Directives(String);

impl Setting for Directives {
    fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if text.contains(['=', ',']) {
            let directives = text.to_owned();
            return match telemetry::check_level(text) {
                Ok(()) => Ok(Self(directives)),
                Err(error) => Err(Unfit::new(format!(
                    "{} is neither a level nor a list of directives: {error}",
                    quoted(text)
                ))),
            };
        }
        Level::read(text).map(|level| Self(level.show()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl LoggingSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { format: reader.setting("logging.format", LogFormat::default()), level: level(reader) }
    }
}

fn level(reader: &mut Reader<'_>) -> String {
    let whole = Key::from("logging.level").with_variables(["RUST_LOG"]);
    let whole: Option<Directives> = reader.optional(whole);
    let loggers = loggers(reader);
    if let Some(directives) = whole {
        return directives.0;
    }
    let root = reader.setting("logging.level.root", Level::Info).show();
    std::iter::once(root).chain(loggers).collect::<Vec<_>>().join(",")
}

/// Levels of single crates. Java's packages have dots, so they are sections here, and left alone.
fn loggers(reader: &mut Reader<'_>) -> Vec<String> {
    let mut directives = Vec::new();
    for name in reader.names("logging.level") {
        let path = format!("logging.level.{name}");
        if name.eq_ignore_ascii_case("root") || reader.is_section(&path) {
            continue;
        }
        let level: Option<Level> = reader.optional(path.as_str());
        let directive = level.map(|level| format!("{name}={}", level.show()));
        let Some(directive) = directive else { continue };
        if telemetry::check_level(&directive).is_ok() {
            directives.push(directive);
        } else {
            reader.fault(&path, "is no name of a crate or module");
        }
    }
    directives
}
