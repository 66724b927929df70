//! The cases: every story with everything that can go wrong in it.

use std::{fmt, time::Duration};

use yba_client::simulator::{Endpoint, Fault, Script};

use super::{
    lane::Engine,
    process::{Moment, Step},
    story::Story,
};

/// A story on an engine, and what goes wrong in it.
pub(super) struct Case {
    pub(super) engine: Engine,
    pub(super) story: Story,
    pub(super) trouble: Trouble,
}

pub(super) enum Trouble {
    None,
    /// A step of the first replica.
    Strike {
        step: Step,
        moment: Moment,
    },
    /// An answer of YBA.
    Fault {
        endpoint: Endpoint,
        fault: NamedFault,
        times: u32,
    },
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.engine, self.story)?;
        match &self.trouble {
            Trouble::None => Ok(()),
            Trouble::Strike { step, moment } => write!(f, ", where {step} {moment}"),
            Trouble::Fault { endpoint, fault, times: 1 } => write!(f, ", where {endpoint:?} {fault}"),
            Trouble::Fault { endpoint, fault, times } => {
                write!(f, ", where {endpoint:?} {fault}, {times} times")
            }
        }
    }
}

/// A fault of the simulator.
#[derive(Clone, Debug)]
pub(super) struct NamedFault {
    fault: Fault,
    work_done: bool,
}

impl NamedFault {
    pub(super) fn script(&self, times: u32) -> Script {
        let script = self.fault.clone().times(times);
        if self.work_done { script.work_done() } else { script }
    }

    /// An answer to the POST that ends the batch: YBA has read it and refused.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.fault, Fault::Status { code: 400..=404 | 409, .. }) && !self.is_busy()
    }

    /// An answer that refuses the token.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self.fault, Fault::Status { code: 401 | 403, .. })
    }

    fn is_busy(&self) -> bool {
        matches!(&self.fault, Fault::Status { body, .. } if body.contains(BUSY))
    }

    /// Every kind of fault there is, and the statuses that mean different things.
    pub(super) fn all() -> Vec<Self> {
        let plain = [
            Fault::Delay(Duration::from_millis(5)),
            Fault::DropBeforeAcceptance,
            Fault::DropAfterAcceptance,
            Fault::Truncated,
            Fault::Reset,
            Fault::Unreadable200,
            Fault::Html,
            Fault::status(500, "internal"),
            Fault::plain(503, "YBA is shutting down"),
            Fault::plain(503, "API not available for follower YBA"),
            Fault::plain(504, "upstream request timeout"),
            Fault::plain(429, "slow down"),
            Fault::status(400, "a bad request"),
            Fault::plain(401, "Unable To Authenticate User"),
            Fault::plain(403, "User doesn't have access"),
            Fault::status(404, "no such thing"),
            Fault::status(409, "a conflict of another kind"),
            Fault::status(409, BUSY),
        ];
        // A proxy gave up on a request that YBA carried out.
        let done =
            [Fault::Html, Fault::status(500, "internal"), Fault::plain(504, "upstream request timeout")];
        let faults = plain.into_iter().map(|fault| Self { fault, work_done: false });
        faults.chain(done.into_iter().map(|fault| Self { fault, work_done: true })).collect()
    }
}

/// As YBA says it.
const BUSY: &str = "Task CreateBackup cannot be queued on existing task EditUniverse";

impl fmt::Display for NamedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::Status { code, body, .. } => write!(f, "answers {code} {body}")?,
            other => write!(f, "meets {other:?}")?,
        }
        if self.work_done { f.write_str(" with its work done") } else { Ok(()) }
    }
}

/// What a story consists of, as it goes without trouble.
pub(super) struct Outline {
    pub(super) story: Story,
    /// The steps of its first replica, in their order.
    pub(super) steps: Vec<String>,
    /// The calls that reached YBA.
    pub(super) calls: Vec<Endpoint>,
}

/// Every case of these stories. Unless `whole`, a step or a call that an earlier story has in the same place is left to that story.
pub(super) fn cases(engine: Engine, outlines: &[Outline], whole: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let (mut known_steps, mut known_calls) = (Vec::new(), Vec::new());
    for outline in outlines {
        let mut add = |trouble| cases.push(Case { engine, story: outline.story, trouble });
        add(Trouble::None);
        for step in steps(&outline.steps) {
            if !whole && !outline.story.has_steps_of_its_own() && known_steps.contains(&step) {
                continue;
            }
            for moment in Moment::ALL {
                if moment.befalls(&step) {
                    add(Trouble::Strike { step: step.clone(), moment });
                }
            }
            known_steps.push(step);
        }
        for &endpoint in &outline.calls {
            if !whole && !outline.story.has_steps_of_its_own() && known_calls.contains(&endpoint) {
                continue;
            }
            known_calls.push(endpoint);
            for fault in NamedFault::all() {
                for times in [1, 3] {
                    add(Trouble::Fault { endpoint, fault: fault.clone(), times });
                }
            }
        }
    }
    cases
}

/// Each step for the first time, and the second where it is taken again and again.
fn steps(taken: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for name in taken {
        if steps.iter().any(|step| step.name == *name) {
            continue;
        }
        steps.push(Step { name: name.clone(), nth: 1 });
        if taken.iter().filter(|other| *other == name).count() > 2 {
            steps.push(Step { name: name.clone(), nth: 2 });
        }
    }
    steps
}
