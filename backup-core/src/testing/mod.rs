//! For tests of this workspace and of anyone who implements its traits (feature `testing`).
//!
//! * [`ManualClock`]: time that a test moves.
//! * [`InMemoryStore`]: a real [`TrackingStore`](crate::TrackingStore) without a database.
//! * `conformance`: the store's contract as test functions.
//! * [`ScriptedStrategy`]: a strategy that answers what a test says.
//! * `fixtures`: samples.
//! * [`MockConfigResolver`], [`MockTrackingStore`], [`MockBackupStrategy`]: mockall's mocks, for what no real part can show.

mod clock;
pub mod conformance;
pub mod fixtures;
mod in_memory;
mod scripted;

pub use self::{
    clock::ManualClock,
    in_memory::{InMemoryStore, Moment},
    scripted::ScriptedStrategy,
};
pub use crate::{config::MockConfigResolver, store::MockTrackingStore, strategy::MockBackupStrategy};
