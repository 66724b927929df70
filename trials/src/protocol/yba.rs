//! YBA, as far as the protocol sees it: it accepts one task at a time, runs it, and forgets nothing.

use super::record::AttemptId;

/// A task, by the order in which YBA accepted it.
pub type TaskId = usize;

/// Task and backup in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// It runs.
    Open,
    /// Task `Success` and backup `Completed`.
    Completed,
    /// It ended without a backup.
    Failed,
    /// It was aborted, at our request.
    Aborted,
}

/// A task of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// The `X-REQUEST-ID` of the POST, shown as `correlationId`.
    pub attempt: AttemptId,
    /// What became of it.
    pub state: TaskState,
}

/// A POST that YBA has not received yet. Nothing stops it: not the end of its sender, nor a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Post {
    /// Its `X-REQUEST-ID`.
    pub attempt: AttemptId,
    /// It takes longer than the settling time.
    pub is_late: bool,
}

/// What YBA answers to a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A task runs for it.
    Accepted(TaskId),
    /// The universe is locked by another task: nothing was started.
    Busy,
}

/// The server and the way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Yba {
    /// On their way, in no order.
    pub posts: Vec<Post>,
    /// Every task of the batch, oldest first.
    pub tasks: Vec<Task>,
}

impl Yba {
    /// A request leaves its sender.
    pub fn send(&mut self, attempt: AttemptId) {
        self.posts.push(Post { attempt, is_late: false });
        self.posts.sort_unstable();
    }

    /// Whether a request is under way that arrives before the settling time is over.
    pub fn has_prompt_post(&self) -> bool {
        self.posts.iter().any(|post| !post.is_late)
    }

    /// Whether a task holds the universe's lock.
    pub fn is_busy(&self) -> bool {
        self.tasks.iter().any(|task| task.state == TaskState::Open)
    }

    /// A request arrives.
    pub fn receive(&mut self, post: usize) -> (AttemptId, Answer) {
        let Post { attempt, .. } = self.posts.remove(post);
        if self.is_busy() {
            return (attempt, Answer::Busy);
        }
        self.tasks.push(Task { attempt, state: TaskState::Open });
        (attempt, Answer::Accepted(self.tasks.len() - 1))
    }

    /// Ends a task that runs; one that is over stays as it is.
    pub fn end(&mut self, task: TaskId, state: TaskState) {
        let task = &mut self.tasks[task];
        if task.state == TaskState::Open {
            task.state = state;
        }
    }

    /// The task list: every task with its id.
    pub fn list(&self) -> impl Iterator<Item = (TaskId, Task)> {
        self.tasks.iter().copied().enumerate()
    }
}
