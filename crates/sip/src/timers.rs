//! Every alarm of the endpoint in one ordered set: a wake-up costs what is due.

use std::collections::BTreeSet;

use model::{CallId, Instant, TrunkId};

use crate::connection::ConnectionId;

/// Whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// An INVITE server transaction.
    Invite(u64),
    /// Another server transaction.
    Request(u64),
    /// A client transaction.
    Client(u64),
    /// An INVITE client transaction.
    Placed(u64),
    /// A call that we place and that has no answer yet.
    Attempt(u64),
    /// A 200 OK without its ACK.
    Acknowledgement(CallId),
    /// Whether a trunk lives.
    Health(TrunkId),
    /// A registration of ours.
    Registration(TrunkId),
    /// A trunk's registration with us.
    Binding(TrunkId),
    /// A reliable provisional answer without its PRACK.
    Reliable(CallId),
    /// An INVITE that waits for its final answer.
    Invitation(CallId),
    /// A session timer.
    Session(CallId),
    /// A connection that is silent.
    Connection(ConnectionId),
    /// What is known of names gets old.
    Names,
}

/// The alarms.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Alarm)>,
}

impl Timers {
    /// Moves an alarm from where it stood to where it shall stand.
    pub(crate) fn shift(&mut self, alarm: Alarm, from: Option<Instant>, to: Option<Instant>) {
        if let Some(from) = from {
            self.due.remove(&(from, alarm));
        }
        if let Some(to) = to {
            self.due.insert((to, alarm));
        }
    }

    /// Takes the first alarm that is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Instant, Alarm)> {
        if self.due.first()?.0 > now {
            return None;
        }
        self.due.pop_first()
    }

    /// Returns when the first alarm is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn alarms_come_in_order_and_only_when_due() {
        let at = |secs| Instant::START + Duration::from_secs(secs);
        let mut timers = Timers::default();
        timers.shift(Alarm::Invite(1), None, Some(at(5)));
        timers.shift(Alarm::Client(2), None, Some(at(3)));
        timers.shift(Alarm::Client(2), Some(at(3)), Some(at(4)));
        timers.shift(Alarm::Request(3), None, Some(at(9)));
        timers.shift(Alarm::Request(3), Some(at(9)), None);
        assert_eq!(timers.next(), Some(at(4)));
        assert_eq!(timers.take(at(3)), None);
        assert_eq!(timers.take(at(6)), Some((at(4), Alarm::Client(2))));
        assert_eq!(timers.take(at(6)), Some((at(5), Alarm::Invite(1))));
        assert_eq!(timers.next(), None);
    }
}
