//! What this process used: CPU time and memory, as Linux counts them.

use std::{
    fs,
    time::{Duration, Instant},
};

/// The kernel's clock tick in `/proc/self/stat`.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of this process, user and system.
pub(crate) fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |place: usize| fields.get(place).and_then(|field| field.parse::<u32>().ok()).unwrap_or_default();
    TICK * (ticks(11) + ticks(12))
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
