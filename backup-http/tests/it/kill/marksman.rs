//! The marksman: holds requests for backups on their way, stops or kills their sender right then, and lets them arrive at the
//! worst moment: when another replica has posted again, or when that backup is over.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;
use yba_client::simulator::{Simulator, TaskSnapshot};

use super::{
    dice::Dice,
    killer::Toll,
    replica::Replica,
    way::{HeldAnswer, HeldPost, Traffic, Way},
    world::{LEASE, World},
};

/// Requests that one shot holds at most.
const REQUESTS: usize = 6;
/// How long a shot waits for its requests, once there is one.
const GATHERING: Duration = Duration::from_millis(1500);
/// How long a request is held at most: a lease, the settling time, and what a busy machine adds.
const LONGEST_HOLD: Duration = Duration::from_secs(15);

/// What is done at the instant of the POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shot {
    held: Held,
    sender: Sender,
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// The request: it has not arrived at YBA.
    Request,
    /// The answer: YBA has accepted.
    Answer,
}

/// What becomes of the process that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// Stopped for longer than its lease, and continued.
    Stopped,
    /// Stopped for longer than its lease, continued, and killed before or while it aborts.
    StoppedAndKilled,
    /// Killed at once.
    Killed,
    /// Nothing: it waits in vain, and posts again itself.
    Alive,
}

/// In this order, again and again.
const SHOTS: [Shot; 8] = [
    Shot { held: Held::Request, sender: Sender::Stopped },
    Shot { held: Held::Request, sender: Sender::StoppedAndKilled },
    Shot { held: Held::Request, sender: Sender::Killed },
    Shot { held: Held::Answer, sender: Sender::Stopped },
    Shot { held: Held::Request, sender: Sender::Alive },
    Shot { held: Held::Answer, sender: Sender::StoppedAndKilled },
    Shot { held: Held::Request, sender: Sender::Stopped },
    Shot { held: Held::Answer, sender: Sender::Killed },
];

pub(super) struct Marksman {
    yba: Arc<Simulator>,
    traffic: Traffic,
    dice: Dice,
    shots: u64,
    toll: Toll,
}

impl Marksman {
    pub(super) fn new(world: &mut World) -> Self {
        let (yba, traffic, dice) = (Arc::clone(&world.yba), world.traffic.clone(), world.dice.fork());
        Self { yba, traffic, dice, shots: world.trial.shots, toll: Toll::default() }
    }

    /// Shoots as often as it was told to, and leaves nobody stopped and nothing held.
    pub(super) async fn shoot(mut self, replicas: &mut [Replica], ways: &mut [Way]) -> Toll {
        let shots = SHOTS.iter().cycle().take(usize::try_from(self.shots).expect("a small number"));
        for shot in shots {
            replicas.iter_mut().for_each(Replica::look_after);
            let victim = self.dice.index(replicas.len());
            let posts = gather(&mut ways[victim]).await;
            self.toll.held += posts.len() as u64;
            match shot.held {
                Held::Request => self.hold_requests(shot.sender, posts, &mut replicas[victim]).await,
                Held::Answer => self.hold_answers(shot.sender, posts, &mut replicas[victim]).await,
            }
        }
        self.toll
    }

    /// They arrive when another attempt of their batch was sent, or has its backup.
    async fn hold_requests(&mut self, sender: Sender, posts: Vec<HeldPost>, victim: &mut Replica) {
        self.strike(sender, victim).await;
        let moments: Vec<Moment> = posts.iter().map(|_| *self.dice.pick(&Moment::ALL)).collect();
        let arrivals = posts.into_iter().zip(moments).map(|(post, moment)| self.arrive_late(post, moment));
        let late = join_all(arrivals).await;
        self.toll.late += late.iter().filter(|is_late| **is_late).count() as u64;
        self.awaken(sender, victim).await;
    }

    /// The answers come when the sender has lost its lease.
    async fn hold_answers(&mut self, sender: Sender, posts: Vec<HeldPost>, victim: &mut Replica) {
        let answers: Vec<HeldAnswer> = join_all(posts.into_iter().map(HeldPost::arrive)).await;
        self.strike(sender, victim).await;
        tokio::time::sleep(LEASE + self.dice.millis(500..2000)).await;
        drop(answers);
        self.awaken(sender, victim).await;
    }

    async fn strike(&mut self, sender: Sender, victim: &mut Replica) {
        match sender {
            Sender::Stopped | Sender::StoppedAndKilled => {
                victim.stop();
                self.toll.stops += 1;
            }
            Sender::Killed => self.kill(victim).await,
            Sender::Alive => {}
        }
    }

    async fn awaken(&mut self, sender: Sender, victim: &mut Replica) {
        if matches!(sender, Sender::Stopped | Sender::StoppedAndKilled) {
            victim.wake();
        }
        if sender == Sender::StoppedAndKilled {
            tokio::time::sleep(self.dice.millis(0..40)).await;
            self.kill(victim).await;
        }
    }

    async fn kill(&mut self, victim: &mut Replica) {
        victim.kill().await;
        self.toll.kills += 1;
    }

    /// Whether it was late: after another attempt of its batch.
    async fn arrive_late(&self, post: HeldPost, moment: Moment) -> bool {
        let waited = timeout(LONGEST_HOLD, self.moment(&post, moment)).await;
        drop(post.arrive().await);
        waited.is_ok()
    }

    async fn moment(&self, post: &HeldPost, moment: Moment) {
        let repost = self.traffic.repost(&post.universe, &post.attempt).await;
        while moment == Moment::Over && !self.is_over(&repost) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn is_over(&self, attempt: &str) -> bool {
        let tasks = self.yba.tasks();
        let of_attempt =
            |task: &&TaskSnapshot| task.correlation_id.as_ref().is_some_and(|id| id.as_str() == attempt);
        tasks.iter().find(of_attempt).is_some_and(|task| task.state.is_complete())
    }
}

/// When a request arrives that is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// As another attempt of the batch is sent.
    Reposted,
    /// When the task of that attempt is over.
    Over,
}

impl Moment {
    const ALL: [Self; 2] = [Self::Reposted, Self::Over];
}

/// Some requests of one replica, at least one.
async fn gather(way: &mut Way) -> Vec<HeldPost> {
    way.hold(REQUESTS);
    let mut posts = vec![way.held().await];
    let gathering = tokio::time::Instant::now() + GATHERING;
    while posts.len() < REQUESTS
        && let Ok(post) = tokio::time::timeout_at(gathering, way.held()).await
    {
        posts.push(post);
    }
    way.hold(0);
    while let Some(post) = way.held_already() {
        posts.push(post);
    }
    posts
}
