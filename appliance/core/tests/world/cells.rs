//! Owns: which cells of the five printed tables were used, and how often.
//! Never: decides which must be.
//! Called by: the walk, the exploration.

use parloir_core::{State, call, camera, maintenance, remote, session};
use std::collections::BTreeMap;

type Used<K, C> = BTreeMap<(K, C), u64>;

#[derive(Clone, Debug, Default)]
pub struct Cells {
    pub call: Used<call::Kind, call::Cause>,
    pub camera: Used<camera::Kind, camera::Cause>,
    pub remote: Used<remote::Kind, remote::Cause>,
    pub maintenance: Used<maintenance::Kind, maintenance::Cause>,
    pub session: Used<session::Kind, session::Cause>,
}

fn count<K: Ord + Copy, C: Ord + Copy>(used: &mut Used<K, C>, rows: &[(K, C, K)]) {
    for (kind, cause, _) in rows {
        *used.entry((*kind, *cause)).or_default() += 1;
    }
}

fn merge<K: Ord + Copy, C: Ord + Copy>(used: &mut Used<K, C>, other: &Used<K, C>) {
    for (cell, times) in other {
        *used.entry(*cell).or_default() += times;
    }
}

impl Cells {
    /// Those of the last step.
    pub fn note(&mut self, state: &State) {
        count(&mut self.call, state.rows());
        count(&mut self.camera, state.door_rows());
        count(&mut self.remote, state.key_rows());
        count(&mut self.maintenance, state.shifts());
        count(&mut self.session, state.session_rows());
    }

    pub fn add(&mut self, other: &Self) {
        merge(&mut self.call, &other.call);
        merge(&mut self.camera, &other.camera);
        merge(&mut self.remote, &other.remote);
        merge(&mut self.maintenance, &other.maintenance);
        merge(&mut self.session, &other.session);
    }

    pub fn len(&self) -> usize {
        self.call.len() + self.camera.len() + self.remote.len() + self.maintenance.len() + self.session.len()
    }
}
