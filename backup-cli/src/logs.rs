//! Logs on stderr: warnings in this program's own form unless asked for more, whole lines with `-v`.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::{Mutex, PoisonError};

use backup_app::telemetry::NeutralFields;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::Global;
use crate::printer::Printer;

/// What is told while a batch is followed, so not again as a warning.
const TOLD_ELSEWHERE: &[&str] = &["YBA cannot be reached; waiting"];

/// So many warnings are remembered, not to be told twice.
const MEMORY: usize = 1000;

/// Sets up logging, once.
pub(crate) fn init(global: &Global, printer: &Printer) {
    // Only a second call could fail.
    let _ = match directives(global.verbose) {
        None => tracing::subscriber::set_global_default(quiet(printer.clone(), global.quiet)),
        Some(directives) => tracing::subscriber::set_global_default(verbose(printer.clone(), directives)),
    };
}

fn directives(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("warn,backup_core=info,backup_store=info,backup_app=info,backup_cli=info,yba_client=info"),
        2 => Some(
            "info,backup_core=debug,backup_store=debug,backup_app=debug,backup_cli=debug,yba_client=debug",
        ),
        _ => Some("trace"),
    }
}

fn quiet(printer: Printer, is_quiet: bool) -> impl Subscriber + Send + Sync {
    let level = if is_quiet { LevelFilter::ERROR } else { LevelFilter::WARN };
    // What ends a batch or refuses a request is told by the command itself.
    let untold = filter_fn(|event| event.fields().field("error_code").is_none());
    let talk = Talk { printer, told: Mutex::default() };
    tracing_subscriber::registry().with(talk.with_filter(level).with_filter(untold))
}

fn verbose(printer: Printer, directives: &str) -> impl Subscriber + Send + Sync {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Lines(printer))
        .fmt_fields(NeutralFields::default())
        // Where stderr is gone there is nobody to tell of it either.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(EnvFilter::new(directives)).with(lines)
}

/// Tells each warning once, as this program tells its own.
struct Talk {
    printer: Printer,
    told: Mutex<HashSet<String>>,
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Talk {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        if TOLD_ELSEWHERE.contains(&sentence.message.as_str()) {
            return;
        }
        let text = sentence.finish();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() > MEMORY {
            told.clear();
        }
        if told.insert(text.clone()) {
            self.printer.warn(text, *event.metadata().level() == Level::ERROR);
        }
    }
}

/// The message of an event, and in brackets the rest of what it says.
#[derive(Default)]
struct Sentence {
    message: String,
    details: Vec<String>,
}

impl Sentence {
    fn finish(self) -> String {
        if self.details.is_empty() {
            self.message
        } else {
            format!("{} ({})", self.message, self.details.join(", "))
        }
    }
}

impl Visit for Sentence {
    fn record_error(&mut self, _: &Field, mut error: &(dyn std::error::Error + 'static)) {
        let mut text = error.to_string();
        while let Some(source) = error.source() {
            let _ = write!(text, ": {source}");
            error = source;
        }
        self.details.push(text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "cause" | "error" => self.details.insert(0, format!("{value:?}")),
            name => self.details.push(format!("{name}: {value:?}")),
        }
    }
}

/// Writes whole lines past the progress bar.
struct Lines(Printer);

impl<'w> MakeWriter<'w> for Lines {
    type Writer = LineWriter<'w>;

    fn make_writer(&'w self) -> LineWriter<'w> {
        LineWriter(&self.0)
    }
}

struct LineWriter<'w>(&'w Printer);

impl io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.log(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
