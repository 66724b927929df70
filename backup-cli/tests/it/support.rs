//! A simulated YBA, a folder with a configuration and a database, and the program to run on them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use yba_client::UniverseId;
use yba_client::simulator::Simulator;

/// To be found again wherever it should not be.
pub(crate) const TOKEN: &str = "t0ken-that-must-not-be-seen";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) yba: Simulator,
    /// A second universe, for the target `ledger`.
    pub(crate) ledger: UniverseId,
    runtime: Runtime,
    folder: TempDir,
}

impl Stage {
    /// A stage whose first backup of `orders` does not end by itself.
    pub(crate) fn with_an_endless_task() -> Self {
        let stage = Self::new();
        stage.yba.hang_next_backup(&stage.yba.universe());
        stage
    }

    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let builder = Simulator::builder().token(TOKEN).task_duration(Duration::from_millis(300));
        let yba = runtime.block_on(builder.start());
        let ledger = yba.add_universe("ledger");
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { yba, ledger, runtime, folder };
        std::fs::write(stage.config(), stage.settings()).unwrap();
        stage
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("backup.yaml")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn settings(&self) -> String {
        let Self { yba, ledger, .. } = self;
        let (orders, storage) = (yba.universe(), yba.storage_config());
        format!(
            "yba:
  max-retry-attempts: 1
  instances:
    main: {{base-url: \"{url}\", customer-uuid: {customer}, api-token: {TOKEN}}}
  databases:
    orders:
      instance: main
      universe-uuid: {orders}
      storage-config-uuid: {storage}
      category-codes: [ORDERS_FULL]
    orders-incr:
      instance: main
      universe-uuid: {orders}
      storage-config-uuid: {storage}
      backup-category-type: incremental_backup
    ledger:
      instance: main
      universe-uuid: {ledger}
      storage-config-uuid: {storage}
datasource:
  url: \"sqlite:{database}\"
orchestrator:
  lease: 3s
  settle-time: 500ms
  poll-first: 50ms
  poll-max: 200ms
  retry-first: 100ms
  retry-max: 300ms
  claim-interval: 100ms
",
            url = yba.url(),
            customer = yba.customer(),
            database = self.folder.path().join("backups.db").display(),
        )
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs the program with this configuration, to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.process(args).output().unwrap())
    }

    /// The same, with `--output json`.
    pub(crate) fn run_json(&self, args: &[&str]) -> (Ran, Value) {
        let ran = self.run(&[args, &["--output", "json"]].concat());
        let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        (ran, value)
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut process = self.process(args);
        Running(Some(
            process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
        ))
    }

    /// Starts the program as `nohup` does.
    pub(crate) fn start_ignoring_hangups(&self, args: &[&str]) -> Running {
        let program = self.process(args);
        let mut shell = Process::new("sh");
        shell
            .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
            .arg(program.get_program())
            .args(program.get_args());
        shell.env_clear().current_dir(self.folder.path());
        Running(Some(
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
        ))
    }

    fn process(&self, args: &[&str]) -> Process {
        let mut process = program(self.folder.path());
        process.arg("--config").arg(self.config()).args(args);
        process
    }

    /// Waits for something that must happen.
    pub(crate) fn wait_until(&self, what: &str, mut happened: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !happened(self) {
            assert!(start.elapsed() < PATIENCE, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The only batch that there is.
    pub(crate) fn only_batch(&self) -> String {
        let (_, list) = self.run_json(&["list"]);
        let batches = list["batches"].as_array().unwrap();
        assert_eq!(batches.len(), 1, "{list}");
        batches[0]["batch_id"].as_str().unwrap().to_owned()
    }
}

/// The program in an empty environment: neither a proxy nor a setting of this machine reaches it.
pub(crate) fn program(folder: &Path) -> Process {
    let mut process = Process::new(assert_cmd::cargo::cargo_bin!("backup-cli"));
    process.env_clear().current_dir(folder);
    process
}

/// What the program prints about itself.
#[cfg(feature = "demo")]
pub(crate) fn help(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    Ran::from(program(folder.path()).args(args).output().unwrap()).must_exit(0).stdout
}

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn must_exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn must_say(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}: {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn must_show(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "stdout lacks {text:?}: {self:?}");
        self
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The program under way. It ends with the test.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.as_ref().unwrap().id().to_string();
        let sent = Process::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Closes the reading ends of its output: whatever it prints from now on fails.
    pub(crate) fn unread(mut self) -> Self {
        if let Some(child) = &mut self.0 {
            drop((child.stdout.take(), child.stderr.take()));
        }
        self
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ran {
        Ran::from(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A text without what differs from run to run: ids, times, ports and folders.
pub(crate) fn masked(text: &str, stage: &Stage) -> String {
    let text = text.replace(&stage.folder.path().display().to_string(), "[folder]");
    let text = text.replace(stage.yba.url().trim_start_matches("http://"), "[yba]");
    // YBA's times are whole seconds: of a short backup they are told or not, as the clock falls.
    let text: String = text.split_inclusive('\n').filter(|line| !line.starts_with("Backup took")).collect();
    let mut masked = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((pattern, mask)) = MASKS.iter().find(|(pattern, _)| fits(rest, pattern)) {
            masked.push_str(mask);
            rest = &rest[pattern.len()..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// `x` is a hexadecimal digit, `9` a digit; the longest come first.
const MASKS: [(&str, &str); 6] = [
    ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "[id]"),
    ("9999-99-99T99:99:99.999Z", "[instant]"),
    ("9999-99-99 99:99:99 IST", "[instant]"),
    ("99:99:99", "[time]"),
    ("9.9 s", "[duration]"),
    ("99 s", "[duration]"),
];

fn fits(text: &str, pattern: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'x' => byte.is_ascii_hexdigit(),
        b'9' => byte.is_ascii_digit(),
        other => byte == other,
    };
    text.len() >= pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

/// A JSON document as text, without what differs from run to run.
pub(crate) fn masked_json(value: &Value, stage: &Stage) -> String {
    let mut value = value.clone();
    mask_numbers(&mut value);
    masked(&serde_json::to_string_pretty(&value).unwrap(), stage)
}

fn mask_numbers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), &value) {
                    ("duration_seconds", Value::Number(_)) => *value = "[seconds]".into(),
                    // Whole seconds: a short backup has a span of time or none, as the clock falls.
                    ("yba_created_at" | "yba_completed_at", _) => *value = "[yba's time]".into(),
                    // YBA's own words, whatever they are.
                    ("yba_response", Value::Object(_)) => *value = "[yba's answer]".into(),
                    _ => mask_numbers(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_numbers),
        _ => {}
    }
}
