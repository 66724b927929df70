//! The proof of the promise: exactly one backup counts for a batch, nothing is lost, and no surplus stays unknown.
//!
//! [`protocol`] is an exhaustive model of what replicas, store and YBA do to one batch. The README says how it is read and
//! run. The other proofs act on the real code: the matrix of faults in `backup-store`, and the trials with real processes
//! in `backup-http`; `docs/testing.md` has all three.

pub mod protocol;
