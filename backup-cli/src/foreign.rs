//! Texts that others wrote (YBA, a caller, a database), as they may be shown on a terminal.

use std::borrow::Cow;

use backup_app::text::neutral;
use backup_core::{BackupRecord, Failure};

/// A text on one line, of which nothing commands the terminal.
pub(crate) fn line(text: &str) -> String {
    neutral(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// A text whose lines stay lines. All but the first are indented, so that none passes for a line of this program's.
pub(crate) fn lines(text: &str) -> String {
    let mut lines = text.lines().map(neutral);
    let first = lines.next().unwrap_or_default().into_owned();
    lines.fold(first, |all, line| {
        let indent = if line.starts_with("  ") { "" } else { "  " };
        format!("{all}\n{indent}{line}")
    })
}

/// What a program made, line by line: nothing in it commands the terminal.
pub(crate) fn block(text: &str) -> String {
    text.lines().map(neutral).collect::<Vec<Cow<'_, str>>>().join("\n")
}

/// A batch whose texts may be shown.
pub(crate) fn record(record: &BackupRecord) -> BackupRecord {
    let mut shown = record.clone();
    shown.category = line(&shown.category);
    shown.target = line(shown.target.as_str()).into();
    shown.slot = line(&shown.slot);
    if let Some(plan) = &mut shown.plan {
        plan.strategy = line(&plan.strategy);
        plan.base = plan.base.as_ref().map(|base| line(base.as_str()).into());
        plan.reason = line(&plan.reason);
    }
    shown.task = shown.task.map(|task| line(task.as_str()).into());
    shown.backup = shown.backup.map(|backup| line(backup.as_str()).into());
    shown.note = shown.note.map(failure);
    shown.failure = shown.failure.map(failure);
    shown
}

fn failure(failure: Failure) -> Failure {
    Failure {
        message: line(&failure.message),
        advice: failure.advice.map(|advice| line(&advice)),
        code: failure.code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_becomes_one_and_commands_nothing() {
        assert_eq!(line("disk full\n\x1b[2Jerror: done\u{202e}"), "disk full \\u{1b}[2Jerror: done\\u{202e}");
    }

    #[test]
    fn no_later_line_begins_like_one_of_this_program() {
        assert_eq!(
            lines("refused\nerror: forged\n  --date: is missing"),
            "refused\n  error: forged\n  --date: is missing"
        );
        assert_eq!(lines("\x1b]0;title\x07"), "\\u{1b}]0;title\\u{7}");
    }
}
