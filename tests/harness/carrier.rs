//! A carrier that calls of ours leave by: a trunk of the configuration, and SIPp waiting behind it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::book::Record;
use super::clock::{secs, wait_for};
use super::sipp::{Call, Dialled, row_to_be_called_on};
use super::site::{BOLT, Site};
use super::tollgate::{Tollgate, expect_success};

/// Whom the meeting calls.
pub(crate) const CALLEE: &str = "+390117654321";
/// Realm, user and password at carriers that ask for them.
pub(crate) const CREDENTIALS: &str = "\n[trunk.outbound.credentials]\nrealm = \"carrier.example\"\n\
                                      user = \"tollgate\"\npassword = \"tr0ub4dor\"\n";

/// The trunk's way to a free row of ports.
#[derive(Debug)]
pub(crate) struct Carrier {
    name: &'static str,
    address: &'static str,
    first: u16,
    phone: UdpSocket,
    keys: String,
    /// Keys of the trunk itself.
    own: String,
    /// What calls are sent to in place of SIPp.
    relay: Option<SocketAddr>,
}

impl Carrier {
    /// Plans a trunk of that name at an address of its own.
    pub(crate) fn new(name: &'static str, address: &'static str) -> Self {
        let (first, phone) = row_to_be_called_on(address);
        let (keys, own) = (String::new(), String::new());
        Self { name, address, first, phone, keys, own, relay: None }
    }

    /// Sets a key of `[trunk.outbound]` to a TOML value.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.keys.push_str(&format!("{key} = {value}\n"));
        self
    }

    /// Gives the trunk what follows its keys.
    pub(crate) fn and(mut self, sections: &str) -> Self {
        self.keys.push_str(sections);
        self
    }

    /// Sets a key of its `[[trunk]]` to a TOML value.
    pub(crate) fn known_by(mut self, key: &str, value: &str) -> Self {
        self.own.push_str(&format!("{key} = {value}\n"));
        self
    }

    /// Has calls sent to a relay before SIPp.
    pub(crate) fn behind(mut self, relay: SocketAddr) -> Self {
        self.relay = Some(relay);
        self
    }

    /// Returns where SIPp waits.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.address.parse::<IpAddr>().expect("an address"), self.first).into()
    }

    /// Waits to be called.
    pub(crate) fn awaits(self, call: Call) -> Dialled {
        call.from(self.address).wait_on(self.first, self.phone)
    }

    /// Waits to be called by a scenario.
    pub(crate) fn plays(self, scenario: &'static str) -> Dialled {
        self.awaits(Call::awaited(scenario))
    }

    /// Writes its trunk.
    fn section(&self) -> String {
        let Self { name, address, keys, own, .. } = self;
        // A name finds its own port.
        let named = keys.contains("host = ");
        let port = self.relay.map_or(self.first, |relay| relay.port());
        let place = format!("host = \"{address}\"\nport = {port}\n");
        let place = if named { "" } else { &place };
        format!(
            "\n[[trunk]]\nname = \"{name}\"\nsignalling = [\"{address}\"]\n\
             media = [\"{address}\"]\nloopback_media = true\n{own}[trunk.outbound]\n{place}\
             callers = [\"+390110000001\"]\noptions_secs = 0\n{keys}"
        )
    }
}

/// Returns a site with these carriers beside the trunk of the callers, and a number to call from.
pub(crate) fn site(carriers: &[&Carrier]) -> Site {
    let trunks: String = carriers.iter().map(|carrier| carrier.section()).collect();
    let mut site = Site::default().with("[media]", "announcements", "false").and(&trunks);
    let (own, default) = ("\"+390110000001\"\ntype", "\"+390110000001\"\ndefault = true\ntype");
    site.provision = site.provision.replace(own, default);
    site
}

/// Serves that, with credit.
pub(crate) fn funded(carriers: &[&Carrier]) -> Tollgate {
    Tollgate::funded(&site(carriers), BOLT, "20.00")
}

/// Has the pay-per-minute meeting call a number; whoever answers is in at once. Returns the call.
pub(crate) fn call(tollgate: &Tollgate, number: &str) -> String {
    tollgate.dial("metered", &order(number, ",\"press_one\":false"))
}

/// Writes an order of the meeting's organizer.
pub(crate) fn order(number: &str, more: &str) -> String {
    format!("{{\"number\":\"{number}\",\"by\":\"bob@bolt.example\"{more}}}")
}

/// Asserts that a call ended so and cost nobody anything, and that nothing is left of it; returns
/// what `explain` says.
pub(crate) fn cost_nothing(tollgate: &Tollgate, call: &str, label: &str, status: i64) -> String {
    tollgate.wait_for_call(call, "over");
    let book = tollgate.book();
    let record = book.record(call);
    record.assert_ended("credits", label, status);
    assert_eq!((record.number("charge"), record.text("answered")), (0, ""), "{record:?}");
    assert_eq!((book.account(BOLT, "captured"), book.records()), (0, 1));
    let outcome = format!("outcome=\"{label}\"");
    counted_once(tollgate, &outcome);
    book.assert_settled();
    explained(tollgate, call)
}

/// Asserts that a call ended so after so many seconds, that they were charged once, and that nothing
/// is left of it.
pub(crate) fn charged_once(tollgate: &Tollgate, call: &str, label: &str, seconds: f64) -> Record {
    tollgate.wait_for_call(call, "over");
    let book = tollgate.book();
    let record = book.record(call);
    record.assert_ended("credits", label, 200);
    record.assert_charged(seconds);
    let charged = (book.account(BOLT, "captured"), book.records());
    assert_eq!(charged, (record.number("charge"), 1));
    counted_once(tollgate, &format!("outcome=\"{label}\""));
    book.assert_settled();
    record
}

/// Returns what `explain` says of a call.
pub(crate) fn explained(tollgate: &Tollgate, call: &str) -> String {
    expect_success(&tollgate.command(&["explain", call]))
}

fn counted_once(tollgate: &Tollgate, outcome: &str) {
    let page = || tollgate.get("/metrics").map(|answer| answer.body).unwrap_or_default();
    let count = |labels: &[&str]| tollgate.metric("tollgate_bridge_dial_outs_total", labels);
    assert!((count(&[outcome]) - 1.0).abs() < 0.5, "{outcome}: {}", page());
    assert!((count(&[]) - 1.0).abs() < 0.5, "{}", page());
    wait_for("meters without a call", secs(5), || {
        (tollgate.metric("tollgate_bridge_calls", &[]) < 0.5).then_some(())
    });
}
