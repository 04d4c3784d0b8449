//! What others wrote: a telephone that calls in, in clear and secured; keys that come as tones and by
//! INFO; a fax; a carrier's proxy and media relay in the way of the tests of other files.

use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::baresip::Baresip;
use crate::harness::certificates::Authority;
use crate::harness::clock::{pause, secs, wait_for};
use crate::harness::linphone::Linphone;
use crate::harness::sipp::Call;
use crate::harness::site::{
    BOLT, METERED, SECOND, SUBSCRIBED, Site, TOLL, TOLL_TO_METERED, TOLL_TO_SUBSCRIBED,
};
use crate::harness::telephone::{Telephone, Way};
use crate::harness::tls::{Peer, TlsRelay};
use crate::harness::tollgate::Tollgate;
use crate::harness::{network, proxy};

/// The name in our certificate.
const NAME: &str = "sip.tollgate.example";
/// Amplitude from which a tone counts as heard.
const HEARD: f64 = 1_500.0;
/// Where the audio of callers here comes from: baresip says that it is at 127.0.0.2, and sends from
/// whatever address the system takes.
const MEDIA: &str = "[\"127.0.0.1/32\", \"127.0.0.2/32\"]";

/// Where linphonec is: it names the address beside loopback, and sends from whatever the system takes.
const NEAR: &str = "[\"127.0.0.1/32\", \"127.0.0.2/32\", \"10.64.0.2/32\"]";

/// The tests that also hold with a proxy and a media relay in the way, by their names' beginnings.
const DIALLED_IN: &[&str] = &[
    "joining::callers_with_the_conference_id",
    "joining::several_legs",
    "joining::a_caller_with_three_wrong_ids",
    "signalling::a_caller_who_hangs_up_while_we_ring",
    "signalling::a_cancel_that_crosses",
    "signalling::an_invite_",
    "signalling::time_on_hold",
    "signalling::a_session_that",
    "signalling::a_silent_caller",
    "signalling::a_caller_who_is_gone",
    "charging::",
    "refusing::",
    "interop::a_caller_",
    "interop::a_fax_",
];

/// Not these: a proxy makes 500 of our 503 (RFC 3261 §16.7), and answers a repeated INVITE itself.
const PROXIES_OWN: &[&str] = &[
    "refusing::a_draining_node",
    "refusing::a_full_trunk",
    "signalling::an_invite_repeated_before_ack",
];

#[test]
fn baresip_calls_in_keys_the_id_talks_listens_and_hangs_up() {
    let tollgate = Tollgate::serve(&Site::default().with("[[trunk]]", "media", MEDIA));
    let baresip = Baresip::on(Way::Plain, 700.0);
    conversation(&tollgate, baresip, tollgate.sip());
}

#[test]
fn baresip_calls_in_by_tls_and_srtp_and_is_charged_as_in_clear() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let tollgate = Tollgate::serve(&secured(&authority));
    let baresip = Baresip::on(Way::Secured(&authority.file), 700.0);
    conversation(&tollgate, baresip, tollgate.second());
}

#[test]
fn linphone_calls_in_keys_the_id_talks_listens_and_hangs_up() {
    if network::is_outside("interop::linphone_calls_in_keys_the_id_talks_listens_and_hangs_up") {
        return;
    }
    let site =
        Site::default().with("[[trunk]]", "signalling", NEAR).with("[[trunk]]", "media", NEAR);
    let tollgate = Tollgate::serve(&site);
    let linphone = Linphone::on(Way::Plain, 700.0);
    conversation(&tollgate, linphone, tollgate.sip());
}

#[test]
fn linphone_calls_in_by_tls_and_srtp_and_is_charged_as_in_clear() {
    if network::is_outside("interop::linphone_calls_in_by_tls_and_srtp_and_is_charged_as_in_clear")
    {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let tollgate = Tollgate::serve(&secured(&authority).with(ALSO, "media", NEAR));
    let linphone = Linphone::on(Way::Secured(&authority.file), 700.0);
    conversation(&tollgate, linphone, tollgate.second());
}

#[test]
fn a_caller_in_clear_is_488_where_srtp_is_mandatory() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let authority = Authority::new(folder.path(), "authority");
    let tollgate = Tollgate::serve(&secured(&authority));
    let peer = Peer { target: tollgate.second(), name: NAME, side: "127.0.0.2" };
    let relay = TlsRelay::open(peer, &authority.file, None);
    let call = Call::new("forbidden-media.xml", TOLL_TO_SUBSCRIBED, relay.address()).over_tcp();
    let call = call.dial_without_phone();
    let id = call.call_id.clone();
    call.succeed();
    tollgate.book().record(&id).assert_ended("unattributed", "media_unacceptable", 488);
}

#[test]
fn a_caller_keys_the_id_by_tones_in_the_audio() {
    let tollgate = Tollgate::serve(&Site::default());
    let call = Call::new("join.xml", TOLL, tollgate.sip()).stay(secs(12)).dial();
    call.phone.wait_answered();
    pause(secs(1));
    call.phone.sing(&format!("{SUBSCRIBED}#"));
    tollgate.wait_seated(1);
    let id = call.sipp.call_id.clone();
    call.sipp.succeed();
    tollgate.book().record(&id).assert_ended("included", "caller_hung_up", 200);
    // The ninth completes the ID: what follows may be heard or not.
    assert!(tollgate.metric("tollgate_bridge_digits_total", &[]) > 8.5);
    tollgate.book().assert_settled();
}

