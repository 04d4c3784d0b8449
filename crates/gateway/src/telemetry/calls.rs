//! Meters of what the bridge notes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bridge::refusal::Guard;
use bridge::routing::Attempt;
use bridge::shield::Alarm;
use bridge::{LiveCall, Note};
use metrics::{Counter, Gauge, Histogram};
use model::Money;
use model::record::{NumberType, ServiceNumber, Trunk};

use super::{Telemetry, whole};

impl Telemetry {
    /// Returns the meters of what the bridge notes.
    pub(crate) fn bridge(&self) -> BridgeMeters {
        let meters = self.bridge_meters();
        // They count rarely: an alert sees only a rise from what was there before.
        Alarm::all().for_each(|alarm| meters.abuse(alarm).increment(0));
        meters
    }

    fn bridge_meters(&self) -> BridgeMeters {
        BridgeMeters {
            telemetry: self.clone(),
            labelled: self.guards(),
            states: BTreeMap::new(),
            answer: self
                .histogram("tollgate_bridge_answer_seconds", "From an INVITE to its 200 OK."),
            dial: self.histogram(
                "tollgate_bridge_dial_seconds",
                "From an order to call somebody to the INVITE: policy, route and hold.",
            ),
            reach: self.histogram(
                "tollgate_bridge_reach_seconds",
                "From an order to call somebody to the 200 OK.",
            ),
            overrun: self.histogram(
                "tollgate_media_cut_overrun_seconds",
                "From the end of paid time to the tick that cut the leg.",
            ),
            cut_to_bye: self.histogram(
                "tollgate_bridge_cut_to_bye_seconds",
                "From the end of paid time to the BYE.",
            ),
            began: self.plain("tollgate_bridge_calls_began_total", "INVITEs that became a call."),
            connected: self
                .plain("tollgate_bridge_connected_seconds_total", "Connected time of ended calls."),
            rescues: self.plain(
                "tollgate_bridge_rescues_total",
                "Legs that a top-up or a release saved in their last slice.",
            ),
            digits: self.plain("tollgate_bridge_digits_total", "Keys that callers pressed."),
            faxes: self.plain(
                "tollgate_bridge_faxes_total",
                "Legs taken out of the mix because a fax machine was heard.",
            ),
            captured: self.plain(
                "tollgate_bridge_closed_charges_micros_total",
                "Charges of closed legs, millionths of their currency.",
            ),
            unattributed: self.plain(
                "tollgate_bridge_unattributed_micros_total",
                "Time that nobody pays for, at list price, millionths.",
            ),
            lost: self.plain("tollgate_media_lost_total", "RTP packets missing on closed legs."),
            forged: self.plain(
                "tollgate_media_forged_total",
                "SRTP packets on closed legs that were not authentic or came before.",
            ),
            dropped: self.plain(
                "tollgate_media_dropped_total",
                "RTP packets dropped on closed legs: strangers', malformed, unknown.",
            ),
            unsent: self
                .plain("tollgate_sip_unsent_total", "SIP messages that the network did not take."),
            truncated: self.plain(
                "tollgate_sip_truncated_total",
                "Datagrams longer than a SIP message may be.",
            ),
            overflow: self.plain(
                "tollgate_store_overflow_total",
                "Requests that the full queue of the storekeeper did not take.",
            ),
        }
    }

    /// Counters of what guards turn away, there from the beginning: an alarm that waits for an
    /// increase would not see the first refusal in a series that begins with it.
    fn guards(&self) -> BTreeMap<(&'static str, Cow<'static, str>), Counter> {
        let (name, help) = REFUSALS;
        let counters = Guard::ALL.into_iter().map(|guard| {
            let reason = guard.row().label;
            let counter = self.counter(name, help, &[("reason", reason)]);
            counter.increment(0);
            ((name, Cow::Borrowed(reason)), counter)
        });
        counters.collect()
    }
}

/// Where guards' refusals are counted.
const REFUSALS: (&str, &str) =
    ("tollgate_bridge_refusals_total", "Calls turned away, before or after answer, by reason.");

