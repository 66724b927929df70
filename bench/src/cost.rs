//! What this process used: CPU time and memory, as Linux counts them.

use std::{
    fs,
    time::{Duration, Instant},
};

/// The kernel's clock tick in `/proc/self/stat`.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of this process, user and system.
pub(crate) fn cpu() -> Duration {
    Stat::read("self").map_or(Duration::ZERO, |stat| stat.cpu())
}

/// CPU time of a process and its children, user and system.
pub(crate) fn cpu_of_family(pid: u32) -> Duration {
    let pid = pid.to_string();
    let children = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let stat = Stat::read(&entry.file_name().to_string_lossy())?;
        (stat.field(1) == pid).then(|| stat.cpu())
    });
    let children: Duration = children.sum();
    Stat::read(&pid).map_or(Duration::ZERO, |stat| stat.cpu() + stat.cpu_of_ended_children()) + children
}

/// What `/proc` says of a process. The name in parentheses may hold spaces, so fields count from behind it.
struct Stat(Vec<String>);

impl Stat {
    fn read(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(Self(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect()))
    }

    fn field(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }

    fn ticks(&self, place: usize) -> u32 {
        self.field(place).parse().unwrap_or_default()
    }

    fn cpu(&self) -> Duration {
        TICK * (self.ticks(11) + self.ticks(12))
    }

    fn cpu_of_ended_children(&self) -> Duration {
        TICK * (self.ticks(13) + self.ticks(14))
    }
}

/// Resident memory of this process, in MiB.
pub(crate) fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default();
    kib / 1024.0
}

/// A measurement under way.
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
}

/// What a measurement says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu() }
    }

    pub(crate) fn stop(&self) -> Cost {
        Cost { wall: self.began.elapsed(), cpu: cpu().saturating_sub(self.cpu) }
    }
}
