//! What the SIP endpoint counted, as metrics.

use super::calls::BridgeMeters;
use super::whole;

impl BridgeMeters {
    /// Counts what the SIP endpoint told.
    pub(super) fn sip(&mut self, counted: sip::Counted) {
        match counted {
            sip::Counted::Request(method) => self.labelled(
                "tollgate_sip_requests_total",
                "SIP requests, by method.",
                ("method", method.into()),
            ),
            sip::Counted::Response(status) => self.labelled(
                "tollgate_sip_responses_total",
                "Our SIP responses, by status.",
                ("status", status.to_string().into()),
            ),
            sip::Counted::Stranger => self.sip_dropped("stranger"),
            sip::Counted::Banned => self.banned(),
            sip::Counted::Shunned => self.shunned(),
            sip::Counted::Malformed => self.sip_dropped("malformed"),
            sip::Counted::Retransmission => self.sip_repeated("in"),
            sip::Counted::Resent => self.sip_repeated("out"),
            sip::Counted::Connected(ours) => {
                self.sip_connection(if ours { "opened" } else { "accepted" })
            }
            sip::Counted::Crowded => self.sip_connection("crowded"),
            sip::Counted::Disconnected(closure) => self.sip_connection(match closure {
                sip::Closure::Ended => "ended",
                sip::Closure::Refused => "refused",
                sip::Closure::TimedOut => "timed_out",
                sip::Closure::Handshake(_) => "handshake_failed",
                sip::Closure::Slow => "slow",
            }),
            // Counted as a refusal.
            sip::Counted::Shed => {}
            sip::Counted::LateAnswer => self.sip_oddity("late_answer"),
            sip::Counted::ForkedAnswer => self.sip_oddity("forked_answer"),
            sip::Counted::NoAnswer => self.sip_oddity("no_answer"),
            sip::Counted::ForeignContact => self.sip_oddity("foreign_contact"),
            sip::Counted::ForeignRealm => self.sip_oddity("foreign_realm"),
        }
    }

    /// Counts a datagram or a connection of a banned source.
    pub(crate) fn shunned(&mut self) {
        self.sip_dropped("banned");
    }

    /// Shows how many sources are banned.
    pub(crate) fn bans(&self, sources: usize) {
        let help = "Sources off the allow-list that are not heard for a while.";
        self.telemetry.gauge("tollgate_sip_banned_sources", help, &[]).set(whole(sources));
    }

    fn banned(&self) {
        let help = "Bans of sources off the allow-list.";
        self.telemetry.counter("tollgate_sip_bans_total", help, &[]).increment(1);
    }

    fn sip_oddity(&mut self, kind: &'static str) {
        let help = "Odd answers to calls that we placed, by kind.";
        self.labelled("tollgate_sip_oddities_total", help, ("kind", kind.into()));
    }

    fn sip_dropped(&mut self, reason: &'static str) {
        let help = "Datagrams that were dropped unanswered, by reason.";
        self.labelled("tollgate_sip_dropped_total", help, ("reason", reason.into()));
    }

    fn sip_connection(&mut self, what: &'static str) {
        let help = "What happened to connections that carry SIP.";
        self.labelled("tollgate_sip_connections_total", help, ("event", what.into()));
    }

    fn sip_repeated(&mut self, direction: &'static str) {
        let help = "SIP messages that came or went again, by direction.";
        self.labelled("tollgate_sip_repeated_total", help, ("direction", direction.into()));
    }
}
