//! What is told of an answered leg, whichever state its call is in.

use bytes::Bytes;
use media::Silence;
use model::Instant;

use crate::call::State;
use crate::call::file::File;
use crate::call::identifying::unproven;
use crate::call::leaving::{self, Wire};
use crate::call::line::{Confirmed, Line};
use crate::ending::Cause;
use crate::turn::Turn;

/// Something was told of the leg.
#[derive(Debug)]
pub(crate) enum News {
    /// ACK came.
    Confirmed(Option<Bytes>),
    /// A re-INVITE or UPDATE came; before the answer, perhaps a PRACK.
    Offered(Option<Bytes>),
    /// A re-INVITE of ours was answered by this SDP.
    Agreed(Bytes),
    /// Signalling proved life.
    Alive,
    /// The peer was asked for life; the answer proves neither life nor death.
    Unproven,
    /// The first RTP came.
    Heard(Instant),
    /// Media began or ended to be silent.
    Life(Silence),
}

impl Line {
    /// Takes what was told. Returns whether the leg's media was opened by it.
    ///
    /// # Errors
    /// The state that follows if the call cannot go on: media that cannot be agreed on, or no hope
    /// of life.
    pub(crate) fn learn(
        &mut self,
        news: News,
        file: &mut File,
        turn: &mut Turn<'_>,
    ) -> Result<Confirmed, State> {
        let now = turn.now.mono;
        let taken = match news {
            News::Confirmed(answer) => self.confirmed(answer.as_ref(), file, turn),
            News::Agreed(answer) => self.agreed(&answer, file, turn),
            News::Offered(offer) => {
                self.offered(offer.as_ref(), file, turn);
                Ok(Confirmed::Plain)
            }
            News::Alive => {
                self.alive(now);
                Ok(Confirmed::Plain)
            }
            News::Unproven => return unproven(self, file, turn).map_or(Ok(Confirmed::Plain), Err),
            News::Heard(at) => {
                self.hears(at);
                Ok(Confirmed::Plain)
            }
            News::Life(silence) => {
                self.life(silence, now);
                Ok(Confirmed::Plain)
            }
        };
        let refused = |refusal| leaving::end(Cause::Refused(refusal), now, Wire::Bye, file, turn);
        taken.map_err(refused)
    }
}
