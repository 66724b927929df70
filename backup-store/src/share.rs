//! Lets work that waits share a statement and a commit.
//!
//! An item that arrives while nothing is under way goes at once and alone, in the task of its caller. Items that arrive while
//! others are under way wait for them anyway, and then go together, those of one kind at a time: the kind that has waited most
//! in all, unless the oldest was passed over five times. So nothing is slower at low load, nobody is passed over for ever, and at
//! high load a flush of the disk serves many.

use std::{
    collections::{BTreeMap, HashSet},
    future::Future,
    hash::Hash,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::replay::Repeat;

/// What became of an item.
pub(crate) enum Answer<O> {
    /// Written, with the others.
    Done(O),
    /// Not written with the others, or nobody knows: to be tried alone, where its own case is looked at.
    Alone(Repeat),
    /// The database was waited for in vain, and would be again.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite is never out of reach"))]
    Unavailable(String),
}

/// Whoever was passed over so often is next, whatever else waits.
const PATIENCE: usize = 5;

/// An item that can be written together with others.
pub(crate) trait Item: Send + 'static {
    /// Two items of the same kind of key are never written together.
    type Key: Eq + Hash;

    /// What may occur only once in one statement.
    fn key(&self) -> Self::Key;
}

type Running<O> = Pin<Box<dyn Future<Output = Vec<Answer<O>>> + Send>>;
type Run<I, O> = Box<dyn Fn(Vec<I>) -> Running<O> + Send + Sync>;

/// Items of one kind, and how several of them are written at once.
pub(crate) struct Share<I, O> {
    inner: Arc<Inner<I, O>>,
}

struct Inner<I, O> {
    state: Mutex<State<I, O>>,
    /// Items in a group.
    most: usize,
    /// Items of different kinds are never written together.
    kind: fn(&I) -> usize,
    run: Run<I, O>,
}

struct State<I, O> {
    waiting: Vec<Waiting<I, O>>,
    /// A group is, or a caller's own item.
    is_under_way: bool,
}

struct Waiting<I, O> {
    item: I,
    sender: oneshot::Sender<Answer<O>>,
    /// Groups that went while it waited.
    passed: usize,
}

impl<I: Item, O: Send + 'static> Share<I, O> {
    /// `run` answers its items, all of one kind, in their order.
    pub(crate) fn new<F>(
        most: usize,
        kind: fn(&I) -> usize,
        run: impl Fn(Vec<I>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Vec<Answer<O>>> + Send + 'static,
    {
        let state = Mutex::new(State { waiting: Vec::new(), is_under_way: false });
        let run: Run<I, O> = Box::new(move |items| Box::pin(run(items)));
        Self { inner: Arc::new(Inner { state, most, kind, run }) }
    }

    /// Writes an item, with whoever waits too.
    ///
    /// A caller that goes away does not take its item back: it may be written.
    pub(crate) async fn ask(&self, item: I) -> Answer<O> {
        let receiver = {
            let mut state = self.inner.lock();
            if state.is_under_way {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push(Waiting { item, sender, passed: 0 });
                Ok(receiver)
            } else {
                state.is_under_way = true;
                Err(item)
            }
        };
        // Without an answer the item's own case is to be looked at: what became of it is not known.
        let unknown = Answer::Alone(Repeat::Possible);
        match receiver {
            Ok(receiver) => receiver.await.unwrap_or(unknown),
            // Nothing is under way: it goes at once, in this very task.
            Err(item) => {
                let _turn = Turn(&self.inner);
                (self.inner.run)(vec![item]).await.pop().unwrap_or(unknown)
            }
        }
    }
}

/// The turn of a caller that found nothing under way. When it ends, however it ends, those who came meanwhile go on in a task of
/// their own.
struct Turn<'a, I: Item, O: Send + 'static>(&'a Arc<Inner<I, O>>);

impl<I: Item, O: Send + 'static> Drop for Turn<'_, I, O> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // Without a runtime it is the end of the process, and nobody waits.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !state.waiting.is_empty() => {
                // A runtime that shuts down drops it right here, which takes the lock.
                drop(state);
                runtime.spawn(Arc::clone(self.0).work(Unfinished(Some(Arc::clone(self.0)))));
            }
            _ => state.is_under_way = false,
        }
    }
}

