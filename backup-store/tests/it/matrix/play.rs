//! Plays one case: callers ask until they are answered, replicas work, time passes, and something goes wrong.

use std::{sync::Arc, time::Duration};

use backup_core::{
    AttemptId, BackupRecord, BackupRequest, BatchId, Clock, Error, FixedTargets, Orchestrator, Phase,
    testing::ManualClock,
};
use tokio::{sync::watch, task::JoinHandle};
use yba_client::{
    BackupState, RequestId, UniverseId,
    simulator::{Endpoint, Outcome},
};

use super::{
    case::{Case, Trouble},
    lane::Lane,
    process::{Moment, POST, Process, Step},
    story::{Story, order},
    verdict,
};

/// How long a request hangs in a proxy: longer than a backup takes, and less than the settling time.
const LATE: Duration = Duration::from_secs(40);

/// Looks of an audit are further apart than a backup takes.
const AUDIT_PAUSE: Duration = Duration::from_mins(10);

/// More wake-ups than any story has.
const WAKE_UPS: usize = 5_000;

pub(super) struct Play<'a> {
    pub(super) lane: &'a Lane,
    pub(super) case: &'a Case,
    pub(super) universe: UniverseId,
    pub(super) batches: Vec<BatchId>,
    /// Their records, and how many batches and changes there were when they were read.
    records: Vec<BackupRecord>,
    read_after: (usize, usize),
    /// POSTs of the lane until now.
    posts_before: u64,
    /// When the first POST of this play reached YBA, and of which attempt it was.
    posted: Option<(Duration, AttemptId)>,
    targets: FixedTargets,
    processes: Vec<Process>,
    replicas: Vec<Orchestrator>,
    /// Steps that the first process had begun when it was continued.
    taken_before_waking: Option<usize>,
    /// The first process died or was stopped, and is followed by another.
    is_followed: bool,
    yba_is_back_at: Option<Duration>,
    /// The replica that was shut down.
    shut_down: Option<usize>,
    /// Where callers are led.
    front: watch::Sender<Option<Orchestrator>>,
    calls: Vec<JoinHandle<Result<Option<BatchId>, Error>>>,
    /// The story's own turn of events has come.
    has_turned: bool,
}

/// Plays a case to its end. What it answers is every step that the first replica took.
pub(super) async fn play(lane: &Lane, case: &Case) -> Result<Vec<String>, String> {
    let universe = lane.yba.add_universe("a universe of its own");
    case.story.begin(&lane.yba, &universe).await;
    if let Trouble::Fault { endpoint, fault, times } = &case.trouble {
        lane.yba.script(*endpoint, fault.script(*times));
    }
    let target = case.story.target(&lane.yba, &universe);
    let mut play = Play {
        lane,
        case,
        universe,
        batches: Vec::new(),
        records: Vec::new(),
        read_after: (0, 0),
        posts_before: lane.yba.count(Endpoint::CreateBackup),
        posted: None,
        targets: FixedTargets::new([target], []).expect("one target"),
        processes: Vec::new(),
        replicas: Vec::new(),
        taken_before_waking: None,
        is_followed: false,
        yba_is_back_at: None,
        shut_down: None,
        front: watch::Sender::new(None),
        calls: Vec::new(),
        has_turned: false,
    };
    let end = play.run().await;
    for replica in &play.replicas {
        replica.kill();
    }
    lane.yba.clear_scripts();
    end?;
    if let Some((step, _)) = play.strike()
        && !play.processes[0].has_struck()
    {
        return Err(format!("the step {step} was never taken: {:?}", play.processes[0].taken()));
    }
    verdict::judge(&play).await?;
    Ok(play.processes[0].taken())
}

