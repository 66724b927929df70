//! Logs: text for people, JSON for programs, with the fields of the current spans on every line.
//!
//! A backup's spans carry its batch id, business date and request id. In JSON they lie flat beside the fields of
//! the event, so that one search for an id finds every line of a backup, whoever wrote it.
//!
//! Texts from outside are written neutrally ([`crate::text`]): no field and no message can end a line, command a
//! terminal or turn the reading direction around.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::settings::LogFormat;
use crate::text::{neutral, neutral_json};

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// The service: its lines are its output.
    Stdout,
    /// The command line: results go to stdout, talk goes here.
    Stderr,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The level is neither a level nor a list of directives.
    #[error("`{level}` is no log level")]
    Level {
        /// What was asked for.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets up logging for the whole process, once.
///
/// # Errors
///
/// A level that cannot be read, or logging that was set up before.
pub fn init(
    format: LogFormat,
    level: &str,
    with_ansi: bool,
    output: LogOutput,
) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    let subscriber = match output {
        LogOutput::Stdout => subscriber(format, filter, with_ansi, io::stdout),
        LogOutput::Stderr => subscriber(format, filter, with_ansi, io::stderr),
    };
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Twice)
}

/// Whether a level can be read.
pub(crate) fn check_level(level: &str) -> Result<(), String> {
    filter(level).map(|_| ()).map_err(|error| match error {
        TelemetryError::Level { source, .. } => source.to_string(),
        other => other.to_string(),
    })
}

/// The parser counts bytes from the first character that is not white space, and cuts the text from its beginning: white
/// space before a directive with a letter beyond ASCII makes it panic. So no directive begins with white space.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let trimmed: Vec<&str> = level.split(',').map(str::trim).collect();
    EnvFilter::try_new(trimmed.join(","))
        .map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    with_ansi: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => {
            Box::new(registry.with(lines.with_ansi(with_ansi).fmt_fields(NeutralFields::default())))
        }
        LogFormat::Json => {
            let json = lines.with_ansi(false).fmt_fields(JsonFields::new()).event_format(FlatJson);
            Box::new(registry.with(json))
        }
    }
}

/// The fields of an event (its message is one) or of a span, as text that is only shown.
#[derive(Debug, Default)]
pub struct NeutralFields(DefaultFields);

impl<'w> FormatFields<'w> for NeutralFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&neutral(&text))
    }
}

/// One JSON object on every line: the event's fields and those of its spans, side by side. An inner span's field
/// hides an outer one's, and the event's hides both.
struct FlatJson;

impl<S> FormatEvent<S, JsonFields> for FlatJson
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write_line(ctx, writer, event)
    }
}

fn write_line<S, N>(ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let mut line = Map::new();
    let mut spans = Vec::new();
    for span in ctx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
        spans.push(span.name());
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
            && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&fields.fields)
        {
            line.extend(fields);
        }
    }
    event.record(&mut Fields(&mut line));
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    line.insert("timestamp".to_owned(), time.into());
    line.insert("level".to_owned(), event.metadata().level().as_str().into());
    line.insert("target".to_owned(), event.metadata().target().into());
    if !spans.is_empty() {
        line.insert("span".to_owned(), spans.join(" > ").into());
    }
    writeln!(writer, "{}", neutral_json(&Value::Object(line).to_string()))
}

/// Takes an event's fields into a JSON object.
struct Fields<'m>(&'m mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(format, filter(level).unwrap(), false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    fn a_backup() {
        let request = tracing::info_span!("request", request.id = "r-1");
        let _request = request.enter();
        let backup = tracing::info_span!(
            "backup",
            batch.id = "b-1",
            business_date = "2025-03-25",
            task.id = tracing::field::Empty
        );
        let _backup = backup.enter();
        tracing::info!("accepted");
        backup.record("task.id", "t-1");
        tracing::warn!(attempts = 2, took = ?std::time::Duration::from_secs(1), "slow \"answer\"");
    }

    #[test]
    fn no_white_space_makes_the_parser_panic() {
        for level in [", a®[", " a®=x", "\u{a0}info, \t®"] {
            let _ = check_level(level);
        }
        assert_eq!(check_level(" info , sqlx=warn "), Ok(()));
    }

    #[test]
    fn every_json_line_carries_the_fields_of_its_spans() {
        let text = logged(LogFormat::Json, "info", a_backup);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        for line in &lines {
            assert_eq!(line["batch.id"], "b-1");
            assert_eq!(line["business_date"], "2025-03-25");
            assert_eq!(line["request.id"], "r-1");
            assert_eq!(line["span"], "request > backup");
        }
        assert_eq!(lines[0]["message"], "accepted");
        assert_eq!(lines[1]["task.id"], "t-1");
        assert_eq!(lines[1]["attempts"], 2);
        assert_eq!(lines[1]["level"], "WARN");
        assert_eq!(lines[1]["message"], "slow \"answer\"");
    }

    #[test]
    fn every_text_line_carries_the_fields_of_its_spans() {
        let text = logged(LogFormat::Text, "info", a_backup);
        assert!(text.lines().all(|line| line.contains("b-1") && line.contains("r-1")), "{text}");
    }

    const HOSTILE: &str = "full\n2025 INFO done\u{1b}[2J\u{9b}m\u{202e}\u{2028}\r";

    fn foreign_text() {
        let span =
            tracing::info_span!("backup", shown = %HOSTILE, given = HOSTILE, later = tracing::field::Empty);
        let _span = span.enter();
        span.record("later", tracing::field::display(HOSTILE));
        let error = io::Error::other(HOSTILE);
        tracing::warn!(shown = %HOSTILE, debugged = ?HOSTILE, given = HOSTILE, %error, "YBA said: {HOSTILE}");
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "failed");
    }

    #[test]
    fn foreign_text_is_only_shown_wherever_it_stands_in_a_text_line() {
        let text = logged(LogFormat::Text, "info", foreign_text);
        assert_eq!(text.lines().count(), 2, "{text}");
        let acting: Vec<char> =
            text.chars().filter(|c| !c.is_ascii_graphic() && !" \n".contains(*c)).collect();
        assert!(acting.is_empty(), "{acting:?} in {text}");
        assert!(text.contains("YBA said: full\\n2025 INFO done"), "{text}");
    }

    #[test]
    fn foreign_text_is_whole_in_a_json_line_and_does_nothing() {
        let text = logged(LogFormat::Json, "info", foreign_text);
        assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["shown"], &lines[0]["later"]), (&HOSTILE.into(), &HOSTILE.into()));
        assert_eq!(lines[0]["message"], format!("YBA said: {HOSTILE}"));
    }

    #[test]
    fn the_level_filters() {
        assert_eq!(logged(LogFormat::Json, "error", a_backup), "");
        assert!(check_level("info,backup_core=debug").is_ok());
        assert!(check_level("info,backup_core=loud").is_err());
    }
}