/// Meters of what the bridge notes and of the loop around it.
pub(crate) struct BridgeMeters {
    pub(super) telemetry: Telemetry,
    /// By name and label value.
    labelled: BTreeMap<(&'static str, Cow<'static, str>), Counter>,
    /// By name of a state.
    states: BTreeMap<&'static str, Gauge>,
    answer: Histogram,
    dial: Histogram,
    reach: Histogram,
    overrun: Histogram,
    cut_to_bye: Histogram,
    began: Counter,
    connected: Counter,
    rescues: Counter,
    digits: Counter,
    faxes: Counter,
    captured: Counter,
    unattributed: Counter,
    lost: Counter,
    dropped: Counter,
    forged: Counter,
    unsent: Counter,
    truncated: Counter,
    overflow: Counter,
}

impl BridgeMeters {
    /// Counts a note.
    pub(crate) fn note(&mut self, note: &Note) {
        match note {
            Note::Sip(counted) => self.sip(*counted),
            Note::CallBegan { call: _ } => self.began.increment(1),
            Note::Answered { after } => self.answer.record(*after),
            Note::Dialled { after } => self.dial.record(*after),
            Note::Reached { after } => self.reach.record(*after),
            Note::DialOut { outcome } => self.labelled(
                "tollgate_bridge_dial_outs_total",
                "Calls of ours that are over or were refused, by outcome.",
                ("outcome", (*outcome).into()),
            ),
            Note::Attempted { trunk, attempt } => self.attempted(trunk, attempt),
            Note::OneWay { trunk, direction } => {
                let help = "Answered legs from which no media ever came, by trunk and direction.";
                let of = [("trunk", trunk.name.as_str()), ("direction", direction.label())];
                let name = "tollgate_bridge_trunk_one_way_total";
                self.telemetry.counter(name, help, &of).increment(1);
            }
            Note::Reachable { trunk, up } => {
                let help = "Whether calls may leave by a trunk, as OPTIONS or REGISTER told.";
                let labels = [("trunk", trunk.name.as_str())];
                let gauge = self.telemetry.gauge("tollgate_bridge_trunk_up", help, &labels);
                gauge.set(if *up { 1.0 } else { 0.0 });
            }
            Note::Troubled { trunk, trouble } => {
                let help = "How often something new kept us from reaching a trunk, by reason.";
                let of = [("trunk", trunk.name.as_str()), ("reason", trouble.label())];
                let name = "tollgate_sip_trunk_troubles_total";
                self.telemetry.counter(name, help, &of).increment(1);
            }
            Note::Seated { number_type, charged } => self.seated(*number_type, *charged),
            Note::Refused(refusal) => {
                self.labelled(REFUSALS.0, REFUSALS.1, ("reason", refusal.label().into()));
            }
            Note::Cut { overrun } => self.overrun.record(*overrun),
            Note::CutSignalled { after } => self.cut_to_bye.record(*after),
            Note::Warned { seconds } => self.labelled(
                "tollgate_bridge_warnings_total",
                "Warnings of the end of credit, by seconds left.",
                ("seconds", seconds.to_string().into()),
            ),
            Note::Rescued => self.rescues.increment(1),
            Note::Digit => self.digits.increment(1),
            Note::Fax => self.faxes.increment(1),
            Note::Overload(over) => self.overloaded(*over),
            Note::Abuse(alarm) => self.abuse(*alarm).increment(1),
            Note::Pumping { number, permille } => self.pumping(number, *permille),
            Note::CallEnded { call: _, label, connected } => {
                self.connected.increment(connected.as_secs());
                self.labelled(
                    "tollgate_bridge_calls_ended_total",
                    "Calls that are over, by ending.",
                    ("ending", (*label).into()),
                );
            }
            Note::Captured { account: _, charge } => self.captured.increment(micros(*charge)),
            Note::Unattributed { value } => self.unattributed.increment(micros(*value)),
            Note::MediaClosed(stats) => {
                self.lost.increment(stats.lost);
                self.dropped.increment(stats.dropped);
                self.forged.increment(stats.forged);
            }
        }
    }

    /// Shows how many calls live in each state.
    pub(crate) fn live(&mut self, calls: &[LiveCall]) {
        let mut counts: BTreeMap<&'static str, usize> =
            self.states.keys().map(|state| (*state, 0)).collect();
        for call in calls {
            *counts.entry(call.state).or_default() += 1;
        }
        for (state, count) in counts {
            let telemetry = &self.telemetry;
            let gauge = self.states.entry(state).or_insert_with(|| {
                let labels = [("state", state)];
                telemetry.gauge("tollgate_bridge_calls", "Live calls, by state.", &labels)
            });
            gauge.set(whole(count));
        }
    }

