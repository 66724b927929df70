//! What may happen next: the steps of replicas, YBA and time, and the faults that are left.

use super::{
    audit::{Audit, Next},
    config::{Breakage, Config},
    record::Phase,
    replica::{Call, Held, Replica},
    world::{Action, World},
    yba::{Post, TaskState},
};

impl World {
    /// What happens by itself.
    pub fn steps(&self, config: &Config, actions: &mut Vec<Action>) {
        // Idle processes are all alike: what one of them may do, the first does.
        if let Some(idle) = self.replicas.iter().position(Replica::is_idle) {
            if self.store.owner.is_none() && self.is_open() && self.may_claim() {
                actions.push(Action::Claim(idle));
            }
            if self.audit_has_work(config) {
                actions.push(Action::Audit(idle));
            }
        }
        for (me, replica) in self.replicas.iter().enumerate() {
            self.steps_of(me, replica, config, actions);
        }
        if self.is_lease_abandoned() {
            actions.push(Action::Expire);
        }
        actions.extend((0..self.yba.posts.len()).map(Action::Arrive));
        let open = self.yba.list().filter(|(_, task)| task.state == TaskState::Open);
        actions.extend(open.map(|(id, _)| Action::Complete(id)));
    }

    /// What may go wrong.
    pub fn faults(&self, actions: &mut Vec<Action>) {
        let left = &self.faults;
        for (me, replica) in self.replicas.iter().enumerate() {
            let is_busy = replica.is_busy();
            if is_busy && left.kills > 0 {
                actions.push(Action::Kill(me));
            }
            if is_busy && !replica.is_stopped && left.stops > 0 {
                actions.push(Action::Stop(me));
            }
            let polls = replica.held.as_ref().is_some_and(|held| held.is_at(Phase::Running));
            if polls && !replica.is_stopped && left.deadlines > 0 {
                actions.push(Action::Deadline(me));
            }
        }
        for (index, post) in self.yba.posts.iter().enumerate() {
            if !post.is_late && left.late_posts > 0 {
                actions.push(Action::Delay(index));
            }
            if left.lost_answers > 0 {
                actions.push(Action::ArriveUnanswered(index));
            }
        }
        if left.failures > 0 {
            let open = self.yba.list().filter(|(_, task)| task.state == TaskState::Open);
            actions.extend(open.map(|(id, _)| Action::Fail(id)));
        }
        let record = &self.store.record;
        let idle = self.replicas.iter().position(Replica::is_idle);
        if left.reruns > 0 && record.phase == Phase::Done && record.failed {
            actions.extend(idle.map(Action::RunAgain));
        }
    }

    fn steps_of(&self, me: usize, replica: &Replica, config: &Config, actions: &mut Vec<Action>) {
        if replica.is_stopped {
            return actions.push(Action::Wake(me));
        }
        if let Some(held) = &replica.held {
            self.steps_of_path(me, held, config, actions);
        }
        if replica.late.is_some() {
            actions.push(Action::AbortLate(me));
        }
        if let Some(audit) = &replica.audit {
            actions.push(match audit.next {
                Next::Record if config.has(Breakage::AbortBeforeRecord) => Action::FollowSurplus(me),
                Next::Record | Next::Report => Action::RecordAudit(me),
                Next::Follow | Next::Over => Action::FollowSurplus(me),
            });
        }
    }

    fn steps_of_path(&self, me: usize, held: &Held, config: &Config, actions: &mut Vec<Action>) {
        if held.reopens.is_none() && !self.store.is_held(me, held.epoch) {
            actions.push(Action::Lose(me));
        }
        if held.unsent && (!held.unsaved || config.has(Breakage::SendBeforeRecord)) {
            actions.push(Action::Post(me));
            if !held.unsaved {
                return;
            }
        }
        if held.unsaved {
            return actions.push(Action::Save(me));
        }
        if !held.surplus_to_abort().is_empty() {
            return actions.push(Action::AbortFound(me));
        }
        match held.record.phase {
            Phase::Waiting => actions.push(Action::Prepare(me)),
            Phase::Submitting => self.steps_of_submitting(me, held, config, actions),
            Phase::Running if held.task(&self.yba).is_some_and(|task| task.state != TaskState::Open) => {
                actions.push(Action::Poll(me));
            }
            Phase::Running | Phase::Done => {}
        }
    }

    fn steps_of_submitting(&self, me: usize, held: &Held, config: &Config, actions: &mut Vec<Action>) {
        match held.call {
            Some(Call::Answered(_)) => actions.push(Action::ReadAnswer(me)),
            Some(Call::Sent(attempt)) => {
                let is_prompt = |post: &Post| post.attempt == attempt && !post.is_late;
                if !self.yba.posts.iter().any(is_prompt) {
                    actions.push(Action::GiveUpWaiting(me));
                }
            }
            None if held.look_up_decides(&self.yba, config) => actions.push(Action::LookUp(me)),
            None if !self.yba.has_prompt_post() => actions.push(Action::Settle(me)),
            None => {}
        }
    }

    /// A batch that waits for its universe is tried again when that is free: trying earlier changes nothing but the number of attempts.
    fn may_claim(&self) -> bool {
        let record = &self.store.record;
        record.phase != Phase::Waiting || !record.lost.is_empty() || !self.yba.is_busy()
    }

    fn is_open(&self) -> bool {
        self.store.record.phase != Phase::Done
    }

    /// Whether an audit is due that finds something to do. One that is under way is due again when its process is dead or stopped.
    fn audit_has_work(&self, config: &Config) -> bool {
        let under_way = |replica: &Replica| {
            !replica.is_stopped && replica.audit.as_ref().is_some_and(|audit| audit.token == self.store.audit)
        };
        let is_due =
            config.has(Breakage::AuditOpenBatches) || (!self.is_open() && self.store.record.needs_audit());
        let is_over =
            config.has(Breakage::NoAudit) || (config.has(Breakage::AuditOnce) && self.store.audit > 0);
        !is_over
            && is_due
            && !self.replicas.iter().any(under_way)
            && Audit::look(&self.store, &self.yba).has_work()
    }

    /// Whether the process that has the lease will never renew it, or cannot now.
    fn is_lease_abandoned(&self) -> bool {
        let Some(owner) = self.store.owner else { return false };
        let replica = &self.replicas[owner];
        let held = replica.held.as_ref().is_some_and(|held| held.epoch == self.store.epoch);
        replica.is_stopped || !held
    }
}
