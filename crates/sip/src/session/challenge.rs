//! 401 and 407 to requests of ours (RFC 3261 §22).

use model::{CallId, Instant, TrunkId};

use crate::endpoint::{Counted, Endpoint};
use crate::message::Message;
use crate::message::wire::Lines;
use crate::transaction::client::Purpose;
use crate::trunk::digest::{Authentication, Learnt};

impl Endpoint {
    /// Writes the credentials of a request in a dialog that we began, for what was challenged in it
    /// so far.
    pub(crate) fn vouch(
        &mut self,
        trunk: TrunkId,
        known: Option<&mut Authentication>,
        about: (&str, &str),
    ) -> Lines {
        let Some(known) = known else { return Lines::new() };
        let own = self.chance.nonce();
        known.lines(self.trunks.credentials(trunk), about, &own)
    }

    /// Takes an answer to a request of ours; returns whether it is a challenge that is worth asking
    /// again. `proved` tells that the trunk took the credentials before.
    pub(crate) fn learn_challenge(
        &mut self,
        (trunk, known): (TrunkId, &mut Authentication),
        status: u16,
        answer: &Message<'_>,
        proved: bool,
    ) -> bool {
        if !matches!(status, 401 | 407) {
            return false;
        }
        match known.learn(status, answer, self.trunks.credentials(trunk), proved) {
            Learnt::Anew => true,
            Learnt::Useless => false,
            Learnt::Foreign => {
                self.count(Counted::ForeignRealm);
                false
            }
        }
    }

    /// Takes an answer to a request in a live dialog; returns whether it is a challenge that is
    /// worth asking again.
    pub(crate) fn challenged_live(
        &mut self,
        id: CallId,
        status: u16,
        answer: &Message<'_>,
    ) -> bool {
        let Some(mut call) = self.calls.remove(&id) else { return false };
        let worth = call
            .known
            .as_deref_mut()
            .is_some_and(|known| self.learn_challenge((call.trunk, known), status, answer, true));
        self.calls.insert(id, call);
        worth
    }

    /// Takes the answer to a request in a live dialog. If it is a challenge that is worth it, asks
    /// again and tells so.
    pub(crate) fn asked_again(
        &mut self,
        purpose: &Purpose,
        status: u16,
        answer: &Message<'_>,
        now: Instant,
    ) -> bool {
        match purpose {
            &Purpose::Ping(call, way) => {
                self.challenged_live(call, status, answer) && self.ask_in(call, way, now)
            }
            &Purpose::Refresh(call) => {
                self.challenged_live(call, status, answer) && self.refresh(call, now)
            }
            Purpose::Prack(pracked) => self.pracked_again(pracked, status, answer, now),
            Purpose::Bye(_)
            | Purpose::Cancel
            | Purpose::Orphan(_)
            | Purpose::Health(_)
            | Purpose::Register(_) => false,
        }
    }
}