    /// Counts messages that the network did not take.
    pub(crate) fn unsent(&self, messages: usize) {
        self.unsent.increment(u64::try_from(messages).unwrap_or(u64::MAX));
    }

    /// Counts a datagram that was too long.
    pub(crate) fn truncated(&self) {
        self.truncated.increment(1);
    }

    /// Counts a request that the full queue did not take.
    pub(crate) fn overflowed(&self) {
        self.overflow.increment(1);
    }

    fn seated(&mut self, number_type: Option<NumberType>, charged: bool) {
        let label = match (number_type, charged) {
            (None, false) => "dial_out_included",
            (None, true) => "dial_out_charged",
            (Some(NumberType::Toll), false) => "toll_included",
            (Some(NumberType::Toll), true) => "toll_charged",
            (Some(NumberType::TollFree), false) => "toll_free_included",
            (Some(NumberType::TollFree), true) => "toll_free_charged",
        };
        self.labelled(
            "tollgate_bridge_seated_total",
            "Legs that took their seat, by number type and payer.",
            ("kind", label.into()),
        );
    }

    fn overloaded(&self, over: bool) {
        let help = "Whether new calls are refused because the node has too much to do.";
        self.telemetry.gauge("tollgate_bridge_overloaded", help, &[]).set(u32::from(over));
    }

    fn abuse(&self, alarm: Alarm) -> Counter {
        let help = "Budgets against abuse that began to be used up, by budget and whose it is.";
        let of = [("budget", alarm.budget.label()), ("scope", alarm.scope.label())];
        self.telemetry.counter("tollgate_bridge_abuse_total", help, &of)
    }

    /// Shows how much a number of ours looks like being pumped. There are as many as are provisioned.
    fn pumping(&self, number: &ServiceNumber, permille: u16) {
        let help = "How much a toll-free number looks like being pumped, 0 to 1.";
        let did = number.did.full();
        let gauge =
            self.telemetry.gauge("tollgate_bridge_pumping_score", help, &[("number", &did)]);
        gauge.set(f64::from(permille) / 1_000.0);
    }

    /// Counts by trunk: their number is that of the configured ones, each call is counted once.
    fn attempted(&self, trunk: &Trunk, attempt: &Attempt) {
        let of = [("trunk", trunk.name.as_str()), ("direction", attempt.direction.label())];
        let [name, direction] = of;
        let outcome = [name, direction, ("outcome", attempt.outcome.label())];
        let help = "Attempts to call that are over, by trunk, direction and outcome.";
        let count = |name, help, labels: &[_]| self.telemetry.counter(name, help, labels);
        count("tollgate_bridge_trunk_attempts_total", help, &outcome).increment(1);
        let help = "Connected time of ended calls, by trunk and direction.";
        let connected = count("tollgate_bridge_trunk_connected_seconds_total", help, &of);
        connected.increment(attempt.connected.as_secs());
        let help = "Calls answered for less than 6 s, by trunk and direction.";
        let short = count("tollgate_bridge_trunk_short_calls_total", help, &of);
        short.increment(attempt.is_short().into());
        if let Some(after) = attempt.post_dial {
            let name = "tollgate_bridge_trunk_post_dial_seconds";
            let help = "From the INVITE to ringing or the answer, by trunk and direction.";
            self.telemetry.histogram_of(name, help, &of).record(after);
        }
    }

    /// Counts under a label. The values come from closed sets, so the table is bounded.
    pub(super) fn labelled(
        &mut self,
        name: &'static str,
        help: &'static str,
        (label, value): (&'static str, Cow<'static, str>),
    ) {
        let telemetry = &self.telemetry;
        let make = || telemetry.counter(name, help, &[(label, &value)]);
        let known = (name, value.clone());
        self.labelled.entry(known).or_insert_with(make).increment(1);
    }
}

fn micros(amount: Money) -> u64 {
    u64::try_from(amount.micros()).unwrap_or(0)
}
