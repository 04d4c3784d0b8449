//! What an operator sees of a live call.

use model::record::Capability;
use model::{CallId, Did, Instant, MeetingId, Money, UnixTime};

use crate::call::Call;
use crate::call::file::Payer;
use crate::routing::Figures;

/// One live call, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCall {
    /// Our id.
    pub call: CallId,
    /// The carrier's Call-ID.
    pub sip_call_id: String,
    /// The trunk's name.
    pub trunk: String,
    /// `ringing`, `identifying`, `seated`, …: the state's name.
    pub state: &'static str,
    /// Who calls; shown masked.
    pub caller: Option<Did>,
    /// What was dialled; shown masked.
    pub called: Option<Did>,
    /// The meeting's id, once known.
    pub meeting: Option<MeetingId>,
    /// When the INVITE came.
    pub invited: UnixTime,
    /// Connected seconds so far.
    pub connected_secs: u64,
    /// Who pays, once known.
    pub capability: Option<Capability>,
    /// Seconds left that are paid for, if charged.
    pub funded_left_secs: Option<u64>,
    /// Set aside for the leg so far, what is captured of it included, if charged. Slices telescope,
    /// so it is the price of the paid time.
    pub held: Option<Money>,
}

/// One trunk, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkView {
    /// Its name.
    pub name: String,
    /// Its group, if calls leave by it.
    pub group: Option<String>,
    /// `up`, `dial_in_only`, or why no call would leave by it now.
    pub state: &'static str,
    /// What kept us from reaching it when that was last tried; nothing may.
    pub trouble: Option<&'static str>,
    /// Live calls of it.
    pub calls_in: u32,
    /// Live calls of ours by it.
    pub calls_out: u32,
    /// Its calls of the last hour.
    pub hour_in: Figures,
    /// Ours by it of the last hour.
    pub hour_out: Figures,
}

/// Shows a call.
pub(crate) fn live(call: &Call, now: Instant) -> LiveCall {
    let file = &call.file;
    let charged = file.terms().is_some();
    LiveCall {
        call: file.call,
        sip_call_id: file.sip_call_id.clone(),
        trunk: file.trunk.name.clone(),
        state: call.state.name(),
        caller: file.caller.clone(),
        called: file.called.clone(),
        meeting: file.host.as_ref().map(|host| host.meeting.id),
        invited: file.invited.unix,
        connected_secs: file.connected(now).as_secs(),
        capability: match file.payer {
            Payer::Nobody => None,
            Payer::Included | Payer::Credits(_) => Some(file.capability()),
        },
        funded_left_secs: charged.then(|| file.funded_until().since(now).as_secs()),
        held: file.terms().and_then(|t| credits::charge(&t.rate, file.funded_secs.into())),
    }
}
