//! The two streams: the result on stdout, all talk on stderr, and neither in the way of the other or of a progress bar.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstream::AutoStream;
use backup_app::text::neutral_json;
use indicatif::{MultiProgress, ProgressDrawTarget};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use crate::cli::{Global, Output};
use crate::foreign;

/// Lines of talk are not wider than this, even where the terminal is.
const READABLE: usize = 100;

/// Where everything goes that this program says. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    form: Output,
    quiet: bool,
    bars: MultiProgress,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        let choice = match global.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        let target = if global.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { form: global.output, quiet: global.quiet, bars: MultiProgress::with_draw_target(target) }
    }

    /// Whether the result is for a program.
    pub(crate) fn is_json(&self) -> bool {
        self.form == Output::Json
    }

    /// Whether someone watches stderr, so that a line may change while it is read.
    pub(crate) fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Where progress bars are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Prints the result, as text.
    pub(crate) fn result(&self, text: impl Display) -> io::Result<()> {
        self.bars.suspend(|| {
            let mut stdout = anstream::stdout().lock();
            match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
                Err(error) if is_gone(&error) => Ok(()),
                printed => printed,
            }
        })
    }

    /// Prints the result, as one JSON document. What is in its strings commands no terminal.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let pretty = serde_json::to_string_pretty(value)?;
        self.result(pretty.lines().map(neutral_json).collect::<Vec<_>>().join("\n"))
    }

    /// Says something on stderr, unless nobody wants to hear it.
    pub(crate) fn say(&self, text: impl Display) {
        if !self.quiet {
            self.write(&text);
        }
    }

    /// Says a longer sentence, broken into lines where somebody watches.
    pub(crate) fn tell(&self, text: &str) {
        if self.is_watched() {
            self.say(wrapped(text, talk_width(), 0));
        } else {
            self.say(text);
        }
    }

    /// Says that something is not as it should be; what is `grave`, whoever listens.
    pub(crate) fn warn(&self, text: impl Display, grave: bool) {
        let (word, text) = ("warning:", foreign::lines(&text.to_string()));
        let text = if self.is_watched() { wrapped(&text, talk_width() - word.len(), 2) } else { text };
        if grave || !self.quiet {
            self.complain(format_args!("{} {text}", word.yellow().bold()));
        }
    }

    /// Says what went wrong, whoever listens.
    pub(crate) fn error(&self, text: impl Display) {
        let text = foreign::lines(&text.to_string());
        self.write(&format_args!("{} {text}", "error:".red().bold()));
    }

    /// Says more of what went wrong.
    pub(crate) fn complain(&self, text: impl Display) {
        self.write(&text);
    }

    /// A line of a log.
    pub(crate) fn log(&self, line: &[u8]) -> io::Result<()> {
        self.bars.suspend(|| AutoStream::auto(io::stderr()).lock().write_all(line))
    }

    fn write(&self, text: &dyn Display) {
        // stderr is gone: there is nobody left to tell.
        let _ = self.bars.suspend(|| writeln!(anstream::stderr().lock(), "{text}"));
    }
}

/// Whether nobody can read the stream any more: the reader has seen enough (`| head`), or its terminal was closed.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe || has_hung_up(error)
}

/// A terminal that was closed answers `EIO`; a file that answers so has a broken disk under it.
#[cfg(unix)]
fn has_hung_up(error: &io::Error) -> bool {
    use std::os::fd::AsFd as _;
    const INPUT_OUTPUT: i32 = 5;
    let is_file = || {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        std::fs::File::from(stdout).metadata().map(|about| about.is_file())
    };
    error.raw_os_error() == Some(INPUT_OUTPUT) && !is_file().unwrap_or(true)
}

#[cfg(not(unix))]
fn has_hung_up(_: &io::Error) -> bool {
    false
}

/// The width for a table on stdout; `None` where stdout is no terminal.
pub(crate) fn table_width() -> Option<u16> {
    let width = terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns);
    width.filter(|_| io::stdout().is_terminal())
}

/// The width for talk.
pub(crate) fn talk_width() -> usize {
    let width = terminal_size_of(io::stderr()).map(|(Width(columns), _)| usize::from(columns));
    width.filter(|columns| *columns > 20).unwrap_or(READABLE).min(READABLE)
}

/// Breaks a text into lines of at most `width`; all but the first are indented by `indent`.
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_wrapped_and_long_words_are_not_cut() {
        let text = "one two three four five six seven";
        assert_eq!(wrapped(text, 24, 4), "one two three four\n    five six seven");
        let url = "https://example.com/a/very/long/address";
        assert_eq!(wrapped(url, 24, 4), url);
    }
}
