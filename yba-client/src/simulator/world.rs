//! The simulator's state, and how time changes it.
//!
//! Nothing runs in the background. What is due happens when somebody looks: every request and every
//! inspection first lets the events that are due take place, in order, each at its own time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};

pub(super) use super::data::*;
use super::{clock::Clock, endpoint::Endpoint, fault::Script, scheduler::TICK, spec::Role};
use crate::ids::{BackupId, CustomerId, TaskId};

pub(super) type Instant = DateTime<Utc>;

/// Everything the simulator knows.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) data: Data,
    pub(super) scripts: HashMap<Endpoint, Vec<Script>>,
    pub(super) counts: [u64; Endpoint::COUNT],
    pub(super) log: VecDeque<super::RecordedRequest>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    sequence: u64,
}

/// What kind of YBA this is, and how it feels today.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a server")]
pub(super) struct Settings {
    pub(super) customer: CustomerId,
    pub(super) token: String,
    pub(super) version: String,
    pub(super) role: Role,
    /// The newer access model says 401 where the older says 403.
    pub(super) new_access_model: bool,
    /// Requests wait in, or are refused by, a queue per universe. Older servers let both in.
    pub(super) task_queue: bool,
    /// Tasks remember the `X-REQUEST-ID` of their request.
    pub(super) correlation: bool,
    pub(super) high_availability: bool,
    pub(super) mode: Mode,
    pub(super) task_duration: Duration,
    /// Between the acceptance of a task and its thread.
    pub(super) start_delay: Duration,
    pub(super) row_delay: Option<Duration>,
    pub(super) resume_delay: Duration,
    pub(super) task_list_limit: usize,
    pub(super) record: bool,
    pub(super) record_limit: usize,
    pub(super) storage_check: Option<(u16, String)>,
    /// Routes that YBA does not have, and a gateway in front of it may.
    pub(super) legacy_gateway: bool,
    /// E-mail and password.
    pub(super) login: (String, String),
    pub(super) token_version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Leader,
    Standby,
    Stopping,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Starts(TaskId, u32),
    MakesRow(TaskId, u32),
    Ends(TaskId, u32),
    AbortEnds(TaskId, u32),
    Resumes(TaskId, u32),
    CollectsGarbage,
    Deleted(BackupId),
    Ticks,
}

const GARBAGE_INTERVAL: Duration = Duration::from_mins(15);

impl World {
    pub(super) fn new(settings: Settings, clock: Clock) -> Self {
        let mut world = Self {
            settings,
            clock,
            data: Data::default(),
            scripts: HashMap::new(),
            counts: [0; Endpoint::COUNT],
            log: VecDeque::new(),
            events: BinaryHeap::new(),
            sequence: 0,
        };
        let first = world.clock.now() + GARBAGE_INTERVAL;
        world.schedule(first, Event::CollectsGarbage);
        let first = world.clock.now() + TICK;
        world.schedule(first, Event::Ticks);
        world
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn schedule(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// Lets everything happen that is due. A standby's copy stands still.
    pub(super) fn settle(&mut self) {
        if self.settings.mode != Mode::Leader {
            return;
        }
        let now = self.now();
        while let Some(Reverse((at, ..))) = self.events.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((at, _, event))) = self.events.pop() else { break };
            self.happen(at, event);
        }
    }

    fn happen(&mut self, at: Instant, event: Event) {
        match event {
            Event::Starts(task, life) if self.lives(&task, life) => self.start(&task, at),
            Event::MakesRow(task, life) if self.lives(&task, life) => self.make_row(&task, at),
            Event::Ends(task, life) if self.lives(&task, life) => {
                let outcome = self.data.tasks[&task].outcome.clone();
                self.end(&task, &outcome, at);
            }
            Event::AbortEnds(task, life) if self.lives(&task, life) => self.aborted(&task, at),
            Event::Resumes(task, life) if self.lives(&task, life) => self.resume(&task, at),
            Event::CollectsGarbage => {
                self.collect_garbage(at);
                self.schedule(at + GARBAGE_INTERVAL, Event::CollectsGarbage);
            }
            Event::Deleted(backup) => self.finish_deletion(&backup),
            Event::Ticks => {
                self.tick(at);
                self.schedule(at + TICK, Event::Ticks);
            }
            _ => {}
        }
    }

    fn lives(&self, task: &TaskId, life: u32) -> bool {
        self.data.tasks.get(task).is_some_and(|task| task.life == life)
    }
}