#[test]
fn a_caller_keys_the_id_by_info_and_no_log_shows_it() {
    let site = Site::default().with("[log]", "filter", "\"trace\"");
    let mut tollgate = Tollgate::funded(&site, BOLT, "10.00");
    let call = Call::new("info-digits.xml", TOLL, tollgate.sip()).stay(secs(4)).dial();
    tollgate.wait_seated(1);
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert!(trace.connected() > 6.0);
    tollgate.book().record(&id).assert_ended("credits", "caller_hung_up", 200);
    let metrics = tollgate.get("/metrics").expect("metrics are served").body;
    tollgate.book().assert_settled();
    tollgate.stop();
    let log = tollgate.log();
    assert!(log.contains("a call began"), "{log}");
    for secret in [METERED, "Signal=", "key=2"] {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
}

#[test]
fn a_fax_that_asks_for_t38_is_488_and_its_call_lives() {
    let tollgate = Tollgate::funded(&Site::default(), BOLT, "10.00");
    let call = Call::new("fax-refused.xml", TOLL_TO_METERED, tollgate.sip()).stay(secs(4)).dial();
    tollgate.wait_seated(1);
    pause(secs(3));
    let before = call.phone.packets();
    pause(secs(1));
    assert!(call.phone.packets() > before + 30, "audio goes on");
    let id = call.sipp.call_id.clone();
    let trace = call.sipp.succeed();
    assert_eq!(trace.count("SIP/2.0 488"), 1);
    let record = tollgate.book().record(&id);
    record.assert_ended("credits", "caller_hung_up", 200);
    record.assert_charged(trace.connected());
    tollgate.book().assert_settled();
}

/// The tests named above run once more in a process of their own, which is told of the path.
#[test]
fn what_is_dialled_in_also_holds_through_kamailio_and_rtpengine() {
    if proxy::Proxy::is_wanted() {
        return;
    }
    let again = Command::new("timeout")
        .args(["--kill-after=5", "400"])
        .arg(env::current_exe().expect("a running test has a path"))
        .args(DIALLED_IN)
        .args(["--test-threads=6", "--skip", "what_is_dialled_in"])
        .args(PROXIES_OWN.iter().flat_map(|name| ["--skip", name]))
        .env(proxy::VARIABLE, "proxy")
        .stdin(Stdio::null())
        .output()
        .expect("timeout is there (Debian: coreutils)");
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success(), "{said}{}", String::from_utf8_lossy(&again.stderr));
    let passed = said.matches("... ok").count();
    assert!(passed >= 25, "{passed} tests ran:\n{said}");
}

/// A telephone of others and one of ours meet, hear each other, and it hangs up.
fn conversation(tollgate: &Tollgate, mut telephone: impl Telephone, target: SocketAddr) {
    let friend = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(20)).dial();
    friend.phone.speak(440.0);
    telephone.dial(TOLL, target);
    wait_for("two calls", secs(10), || (tollgate.live().len() == 2).then_some(()));
    pause(secs(2));
    telephone.press(&format!("{SUBSCRIBED}#"));
    tollgate.wait_seated(2);
    pause(secs(1));
    let heard = friend.phone.listen(secs(2));
    assert!(heard.level(700.0) > HEARD, "{}", heard.level(700.0));
    pause(secs(3));
    telephone.hang_up();
    wait_for("its end", secs(5), || (tollgate.live().len() < 2).then_some(()));
    pause(Duration::from_millis(300));
    let last = telephone.heard().last(2);
    assert!(last.level(440.0) > HEARD, "{}", last.level(440.0));
    assert!(last.level(700.0) < HEARD / 5.0, "it hears itself: {}", last.level(700.0));
    friend.sipp.succeed();
    let book = tollgate.book();
    let ended = "SELECT COUNT(*) FROM cdr WHERE capability = 'included' AND sip_status = 200
                 AND label = 'caller_hung_up' AND charge = 0";
    wait_for("both records", secs(5), || (book.number(ended) == 2).then_some(()));
    // The ninth completes the ID: what follows may be heard or not.
    assert!(tollgate.metric("tollgate_bridge_digits_total", &[]) > 8.5);
    book.assert_settled();
}

/// Section of a trunk beside the first one.
const ALSO: &str = "[[trunk]] # second";

/// A site with another trunk, of the same addresses, on a listener of TLS: with SRTP or not at all.
fn secured(authority: &Authority) -> Site {
    let files = authority.sign("sip", &[NAME, "127.0.0.1"]);
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    Site::default()
        .with("[[listener]]", "name", "\"datagrams\"")
        .with("[[trunk]]", "listener", "\"datagrams\"")
        .with(SECOND, "name", "\"tls\"")
        .with(SECOND, "transport", "\"tls\"")
        .with(SECOND, "certificate", &quoted(&files.certificate))
        .with(SECOND, "key", &quoted(&files.key))
        .with(ALSO, "name", "\"secured\"")
        .with(ALSO, "listener", "\"tls\"")
        .with(ALSO, "signalling", "[\"127.0.0.1/32\", \"127.0.0.2/32\"]")
        .with(ALSO, "media", MEDIA)
        .with(ALSO, "loopback_media", "true")
        .with(ALSO, "srtp", "\"mandatory\"")
}
