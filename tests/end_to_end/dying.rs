//! Trunks that die and come back (reliability.md F16).

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::carrier::{CALLEE, Carrier, call, site};
use crate::harness::clock::{now, pause, secs, wait_for};
use crate::harness::ports;
use crate::harness::sipp::Call;
use crate::harness::site::BOLT;
use crate::harness::tollgate::{Tollgate, expect_success};

const ONE: &str = "127.0.0.11";
const OTHER: &str = "127.0.0.12";

#[test]
fn a_trunk_that_stops_answering_options_is_down_after_three_misses_and_back_after_two_answers() {
    let frail = Frail::on(ONE);
    let healthy = Carrier::new("healthy", OTHER).with("priority", "2");
    let trunk = format!(
        "\n[[trunk]]\nname = \"frail\"\nsignalling = [\"{ONE}\"]\nmedia = [\"{ONE}\"]\n\
         loopback_media = true\n[trunk.outbound]\nhost = \"{ONE}\"\nport = {}\n\
         callers = [\"+390110000001\"]\noptions_secs = 5\npriority = 1\n",
        frail.port
    );
    let tollgate = Tollgate::funded(&site(&[&healthy]).and(&trunk), BOLT, "20.00");
    let callee = healthy.awaits(Call::awaited("callee-answers.xml").times(2));
    wait_for("a first question", secs(10), || frail.asked.load(Ordering::Relaxed).then_some(()));
    frail.answers.store(false, Ordering::Relaxed);
    let reached = || {
        let ordered = now();
        let call = call(&tollgate, CALLEE);
        tollgate.wait_for_call(&call, "seated");
        let waited = (now() - ordered).as_secs_f64();
        tollgate.hang_up(&call);
        tollgate.wait_for_call(&call, "over");
        waited
    };
    let waited = reached();
    assert!((4.0..10.0).contains(&waited), "the other trunk is tried after 4 s: {waited} s");
    wait_up(&tollgate, false);
    let listed = expect_success(&tollgate.command(&["trunk", "list"]));
    let line = listed.lines().find(|line| line.starts_with("frail")).expect("it is listed");
    assert!(line.contains("down"), "{listed}");
    let waited = reached();
    assert!(waited < 3.0, "a trunk that is down is not tried: {waited} s");
    callee.sipp.succeed();
    frail.answers.store(true, Ordering::Relaxed);
    wait_up(&tollgate, true);
}

fn wait_up(tollgate: &Tollgate, up: bool) {
    let wanted = if up { 1.0 } else { 0.0 };
    wait_for("news of the trunk", secs(75), || {
        pause(secs(1));
        let page = tollgate.get("/metrics")?.body;
        let mut series = page.lines().filter(|l| l.starts_with("tollgate_bridge_trunk_up{"));
        let line = series.find(|line| line.contains("\"frail\""))?;
        let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
        (value - wanted).abs().lt(&0.5).then_some(())
    });
}

/// A trunk that answers OPTIONS while it may, and nothing else.
struct Frail {
    port: u16,
    asked: Arc<AtomicBool>,
    answers: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Frail {
    fn on(address: &str) -> Self {
        let (port, socket) = ports::row_with_socket(2, address, 0);
        socket.set_read_timeout(Some(secs(1))).expect("sockets have timeouts");
        let flag = |up| Arc::new(AtomicBool::new(up));
        let frail = Self { port, asked: flag(false), answers: flag(true), over: flag(false) };
        let flags = [&frail.asked, &frail.answers, &frail.over].map(Arc::clone);
        thread::spawn(move || answer(&socket, &flags));
        frail
    }
}

impl Drop for Frail {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn answer(socket: &UdpSocket, [asked, answers, over]: &[Arc<AtomicBool>; 3]) {
    let mut space = [0; 4_096];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut space) else { continue };
        let text = String::from_utf8_lossy(&space[..length]).into_owned();
        if !text.starts_with("OPTIONS ") {
            continue;
        }
        asked.store(true, Ordering::Relaxed);
        if !answers.load(Ordering::Relaxed) {
            continue;
        }
        let kept = ["Via", "From", "To", "Call-ID", "CSeq"];
        let lines = text.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
        let text = format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
        socket.send_to(text.as_bytes(), from).unwrap_or_default();
    }
}
