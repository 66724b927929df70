//! What each step does to the world.

use super::{
    audit::{Audit, Next},
    config::{Breakage, Config},
    record::Phase,
    replica::{Call, Held, Replica},
    world::{Action, World},
    yba::{TaskId, TaskState, Yba},
};

impl World {
    /// Takes a step.
    pub fn take(&mut self, action: Action, config: &Config) {
        match action {
            Action::Claim(me) => {
                self.store.claim(me);
                self.replicas[me].held = Some(Held::claimed(&self.store));
            }
            Action::Prepare(me) => self.path(me, |held, yba| held.prepare(me, yba, config)),
            Action::Save(me) => self.save(me, config),
            Action::Post(me) => self.path(me, Held::post),
            Action::ReadAnswer(me) => self.path(me, |held, _| {
                if let Some(Call::Answered(answer)) = held.call {
                    held.read_answer(answer);
                }
            }),
            Action::GiveUpWaiting(me) => self.path(me, |held, _| held.call = None),
            Action::Settle(me) => self.path(me, |held, _| held.is_settled = true),
            Action::LookUp(me) => self.path(me, |held, yba| held.look_up(me, yba, config)),
            Action::AbortFound(me) => self.abort_found(me),
            Action::Poll(me) => self.path(me, |held, yba| held.poll(yba)),
            Action::Lose(me) => self.lose(me, config),
            Action::AbortLate(me) => {
                if let Some(task) = self.replicas[me].late.take() {
                    self.abort(task);
                }
            }
            Action::Audit(me) => {
                self.store.claim_audit();
                self.replicas[me].audit = Some(Audit::look(&self.store, &self.yba));
            }
            Action::RecordAudit(me) => self.record_audit(me, config),
            Action::FollowSurplus(me) => self.follow_surplus(me, config),
            Action::Expire => self.store.owner = None,
            Action::Arrive(post) => self.arrive(post),
            Action::Complete(task) => self.yba.end(task, TaskState::Completed),
            Action::Wake(me) => self.replicas[me].is_stopped = false,
            Action::RunAgain(me) => {
                self.faults.reruns -= 1;
                self.replicas[me].held = Some(Held::reopening(&self.store, me, &self.yba, config));
            }
            fault => self.suffer(fault),
        }
    }

    fn suffer(&mut self, fault: Action) {
        match fault {
            Action::Kill(me) => {
                self.faults.kills -= 1;
                self.replicas[me] = Replica::default();
            }
            Action::Stop(me) => {
                self.faults.stops -= 1;
                self.replicas[me].is_stopped = true;
            }
            Action::Delay(post) => {
                self.faults.late_posts -= 1;
                self.yba.posts[post].is_late = true;
                self.yba.posts.sort_unstable();
            }
            Action::ArriveUnanswered(post) => {
                self.faults.lost_answers -= 1;
                self.yba.receive(post);
            }
            Action::Fail(task) => {
                self.faults.failures -= 1;
                self.yba.end(task, TaskState::Failed);
            }
            Action::Deadline(me) => {
                self.faults.deadlines -= 1;
                self.path(me, |held, _| {
                    held.record.fail();
                    held.unsaved = true;
                });
            }
            step => unreachable!("{step:?} is no fault"),
        }
    }

    fn path(&mut self, me: usize, step: impl FnOnce(&mut Held, &mut Yba)) {
        if let Some(held) = self.replicas[me].held.as_mut() {
            step(held, &mut self.yba);
        }
    }

    /// A process that writes under a lease that it lost learns so, and lets go.
    fn save(&mut self, me: usize, config: &Config) {
        let Some(held) = self.replicas[me].held.as_mut() else { return };
        if let Some(read) = held.reopens.take() {
            if !self.store.reopen(me, &held.record, &read) {
                self.replicas[me].held = None;
                return;
            }
            held.epoch = self.store.epoch;
        } else if !self.store.is_held(me, held.epoch) && !config.has(Breakage::NoFence) {
            return self.lose(me, config);
        } else {
            self.store.write(&held.record);
        }
        held.unsaved = false;
        if matches!(held.record.phase, Phase::Waiting | Phase::Done) {
            self.replicas[me].held = None;
        }
        self.note_what_counts();
    }

    /// Puts the batch under audit, and aborts sooner what the audit would find.
    fn lose(&mut self, me: usize, config: &Config) {
        let Some(held) = self.replicas[me].held.take() else { return };
        if held.was_sent() {
            self.store.doubt();
        }
        let theirs = &self.store.record;
        // A failed batch may be run again and follow this very task by the time it is aborted; a success stays as it is.
        let is_settled =
            theirs.phase == Phase::Done && (!theirs.failed || config.has(Breakage::AbortOfAFailedBatch));
        self.replicas[me].late =
            held.late_task(&self.yba).filter(|task| is_settled && theirs.task != Some(*task));
    }

    fn abort_found(&mut self, me: usize) {
        let Some(held) = self.replicas[me].held.as_mut() else { return };
        let surplus = held.surplus_to_abort();
        held.surplus_aborted.extend(&surplus);
        for task in surplus {
            self.abort(task);
        }
    }

    fn note_what_counts(&mut self) {
        let record = &self.store.record;
        self.counted.extend(record.task.filter(|task| record.counts(*task)));
    }

    fn record_audit(&mut self, me: usize, config: &Config) {
        let Some(audit) = self.replicas[me].audit.as_mut() else { return };
        let is_fenced = !config.has(Breakage::UnfencedAudit) && !config.has(Breakage::AuditOpenBatches);
        if is_fenced && !self.store.is_claimed(audit) {
            self.replicas[me].audit = None;
            return;
        }
        self.store.record_audit(&audit.record);
        if audit.next == Next::Record {
            audit.next = Next::Follow;
        } else {
            self.replicas[me].audit = None;
        }
    }

    fn follow_surplus(&mut self, me: usize, config: &Config) {
        let Some(audit) = self.replicas[me].audit.as_mut() else { return };
        let surplus = audit.follow(&self.yba);
        if config.has(Breakage::AbortBeforeRecord) && audit.next == Next::Record {
            audit.next = Next::Report;
        } else if audit.next != Next::Report {
            self.replicas[me].audit = None;
        }
        for task in surplus {
            self.abort(task);
        }
    }

    fn abort(&mut self, task: TaskId) {
        let record = &self.store.record;
        if self.yba.tasks[task].state == TaskState::Open {
            self.aborted_its_own |= record.task == Some(task) && !record.failed;
            self.yba.end(task, TaskState::Aborted);
        }
    }

    /// A POST reaches YBA, and its sender gets the answer if it still waits for it.
    fn arrive(&mut self, post: usize) {
        let (attempt, answer) = self.yba.receive(post);
        for held in self.replicas.iter_mut().filter_map(|replica| replica.held.as_mut()) {
            if held.call == Some(Call::Sent(attempt)) {
                held.call = Some(Call::Answered(answer));
            }
        }
    }
}
