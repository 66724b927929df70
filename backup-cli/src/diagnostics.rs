//! How the program ends: exit codes, and errors with their causes and a way out, each told once.

use std::error::Error as StdError;
use std::fmt;
use std::process::ExitCode;

use backup_core::{Error as CoreError, ErrorCode, RequestFaults, ResolveError};
use owo_colors::OwoColorize as _;
use serde_json::json;

use crate::foreign;
use crate::printer::Printer;
use crate::signal::Signal;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// The request or the backup failed.
    Failed,
    /// Usage, configuration, database, or a bug.
    Unexpected,
    /// Not over yet.
    Open,
    /// Not over yet, and nobody works on it.
    Abandoned,
    /// Somebody stopped the program.
    Stopped(Signal),
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Unexpected => 2,
            Self::Open => 3,
            Self::Abandoned => 4,
            Self::Stopped(signal) => signal.exit_code(),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error together with what to do about it.
#[derive(Debug)]
pub(crate) struct Advised {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for Advised {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Adds what to do next to an error.
pub(crate) fn advise(error: impl Into<anyhow::Error>, hint: impl Into<String>) -> anyhow::Error {
    Advised { error: error.into(), hint: hint.into() }.into()
}

/// Tells an error, and says how the program ends by it.
pub(crate) fn report(printer: &Printer, error: &anyhow::Error) -> Exit {
    let told = Told::of(error);
    printer.error(&told.message);
    for cause in &told.causes {
        printer.complain(format_args!("  caused by: {}", foreign::line(cause)));
    }
    for hint in &told.hints {
        printer.complain(format_args!("{} {}", "hint:".cyan().bold(), foreign::line(hint)));
    }
    if printer.is_json() {
        let document = json!({"error": {
            "code": told.code.map(ErrorCode::as_str),
            "message": told.message,
            "causes": told.causes,
            "advice": told.hints,
        }});
        // stdout is gone: the error was told on stderr.
        let _ = printer.json(&document);
    }
    told.exit
}

/// An error in words.
#[derive(Debug)]
struct Told {
    exit: Exit,
    code: Option<ErrorCode>,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Told {
    fn of(error: &anyhow::Error) -> Self {
        let mut hints = Vec::new();
        let mut innermost = error;
        while let Some(advised) = innermost.downcast_ref::<Advised>() {
            hints.push(advised.hint.clone());
            innermost = &advised.error;
        }
        let core = innermost.downcast_ref::<CoreError>();
        let mut message = innermost.to_string();
        if let Some(core) = core {
            message = worded(core);
            hints.extend(way_out(core));
        }
        let causes = causes(innermost, &message);
        Self {
            exit: core.map_or(Exit::Unexpected, exit_of),
            code: core.map(CoreError::code),
            message,
            causes,
            hints,
        }
    }
}

fn exit_of(error: &CoreError) -> Exit {
    match error {
        CoreError::Store(_) | CoreError::Internal(_) => Exit::Unexpected,
        _ => Exit::Failed,
    }
}

/// The causes that the message does not tell already.
fn causes(error: &anyhow::Error, message: &str) -> Vec<String> {
    let mut told = vec![message.to_owned()];
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
    }
    told.split_off(1)
}

/// The message, in the words of this command line where the library has those of the service.
fn worded(error: &CoreError) -> String {
    match error {
        CoreError::Invalid(RequestFaults(faults)) => {
            let faults: Vec<String> = faults
                .iter()
                .map(|fault| format!("\n  {}: {}", argument(fault.field), fault.message))
                .collect();
            format!("the request is not valid:{}", faults.concat())
        }
        CoreError::Resolve(ResolveError::UnknownCategory { category, known }) if known.is_empty() => {
            format!("no target answers to the category \"{category}\": no target is configured")
        }
        other => other.to_string(),
    }
}

/// The argument for a field of a request.
fn argument(field: &str) -> &str {
    match field {
        "batchCategoryCode" => "CATEGORY",
        "batchTransactionDate" => "--date",
        "batchExecutionId" => "--batch",
        "Idempotency-Key" => "--idempotency-key",
        other => other,
    }
}

fn way_out(error: &CoreError) -> Option<String> {
    match error {
        CoreError::Resolve(ResolveError::UnknownCategory { category, known }) => {
            let near = near(category, known);
            (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
        }
        CoreError::Store(cause) if cause.is_transient() => Some(
            "when the database is back, send the same request again with the same --idempotency-key: it starts at \
             most one backup"
                .to_owned(),
        ),
        other => other.advice().map(str::to_owned),
    }
}

/// The known names that are like what was typed, the nearest first.
fn near(typed: &str, known: &[String]) -> Vec<String> {
    let typed = typed.to_lowercase();
    let mut scored: Vec<(f64, &String)> = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&typed, &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.iter().take(3).map(|(_, name)| format!("`{name}`")).collect()
}

#[cfg(test)]
mod tests {
    use backup_core::{RequestFault, StoreError};

    use super::*;

    #[test]
    fn the_nearest_category_comes_first() {
        let known = ["HWA_EPR_DB_BACKUP_FULL", "HWA_EPR_DB_BACKUP_INCR", "db1", "uam-db"].map(str::to_owned);
        assert_eq!(
            near("hwa_epr_backup_full", &known),
            ["`HWA_EPR_DB_BACKUP_FULL`", "`HWA_EPR_DB_BACKUP_INCR`"]
        );
        assert_eq!(near("uamdb", &known), ["`uam-db`"]);
        assert!(near("payroll", &known).is_empty());
    }

    #[test]
    fn a_fault_is_told_by_the_argument_that_has_it() {
        let fault = RequestFault { field: "batchTransactionDate", message: "is missing".to_owned() };
        let told = Told::of(&CoreError::Invalid(RequestFaults(vec![fault])).into());
        assert_eq!(told.message, "the request is not valid:\n  --date: is missing");
        assert_eq!(told.exit, Exit::Failed);
    }

    #[test]
    fn each_cause_is_told_once_and_the_hint_last() {
        let io = std::io::Error::other("connection refused");
        let store = StoreError::Unavailable { operation: "create", source: Box::new(io) };
        let told = Told::of(&advise(CoreError::Store(store), "look at datasource.url"));
        assert_eq!(told.message, "the request could not be recorded");
        assert_eq!(told.causes, ["the database cannot be reached (create)", "connection refused"]);
        assert_eq!(told.hints[0], "look at datasource.url");
        assert_eq!((told.exit, told.code), (Exit::Unexpected, Some(ErrorCode::StoreUnavailable)));
    }
}
