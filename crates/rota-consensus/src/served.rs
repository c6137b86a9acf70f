//! Which peers that vote in a past epoch are sent the finalization of its boundary, and how often.
//!
//! A member may be stuck there: the operator that alone holds the finalization has left the committee, and nobody sends
//! anything of a later epoch. Then the chain stands still, so nobody is ahead by more than an epoch or two; a peer
//! further behind hears the running epoch and asks. Each answer costs a read and a message, so everybody else gets none.

use crate::{committees::Committees, keys::PublicKey, scheme::Signatures};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::{Duration, SystemTime},
};

/// How often one peer is answered.
const SERVE_EVERY: Duration = Duration::from_secs(1);

/// How many epochs behind ours a peer may vote to be answered.
const SERVED_EPOCHS: u64 = 2;

/// The peers answered within [`SERVE_EVERY`]: members of the last few committees, so there are few.
#[derive(Default)]
pub(crate) struct Served(BTreeMap<PublicKey, SystemTime>);

impl Served {
    /// Whether a peer that votes in epoch `theirs`, before ours, is answered now; notes that it is.
    pub(crate) fn due<S: Signatures>(
        &mut self,
        committees: &Committees<S>,
        peer: &PublicKey,
        theirs: u64,
        ours: u64,
        now: SystemTime,
    ) -> bool {
        let member = |epoch| committees.members(epoch).is_some_and(|members| members.keys().position(peer).is_some());
        if theirs >= ours || ours - theirs > SERVED_EPOCHS || !(member(theirs) || member(ours)) {
            return false;
        }
        // A clock that was set back must not silence us.
        self.0.retain(|_, at| now.duration_since(*at).is_ok_and(|since| since < SERVE_EVERY));
        match self.0.entry(peer.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(now);
                true
            }
        }
    }
}
