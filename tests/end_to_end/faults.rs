//! Crashes, nonsense and broken files.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::sipp::Call;
use crate::harness::site::{ACME, BOLT, Site, TOLL_TO_METERED, TOLL_TO_SUBSCRIBED};
use crate::harness::tollgate::Tollgate;

#[test]
fn after_a_crash_every_leg_is_settled_and_its_carrier_gets_a_bye() {
    let mut tollgate = Tollgate::funded(&Site::default(), BOLT, "20.00");
    let dial = || Call::new("settled-after-a-crash.xml", TOLL_TO_METERED, tollgate.sip()).dial();
    let legs = [dial(), dial(), dial()];
    tollgate.wait_seated(3);
    let answered = now();
    pause(secs(6));
    tollgate.kill();
    let crashed = now() - answered;
    let restarted = now();
    tollgate.start();
    let calls: Vec<_> = legs
        .into_iter()
        .map(|leg| {
            let id = leg.sipp.call_id.clone();
            let trace = leg.sipp.succeed();
            (id, trace.received("BYE ").text.clone())
        })
        .collect();
    assert!(now() - restarted < secs(10), "settled and told within seconds");
    let book = tollgate.book();
    for (id, bye) in calls {
        assert!(bye.contains(" BYE\r\n") || bye.contains(" BYE\n"), "{bye}");
        let sequence = bye.lines().find_map(|line| line.strip_prefix("CSeq: "));
        let sequence = sequence.and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
        assert!(sequence.is_some_and(|number| number >= 1_000), "{bye}");
        let record = book.record(&id);
        assert_eq!(record.text("capability"), "credits");
        let error = record.connected() - crashed.as_secs_f64();
        assert!((-2.0..=2.0).contains(&error), "{error} s from the truth: {record:?}");
    }
    book.assert_settled();
    let after = Call::new("join.xml", TOLL_TO_METERED, tollgate.sip()).stay(secs(2)).dial();
    after.sipp.succeed();
    tollgate.wait_idle(secs(3));
    book.assert_settled();
}

#[test]
fn a_second_serve_on_the_same_book_refuses_to_start() {
    let mut tollgate = Tollgate::serve(&Site::default());
    let mut second = tollgate.spawn_beside();
    let status = wait_for("the refusal", secs(10), || second.try_wait().expect("it is a child"));
    assert!(!status.success(), "{status}");
    assert!(tollgate.log().contains("book.sqlite"), "{}", tollgate.log());
    assert!(tollgate.alive());
    tollgate.stop();
}

#[test]
fn nonsense_from_a_trunk_is_counted_and_leaves_nothing_behind() {
    let mut tollgate = Tollgate::funded(&Site::default(), ACME, "10.00");
    let socket = UdpSocket::bind("127.0.0.2:0").expect("a free port can be bound");
    let mut dice = Dice(20_261_120);
    for round in 0..5_000_u32 {
        let datagram = mutated(&mut dice, round, tollgate.sip().port());
        socket.send_to(&datagram, tollgate.sip()).expect("loopback takes datagrams");
        if round % 50 == 0 {
            pause(Duration::from_millis(10));
        }
    }
    assert!(tollgate.alive());
    let call = Call::new("join.xml", TOLL_TO_SUBSCRIBED, tollgate.sip()).stay(secs(2)).dial();
    call.sipp.succeed();
    tollgate.wait_idle(secs(60));
    wait_for("the end of all legs", secs(10), || {
        (tollgate.metric("tollgate_media_legs", &[]) < 0.5).then_some(())
    });
    assert!(tollgate.metric("tollgate_sip_dropped_total", &["reason=\"malformed\""]) > 100.0);
    assert!(!tollgate.log().contains("panicked"), "a panic");
    tollgate.book().assert_settled();
    tollgate.stop();
}

#[test]
fn a_broken_configuration_names_file_line_and_key() {
    let tollgate = Tollgate::prepare(&Site::default());
    let path = tollgate.folder().join("tollgate.toml");
    let good = fs::read_to_string(&path).expect("the file is there");
    assert!(tollgate.command(&["check"]).status.success());
    for (from, to, key) in [
        ("[log]", "[log]\ncolour = \"red\"", "colour"),
        ("127.0.0.2/32", "127.0.0.2/33", "media[0]"),
        ("loopback_media = true", "loopback_media = \"maybe\"", "loopback_media"),
        ("[log]", "[log", "]"),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good);
        fs::write(&path, &broken).expect("the folder is writable");
        let line = broken.lines().zip(good.lines()).position(|(new, old)| new != old);
        let line = line.map_or(0, |at| at + 1);
        for command in [&["check"][..], &["serve"][..]] {
            let refused = tollgate.command(command);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success(), "{to} passed");
            assert!(said.contains(&format!("tollgate.toml:{line}")), "{line}: {said}");
            assert!(said.contains(key), "{said}");
        }
    }
}

#[test]
fn a_broken_provision_names_file_line_and_key_and_applies_nothing() {
    let tollgate = Tollgate::prepare(&Site::default());
    let good = Site::default().provision;
    let before = tollgate.book().number("SELECT number FROM revision");
    for (from, to, key) in [
        ("currency = \"EUR\"", "curency = \"EUR\"", "curency"),
        ("MCOMEETACPEA", "MCOMEETXYZ", "licences"),
        ("type = \"toll-free\"", "type = \"free\"", "type"),
        ("organizer = \"bob@bolt.example\"", "organizer = \"eve@bolt.example\"", "organizer"),
    ] {
        let broken = good.replacen(from, to, 1);
        let broken = broken.replacen("subscribed", "renamed", 1);
        assert_ne!(broken, good);
        let path = tollgate.folder().join("broken.toml");
        fs::write(&path, &broken).expect("the folder is writable");
        let line = broken.lines().position(|line| line.contains(to)).map_or(0, |at| at + 1);
        let refused = tollgate.command(&["apply", &path.to_string_lossy()]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{to} passed");
        assert!(said.contains(&format!("broken.toml:{line}")), "{line}: {said}");
        assert!(said.contains(key), "{said}");
    }
    assert_eq!(tollgate.book().number("SELECT number FROM revision"), before);
    tollgate.provision(&good);
    assert_eq!(tollgate.book().number("SELECT number FROM revision"), before, "idempotent");
}

/// Chance with a seed (xorshift).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

/// Makes a request of every kind and spoils it: bytes changed, removed, repeated, lines swapped.
fn mutated(dice: &mut Dice, round: u32, port: u16) -> Vec<u8> {
    let methods = ["INVITE", "OPTIONS", "BYE", "ACK", "CANCEL", "UPDATE", "REGISTER", "FOO"];
    let method = methods[dice.below(methods.len())];
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
               m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let text = format!(
        "{method} sip:+390119999999@127.0.0.1:{port} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.2:5060;rport;branch=z9hG4bK{round}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+39011@127.0.0.2>;tag=n{round}\r\n\
         To: <sip:+390119999999@127.0.0.1>\r\nCall-ID: nonsense-{round}@127.0.0.2\r\n\
         CSeq: 1 {method}\r\nContact: <sip:n@127.0.0.2:5060>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let mut bytes = text.into_bytes();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes[at] = u8::try_from(dice.below(256)).unwrap_or(0),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            3 => {
                let until = (at + dice.below(64)).min(bytes.len());
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.splice(at..at, [b'\r', b'\n', 0]).for_each(drop),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}
