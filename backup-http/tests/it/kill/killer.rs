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

/// What was done to the replicas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Toll {
    pub(super) kills: u64,
    pub(super) stops: u64,
    /// Requests for a backup whose sender was aimed at.
    pub(super) held: u64,
    /// Those that arrived after another attempt of their batch.
    pub(super) late: u64,
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, held, late } = self;
        write!(f, "{kills} kills, {stops} stops")?;
        if *held > 0 { write!(f, " at {held} requests, {late} late arrivals") } else { Ok(()) }
    }
}

pub(super) struct Killer {
    yba: Arc<Simulator>,
    dice: Dice,
    trial: Trial,
    toll: Toll,
    patient: Option<Patient>,
}

/// A replica that is stopped.
struct Patient {
    replica: usize,
    wakes: Instant,
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
        self.patient = Some(Patient { replica, wakes });
    }

    /// Wakes the one that was stopped for long enough.
    fn tend(&mut self, replicas: &[Replica]) {
        if let Some(patient) = self.patient.take_if(|patient| patient.wakes <= Instant::now()) {
            replicas[patient.replica].wake();
        }
    }
}
