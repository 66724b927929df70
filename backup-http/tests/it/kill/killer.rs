//! The killer: SIGKILL at a random moment or at a bad one, SIGSTOP for longer than a lease.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use yba_client::simulator::{Endpoint, Simulator};

use super::{
    dice::Dice,
    replica::Replica,
    trial::Trial,
    world::{LEASE, World},
};

/// Who was stopped in the middle of a request may have a surplus task to abort when it wakes, and is left alone for that.
const CONVALESCENCE: Duration = Duration::from_secs(2);

/// What was done to the replicas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Toll {
    kills: u64,
    stops: u64,
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kills, {} stops", self.kills, self.stops)
    }
}

pub(super) struct Killer {
    yba: Arc<Simulator>,
    dice: Dice,
    trial: Trial,
    toll: Toll,
    patient: Option<Patient>,
}

/// A replica that is stopped, or was a moment ago.
struct Patient {
    replica: usize,
    wakes: Instant,
    is_awake: bool,
}

impl Killer {
    pub(super) fn new(world: &mut World) -> Self {
        let (yba, dice) = (Arc::clone(&world.yba), world.dice.fork());
        Self { yba, dice, trial: world.trial, toll: Toll::default(), patient: None }
    }

    /// Kills as often as it was told to, and leaves nobody stopped.
    pub(super) async fn kill(mut self, replicas: &mut [Replica]) -> Toll {
        while self.toll.kills < self.trial.kills || self.patient.is_some() {
            self.bide_time().await;
            replicas.iter_mut().for_each(Replica::look_after);
            self.tend(replicas);
            let victim = self.dice.index(replicas.len());
            if self.patient.as_ref().is_some_and(|patient| patient.replica == victim) {
                continue;
            }
            if self.wants_to_stop_one() {
                self.stop(victim, replicas);
            } else {
                replicas[victim].kill().await;
                self.toll.kills += 1;
            }
        }
        self.toll
    }

    fn wants_to_stop_one(&mut self) -> bool {
        let may = self.trial.stops && self.toll.kills < self.trial.kills && self.patient.is_none();
        may && self.dice.one_in(4)
    }

    /// Until a random moment, or until YBA is asked for a backup: its answer is lost, or was just received.
    async fn bide_time(&mut self) {
        if self.dice.one_in(2) {
            return tokio::time::sleep(self.dice.millis(50..600)).await;
        }
        let asked = || self.yba.count(Endpoint::CreateBackup);
        let (before, begun) = (asked(), Instant::now());
        while asked() == before && begun.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(self.dice.millis(0..15)).await;
    }

    fn stop(&mut self, replica: usize, replicas: &[Replica]) {
        replicas[replica].stop();
        self.toll.stops += 1;
        let wakes = Instant::now() + LEASE + self.dice.millis(500..4000);
        self.patient = Some(Patient { replica, wakes, is_awake: false });
    }

    /// Wakes whoever was stopped for long enough.
    fn tend(&mut self, replicas: &[Replica]) {
        let Some(patient) = self.patient.as_mut() else { return };
        let since = Instant::now().saturating_duration_since(patient.wakes);
        if !patient.is_awake && !since.is_zero() {
            replicas[patient.replica].wake();
            patient.is_awake = true;
            patient.wakes = Instant::now();
        } else if patient.is_awake && since >= CONVALESCENCE {
            self.patient = None;
        }
    }
}