impl Play<'_> {
    pub(super) fn strike(&self) -> Option<(&Step, Moment)> {
        match &self.case.trouble {
            Trouble::Strike { step, moment } => Some((step, *moment)),
            _ => None,
        }
    }

    async fn run(&mut self) -> Result<(), String> {
        self.start_replica(self.strike().map(|(step, moment)| (step.clone(), moment)));
        for nth in 0..self.case.story.batches() {
            let key = format!("{}-{nth}", self.universe);
            self.ask(BackupRequest::new("db1", "20250325").with_idempotency_key(key));
        }
        for _ in 0..WAKE_UPS {
            self.lane.quiet().await;
            self.hear().await?;
            self.read().await;
            self.note_the_post();
            if self.trouble_yba().await || self.replace_the_struck() || self.turn().await {
                continue;
            }
            if self.is_over() && self.is_calm() {
                return Ok(());
            }
            if !self.lane.pass() {
                return Err(format!("nobody waits for anything, and it is not over: {}", self.state()));
            }
        }
        Err(format!("it does not end: {}", self.state()))
    }

    fn start_replica(&mut self, trap: Option<(Step, Moment)>) {
        let process = Process::new(self.lane.activity.clone(), trap);
        let (nth, targets, poll_first) =
            (self.replicas.len(), self.targets.clone(), self.case.story.poll_first());
        let replica = self.lane.replica(nth, &process, targets, poll_first);
        self.front.send_replace(Some(replica.clone()));
        self.processes.push(process);
        self.replicas.push(replica);
    }

    /// Everything is over, and every replica is dead: another one audits, until what it finds has ended.
    pub(super) async fn audit(&self) -> Result<(), String> {
        const LOOKS: usize = 4;
        let (lane, process) = (self.lane, Process::new(self.lane.activity.clone(), None));
        let auditor = lane.replica(1, &process, self.targets.clone(), self.case.story.poll_first());
        for _ in 0..LOOKS {
            auditor.audit().await.map_err(|error| format!("no audit: {error}"))?;
            lane.clock.advance(AUDIT_PAUSE);
            lane.yba.advance(AUDIT_PAUSE);
            lane.quiet().await;
        }
        auditor.kill();
        Ok(())
    }

    /// A caller asks until there is an answer, of whichever replica.
    fn ask(&mut self, request: BackupRequest) {
        self.call(move |replica| {
            let request = request.clone();
            async move { Ok(Some(replica.submit(request).await?.batch)) }
        });
    }

    fn call<F>(&mut self, once: impl Fn(Orchestrator) -> F + Send + 'static)
    where
        F: Future<Output = Result<Option<BatchId>, Error>> + Send + 'static,
    {
        let front = self.front.subscribe();
        let clock = Arc::clone(&self.lane.clock);
        self.calls.push(tokio::spawn(until_answered(front, clock, once)));
    }

    /// Takes in what callers were answered.
    async fn hear(&mut self) -> Result<(), String> {
        for call in std::mem::take(&mut self.calls) {
            if call.is_finished() {
                let answer = call.await.map_err(|panic| format!("a call panicked: {panic}"))?;
                let batch = answer.map_err(|error| format!("a caller was answered: {error}"))?;
                self.batches.extend(batch.filter(|batch| !self.batches.contains(batch)));
            } else {
                self.calls.push(call);
            }
        }
        Ok(())
    }

    /// Reads the records, unless nobody wrote since they were read.
    async fn read(&mut self) {
        let after = (self.batches.len(), self.processes.iter().map(Process::changes).sum());
        if self.read_after != after {
            self.read_after = after;
            self.records.clear();
            for batch in &self.batches {
                self.records.push(self.lane.record(batch).await);
            }
        }
    }

    /// What happens to YBA right before a step, and how it comes back.
    async fn trouble_yba(&mut self) -> bool {
        /// Longer than it takes to notice, shorter than a deadline.
        const ABSENCE: Duration = Duration::from_secs(20);
        let Some((_, moment)) = self.strike().filter(|(_, moment)| !moment.ends_the_process()) else {
            return false;
        };
        let (yba, now) = (&self.lane.yba, self.lane.clock.elapsed());
        if self.yba_is_back_at.is_some_and(|at| at <= now) {
            self.yba_is_back_at = None;
            match moment {
                Moment::YbaIsAway => yba.come_up().await,
                _ => yba.become_leader(),
            }
            return true;
        }
        if !self.processes[0].is_stopped() {
            return false;
        }
        match moment {
            Moment::YbaRestarts => yba.restart(),
            Moment::YbaCrashes => yba.crash_and_restart(),
            Moment::YbaIsAway => yba.go_down().await,
            _ => yba.become_standby(),
        }
        if matches!(moment, Moment::YbaIsAway | Moment::YbaStandsBy) {
            self.yba_is_back_at = Some(now + ABSENCE);
        }
        self.processes[0].go_on();
        true
    }

    /// A process that died or was stopped is followed by another; a stopped one goes on when that one has taken the same
    /// step, or has nothing left to do.
    fn replace_the_struck(&mut self) -> bool {
        let Some((step, moment)) = self.strike().map(|(step, moment)| (step.name.clone(), moment)) else {
            return false;
        };
        if !moment.ends_the_process() || !self.processes[0].is_stopped() {
            return false;
        }
        if !self.is_followed {
            self.is_followed = true;
            if moment.is_death() {
                self.replicas[0].kill();
            }
            if self.processes.len() == 1 {
                self.start_replica(None);
            }
            if let Moment::ComesBetween(nth) = moment {
                self.processes[1].lets_in(&self.processes[0], nth);
            }
            return true;
        }
        let is_taken = self.processes[1..].iter().any(|other| other.has_taken(&step));
        let waits = matches!(moment, Moment::SleepsThrough | Moment::ComesBetween(_));
        let goes_on = (is_taken && !waits) || self.is_over();
        if moment.is_death() || !goes_on {
            return false;
        }
        self.taken_before_waking = Some(self.processes[0].taken().len());
        self.processes[0].go_on();
        true
    }

    /// POSTs that a process sent late: it had looked at its lease before it was stopped.
    pub(super) fn late_posts(&self) -> usize {
        let Some(before) = self.taken_before_waking else { return 0 };
        let late = self.processes[0].taken().iter().skip(before).filter(|step| *step == POST).count();
        let is_struck = |(step, moment): (&Step, Moment)| step.name == POST && moment != Moment::StopsAfter;
        late + usize::from(self.strike().is_some_and(is_struck))
    }

    /// What the story has happen in the middle.
    async fn turn(&mut self) -> bool {
        let (story, lane) = (self.case.story, self.lane);
        if self.has_turned || !self.is_time_to_turn() {
            return false;
        }
        self.has_turned = true;
        match story {
            Story::Busy => lane.yba.unlock_universe(&self.universe),
            Story::Restart => lane.yba.restart(),
            Story::LateRequest => self.deliver().await,
            Story::Divergence => self.diverge(),
            Story::RunAgain => {
                let batch = self.batches[0].to_string();
                self.ask(BackupRequest::new("db1", "20250325").with_batch(batch));
            }
            Story::Cancel => {
                let batch = self.batches[0].clone();
                self.call(move |replica| {
                    let batch = batch.clone();
                    async move { replica.cancel(&batch).await.map(|_| None) }
                });
            }
            Story::HandOver => {
                let last = self.replicas.len() - 1;
                let leaving = self.replicas[last].clone();
                // It need not come to its end: the process may die in it.
                tokio::spawn(async move { leaving.shutdown().await });
                lane.quiet().await;
                self.shut_down = Some(last);
                self.start_replica(None);
            }
            _ => {}
        }
        true
    }

    fn note_the_post(&mut self) {
        let attempt = self.records.first().and_then(BackupRecord::attempt);
        if self.posted.is_none() && self.lane.yba.count(Endpoint::CreateBackup) > self.posts_before {
            self.posted = attempt.map(|attempt| (self.lane.clock.elapsed(), attempt.id));
        }
    }

    /// The first POST, which was dropped, arrives after all.
    async fn deliver(&self) {
        let (_, attempt) = self.posted.expect("it is time");
        let client = self.lane.yba.client();
        let order = order(&self.lane.yba, &self.universe);
        // Nobody waits for the answer any more.
        let _ = client.backups().create(&order, &RequestId::from(attempt.as_uuid())).await;
    }

    /// YBA ends the task as a success, and the row of its backup as stopped.
    fn diverge(&self) {
        let yba = &self.lane.yba;
        let row =
            yba.backups().into_iter().find(|row| row.universe == self.universe).expect("it was started");
        yba.finish_task(&row.task, Outcome::Success);
        yba.set_backup_state(&row.id, BackupState::Stopped);
    }

    fn is_time_to_turn(&self) -> bool {
        let is_in = |phase: Phase| self.records.first().is_some_and(|record| record.phase == phase);
        match self.case.story {
            Story::Busy => self.posted.is_some(),
            Story::LateRequest => {
                let now = self.lane.clock.elapsed();
                self.posted.is_some_and(|(at, _)| now.saturating_sub(at) >= LATE)
            }
            Story::Restart | Story::Divergence => self.lane.yba.backups_started(&self.universe) > 0,
            Story::RunAgain => is_in(Phase::Done),
            Story::Cancel | Story::HandOver => is_in(Phase::Running),
            _ => false,
        }
    }

    /// Everybody was answered, and every batch has ended.
    fn is_over(&self) -> bool {
        // A request that hangs is in nobody's hands: it arrives also when everything is over.
        if self.case.story == Story::LateRequest && !self.has_turned {
            return false;
        }
        let all_answered = self.calls.is_empty() && self.batches.len() >= self.case.story.batches();
        all_answered && self.yba_is_back_at.is_none() && self.records.iter().all(BackupRecord::is_done)
    }

    /// No replica that is alive has anything left to do.
    fn is_calm(&self) -> bool {
        let is_left = |nth: usize| self.processes[nth].is_stopped() || self.shut_down == Some(nth);
        (0..self.replicas.len()).all(|nth| is_left(nth) || self.replicas[nth].in_flight() == 0)
    }

    fn state(&self) -> String {
        let taken: Vec<Vec<String>> = self.processes.iter().map(Process::taken).collect();
        format!("{} calls without an answer, {:#?}, steps {taken:?}", self.calls.len(), self.records)
    }
}

/// Asks the replica that is in front; again when it is out of reach, and another one when there is one.
async fn until_answered<F>(
    mut front: watch::Receiver<Option<Orchestrator>>,
    clock: Arc<ManualClock>,
    once: impl Fn(Orchestrator) -> F,
) -> Result<Option<BatchId>, Error>
where
    F: Future<Output = Result<Option<BatchId>, Error>>,
{
    loop {
        let replica = front.borrow_and_update().clone().expect("a replica was started");
        tokio::select! {
            answer = once(replica) => match answer {
                Err(Error::Store(_)) => clock.sleep(Duration::from_secs(1)).await,
                answer => return answer,
            },
            _ = front.changed() => {}
        }
    }
}