impl<I: Item, O: Send + 'static> Inner<I, O> {
    /// Writes groups until nobody waits.
    async fn work(self: Arc<Self>, mut unfinished: Unfinished<I, O>) {
        while let Some(group) = self.next_group() {
            let (items, senders): (Vec<I>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.item, waiting.sender)).unzip();
            let answers = (self.run)(items).await;
            for (answer, sender) in answers.into_iter().zip(senders) {
                // A caller that went away needs no answer.
                let _ = sender.send(answer);
            }
        }
        unfinished.0 = None;
    }

    /// The next items that may go together, in the order of their arrival.
    fn next_group(&self) -> Option<Vec<Waiting<I, O>>> {
        let mut state = self.lock();
        let Some(next) = self.next_kind(&state.waiting) else {
            state.is_under_way = false;
            return None;
        };
        let mut keys = HashSet::new();
        let (mut group, mut later) = (Vec::new(), Vec::new());
        for mut waiting in std::mem::take(&mut state.waiting) {
            let fits = (self.kind)(&waiting.item) == next
                && group.len() < self.most
                && keys.insert(waiting.item.key());
            if fits {
                group.push(waiting);
            } else {
                waiting.passed += 1;
                later.push(waiting);
            }
        }
        state.waiting = later;
        Some(group)
    }

    /// The kind that has waited most (its items, and how often each was passed over), unless the oldest item has run out of
    /// patience.
    fn next_kind(&self, waiting: &[Waiting<I, O>]) -> Option<usize> {
        if let Some(oldest) = waiting.first().filter(|oldest| oldest.passed >= PATIENCE) {
            return Some((self.kind)(&oldest.item));
        }
        let mut waits = BTreeMap::<usize, usize>::new();
        for waiting in waiting {
            *waits.entry((self.kind)(&waiting.item)).or_default() += 1 + waiting.passed;
        }
        waits.into_iter().max_by_key(|(_, waits)| *waits).map(|(kind, _)| kind)
    }

    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped before its end by a panic, or by a runtime that shuts down: makes room for the next group, and lets those who wait
/// try alone.
struct Unfinished<I: Item, O: Send + 'static>(Option<Arc<Inner<I, O>>>);

