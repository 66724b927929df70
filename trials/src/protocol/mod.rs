//! One batch, N replicas, one store, one YBA, and everything that can happen to them in any order.
//!
//! Read it in this order: [`record`] is what is known of the batch, [`store`] who may write it, [`yba`] what a POST does,
//! [`replica`] and [`audit`] the steps of the service, [`world`] everything that can happen (`steps.rs` says when, `effects.rs` what
//! follows), [`properties`] the promise, [`config`] the bounds. The names are those of `backup_core`, so that a change there can be made here.
//!
//! Time is no number here. That the settling time has passed means: every POST has arrived but those that are *late*, a
//! fault. A late POST, and that of a process that was stopped, may arrive at any later moment. A lease may end as soon as its
//! owner is dead or stopped. Nothing that a process knows of its own lease is trusted: a process may always have been
//! stopped right after it looked.
//!
//! What is left out: several batches of one universe, a YBA that restarts, a store that does not answer. The matrix has them.

pub mod audit;
pub mod config;
mod effects;
pub mod properties;
pub mod record;
pub mod replica;
mod steps;
pub mod store;
pub mod world;
pub mod yba;

use stateright::{Model, Property};

use self::{
    config::Config,
    world::{Action, World},
};

/// The protocol within its bounds, to be checked.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// The bounds.
    pub config: Config,
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.config)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.steps(&self.config, actions);
        world.faults(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.take(action, &self.config);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
