//! The path of a backup as stories, on the in-memory store and a clock that the test moves.

mod audit;
mod crashes;
mod foreign;
mod model;
mod once;
mod outage;
mod path;
mod pruning;
mod requests;
mod seams;
mod world;
mod yba;
mod yba_audit;
