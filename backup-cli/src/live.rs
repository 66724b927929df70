//! Shows a batch while it is followed: a line for each step and a moving one for the present on a terminal, plain lines
//! with the time elsewhere.

use std::time::Duration;

use backup_core::{BackupRecord, Clock as _, Phase, SystemClock};
use chrono_tz::Tz;
use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize as _;

use crate::foreign;
use crate::printer::{Printer, talk_width, wrapped};
use crate::story::{Line, Story, Tone, ending};
use crate::words;

/// The column of the text after a word, on a terminal.
const INDENT: usize = 14;

/// One batch on the screen.
#[derive(Debug)]
pub(crate) struct Live {
    printer: Printer,
    zone: Tz,
    clock: SystemClock,
    story: Story,
    bar: Option<ProgressBar>,
    /// Precedes every line where several batches are followed.
    name: Option<String>,
}

impl Live {
    pub(crate) fn new(printer: &Printer, zone: Tz) -> Self {
        let (printer, clock) = (printer.clone(), SystemClock::new());
        Self { printer, zone, clock, story: Story::default(), bar: None, name: None }
    }

    /// One of several.
    pub(crate) fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Shows what is new, and where it stands.
    pub(crate) fn show(&mut self, record: &BackupRecord, percent: Option<f64>) {
        let record = &foreign::record(record);
        if let Some(name) = self.name.as_ref().filter(|_| self.story.is_untold()) {
            self.printer.say(format_args!("{name}  {} for {}", record.category.bold(), record.business_date));
        }
        for line in self.story.tell(record) {
            self.line(&line);
        }
        if record.is_done() {
            self.leave();
            for line in ending(record) {
                self.line(&line);
            }
        } else if self.printer.is_watched() && self.name.is_none() {
            self.present(record, percent);
        }
    }

    /// Takes the moving line away.
    pub(crate) fn leave(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// The moving line.
    fn present(&mut self, record: &BackupRecord, percent: Option<f64>) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(100).with_elapsed(record.duration(self.clock.now()));
            let bar = self.printer.bars().add(bar);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let percent = percent.filter(|_| record.phase == Phase::Running);
        bar.set_style(if percent.is_some() { with_percent() } else { without_percent() });
        bar.set_prefix(present_word(record.phase));
        bar.set_message(tries(record, self.zone));
        if let Some(percent) = percent {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            bar.set_position(percent.clamp(0.0, 100.0) as u64);
        }
    }

    fn line(&self, line: &Line) {
        if !self.printer.is_watched() {
            return self.printer.say(self.plain(line));
        }
        let name = self.name.as_deref().unwrap_or_default();
        let text = wrapped(&line.text, talk_width(), INDENT + name.chars().count());
        let word = format!("{:<9}", line.word);
        self.printer.say(match line.tone {
            Tone::Good => format!("{name}  {} {} {text}", "✓".green().bold(), word.green()),
            Tone::Bad => format!("{name}  {} {} {text}", "✗".red().bold(), word.red().bold()),
            Tone::Open => format!("{name}  {} {} {text}", "…".yellow().bold(), word.yellow()),
            Tone::Advice => format!("{name}  {} {} {text}", "→".cyan().bold(), word.cyan()),
        });
    }

    fn plain(&self, line: &Line) -> String {
        let time = words::time_of_day(self.clock.now(), self.zone);
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{time}{name} {:<9} {}", line.word, line.text)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leave();
    }
}

fn present_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "planned",
        Phase::Waiting => "waiting",
        Phase::Submitting => "asking YBA",
        Phase::Running => "running",
        Phase::Settling => "settling",
        Phase::Done => "done",
    }
}

/// What is waited for while the answer of YBA is not known.
fn tries(record: &BackupRecord, zone: Tz) -> String {
    match record.attempt().filter(|_| record.phase == Phase::Submitting) {
        Some(attempt) => {
            let since = words::time_of_day(attempt.at, zone);
            format!("attempt {} since {since}; a lost answer is looked for", attempt.number)
        }
        None => String::new(),
    }
}

fn without_percent() -> ProgressStyle {
    style("  {spinner} {prefix:<9}  {elapsed_precise}  {msg}")
}

fn with_percent() -> ProgressStyle {
    style("  {spinner} {prefix:<9}  {elapsed_precise}  {bar:20} {pos:>3} % of YBA's subtasks")
}

fn style(template: &str) -> ProgressStyle {
    #[expect(clippy::expect_used, reason = "the templates are the two above")]
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    style.progress_chars("━━╌").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}