impl<I: Item, O: Send + 'static> Drop for Unfinished<I, O> {
    fn drop(&mut self) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.lock();
        state.is_under_way = false;
        state.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    struct Number(u32);

    impl Item for Number {
        type Key = u32;

        fn key(&self) -> u32 {
            self.0
        }
    }

    type Groups = Arc<Mutex<Vec<Vec<u32>>>>;

    /// A share that notes its groups, each of which waits for the gate.
    fn gated(most: usize) -> (Arc<Share<Number, u32>>, Arc<Notify>, Groups) {
        let (gate, groups) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let (waits, notes) = (Arc::clone(&gate), Arc::clone(&groups));
        let hundreds = |number: &Number| usize::from(number.0 >= 100);
        let share = Share::new(most, hundreds, move |items: Vec<Number>| {
            let (waits, notes) = (Arc::clone(&waits), Arc::clone(&notes));
            async move {
                waits.notified().await;
                notes.lock().unwrap().push(items.iter().map(|item| item.0).collect::<Vec<_>>());
                items.into_iter().map(|item| Answer::Done(item.0 * 10)).collect()
            }
        });
        (Arc::new(share), gate, groups)
    }

    async fn ask_all(share: &Arc<Share<Number, u32>>, numbers: &[u32]) -> Vec<tokio::task::JoinHandle<u32>> {
        let mut asked = Vec::new();
        for &number in numbers {
            let share = Arc::clone(share);
            asked.push(tokio::spawn(async move {
                match share.ask(Number(number)).await {
                    Answer::Done(answer) => answer,
                    _ => panic!("everything is written"),
                }
            }));
            tokio::task::yield_now().await;
        }
        asked
    }

    #[tokio::test]
    async fn the_first_goes_alone_and_those_who_waited_go_together() {
        let (share, gate, groups) = gated(10);
        let asked = ask_all(&share, &[1, 2, 3, 4]).await;
        for _ in 0..2 {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        for (asked, expected) in asked.into_iter().zip([10, 20, 30, 40]) {
            assert_eq!(asked.await.unwrap(), expected);
        }
        assert_eq!(*groups.lock().unwrap(), [vec![1], vec![2, 3, 4]]);
    }

    #[tokio::test]
    async fn equal_keys_and_too_many_items_go_one_group_later() {
        let (share, gate, groups) = gated(3);
        let asked = ask_all(&share, &[1, 2, 2, 3, 4, 5]).await;
        for asked in asked {
            gate.notify_one();
            assert!(asked.await.unwrap() > 0);
        }
        assert_eq!(*groups.lock().unwrap(), [vec![1], vec![2, 3, 4], vec![2, 5]]);
    }

    #[tokio::test]
    async fn a_kind_of_few_is_not_passed_over_for_ever() {
        let (share, gate, groups) = gated(2);
        let mut asked = ask_all(&share, &[1, 100]).await;
        // More of the other kind arrive than are written.
        for turn in 0..10 {
            asked.extend(ask_all(&share, &[2 + 3 * turn, 3 + 3 * turn, 4 + 3 * turn]).await);
            gate.notify_one();
            tokio::task::yield_now().await;
        }
        let place = groups.lock().unwrap().iter().position(|group| *group == [100]);
        assert_eq!(place, Some(1 + PATIENCE));
        for asked in asked {
            gate.notify_one();
            asked.await.unwrap();
        }
    }

    #[test]
    fn a_runtime_that_shuts_down_lets_go_of_those_who_wait() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let share = runtime.block_on(async {
            let (share, _gate, _) = gated(10);
            ask_all(&share, &[1, 2, 3]).await;
            while share.inner.lock().waiting.len() < 2 {
                tokio::task::yield_now().await;
            }
            share
        });
        // It would hang here.
        drop(runtime);
        assert!(share.inner.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_group_that_panics_leaves_its_items_to_be_tried_alone() {
        let gate = Arc::new(Notify::new());
        let waits = Arc::clone(&gate);
        let share = Arc::new(Share::new(
            10,
            |_| 0,
            move |items: Vec<Number>| {
                let waits = Arc::clone(&waits);
                async move {
                    waits.notified().await;
                    assert!(items.len() == 1, "a bug");
                    vec![Answer::Done(items[0].0)]
                }
            },
        ));
        let ask = |number| {
            let share: Arc<Share<Number, u32>> = Arc::clone(&share);
            tokio::spawn(async move { share.ask(Number(number)).await })
        };
        let mut asked = Vec::new();
        for number in 0..3 {
            asked.push(ask(number));
            tokio::task::yield_now().await;
        }
        let mut answers = Vec::new();
        for asked in asked {
            gate.notify_one();
            answers.push(asked.await.unwrap());
        }
        assert!(matches!(
            answers[..],
            [Answer::Done(0), Answer::Alone(Repeat::Possible), Answer::Alone(Repeat::Possible)]
        ));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_lets_the_others_go_on() {
        let (share, gate, groups) = gated(10);
        let gone = tokio::spawn({
            let share = Arc::clone(&share);
            async move { share.ask(Number(1)).await }
        });
        tokio::task::yield_now().await;
        let asked = ask_all(&share, &[2, 3]).await;
        gone.abort();
        for asked in asked {
            gate.notify_one();
            assert!(asked.await.unwrap() > 0);
        }
        assert_eq!(*groups.lock().unwrap(), [vec![2, 3]]);
    }
}
