//! What else goes wrong meanwhile: YBA loses answers, locks universes and restarts; PostgreSQL restarts.

use std::{sync::Arc, time::Duration};

use pg_harness::{Database, Server};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use yba_client::{
    UniverseId,
    simulator::{Endpoint, Fault, Simulator},
};

use super::{
    dice::Dice,
    trial::Trial,
    world::{RESUME_DELAY, ROW_DELAY, World},
};

/// Everything that happens to YBA and to the database, until the end.
pub(super) struct Trouble {
    stop: CancellationToken,
    yba: JoinHandle<()>,
    database: Option<JoinHandle<Server>>,
    /// A test that fails ends the trouble too.
    _guard: DropGuard,
}

impl Trouble {
    pub(super) fn start(world: &mut World) -> Self {
        let stop = CancellationToken::new();
        let yba = YbaTrouble {
            yba: Arc::clone(&world.yba),
            universes: world.universes.clone(),
            dice: world.dice.fork(),
            trial: world.trial,
            asked: 0,
        };
        let mut dice = world.dice.fork();
        let database = world.database.clone().zip(world.server.take()).map(|(database, server)| {
            let stop = stop.clone();
            tokio::task::spawn_blocking(move || trouble_the_database(server, &database, &mut dice, &stop))
        });
        let yba = tokio::spawn(yba.happen(stop.clone()));
        Self { yba, database, _guard: stop.clone().drop_guard(), stop }
    }

    /// Calm. The server lives as long as what is returned.
    pub(super) async fn end(self) -> Option<Server> {
        self.stop.cancel();
        self.yba.await.expect("YBA's trouble ends");
        match self.database {
            Some(database) => Some(database.await.expect("the database's trouble ends")),
            None => None,
        }
    }
}

struct YbaTrouble {
    yba: Arc<Simulator>,
    universes: Vec<UniverseId>,
    dice: Dice,
    trial: Trial,
    /// How many backups YBA had been asked for at the last fault.
    asked: u64,
}

impl YbaTrouble {
    async fn happen(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.yba.set_task_duration(self.dice.millis(self.trial.task_millis()));
            match self.dice.roll(0..12) {
                0 => self.lock_a_universe().await,
                1 if !self.trial.stops => self.restart().await,
                _ => self.lose_an_answer(),
            }
            let pause = self.dice.millis(20..100);
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        self.yba.clear_scripts();
    }

    /// Something happens to one request in three.
    fn lose_an_answer(&mut self) {
        let asked = self.yba.count(Endpoint::CreateBackup);
        if asked < self.asked + self.dice.roll(1..5) {
            return;
        }
        self.asked = asked;
        let fault = match self.dice.roll(0..8) {
            0 => Fault::Delay(self.dice.millis(20..200)),
            1 => Fault::DropBeforeAcceptance,
            2 => Fault::Reset,
            3 => Fault::Html,
            4 => Fault::Unreadable200,
            5 => Fault::Truncated,
            6 => Fault::plain(503, "YBA is shutting down"),
            _ => Fault::DropAfterAcceptance,
        };
        self.yba.script(Endpoint::CreateBackup, fault);
    }

    async fn lock_a_universe(&mut self) {
        let universe = self.dice.pick(&self.universes).clone();
        self.yba.lock_universe(&universe, "EditUniverse");
        tokio::time::sleep(self.dice.millis(20..200)).await;
        self.yba.unlock_universe(&universe);
    }

    /// An orderly one. A task without a backup row does not survive it, nor one whose universe is locked when it is to
    /// run again, and failed backups are another test's story: so nothing new is let in until every task has its row,
    /// and nothing else happens until all run again.
    async fn restart(&mut self) {
        self.yba.clear_scripts();
        self.yba.script(Endpoint::CreateBackup, Fault::plain(503, "YBA is shutting down").always());
        tokio::time::sleep(ROW_DELAY + Duration::from_millis(1)).await;
        self.yba.restart();
        self.yba.clear_scripts();
        tokio::time::sleep(RESUME_DELAY + Duration::from_millis(1)).await;
    }
}

/// Every connection ends with 57P01, with or without a restart of the server.
fn trouble_the_database(
    mut server: Server,
    database: &Database,
    dice: &mut Dice,
    stop: &CancellationToken,
) -> Server {
    while !stop.is_cancelled() {
        std::thread::sleep(dice.millis(100..1200));
        if dice.one_in(2) {
            server.restart();
        } else {
            database.terminate_connections();
        }
    }
    server
}
