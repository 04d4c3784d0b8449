//! Opening, signs of life, reports and closing.

use media::{Command, Event, LegStats, PortId, Silence};
use model::{CallId, Instant};

use crate::studio::{Studio, flow, tone};

/// The counts of a leg that was closed.
pub(crate) fn closed(studio: &Studio, phone: usize) -> LegStats {
    let call = studio.call(phone);
    let found = studio.events.iter().find_map(|event| {
        let Event::Closed { call: whose, stats, .. } = event else { return None };
        (*whose == call).then_some(*stats)
    });
    found.expect("the leg is closed")
}

/// What was told of a leg's silence.
pub(crate) fn silences(studio: &Studio, phone: usize) -> Vec<Silence> {
    let call = studio.call(phone);
    let told = studio.events.iter().filter_map(|event| {
        let Event::Life { call: whose, silence } = event else { return None };
        (*whose == call).then_some(*silence)
    });
    told.collect()
}

#[test]
fn the_first_packet_is_told_once() {
    let mut studio = Studio::new();
    let phone = studio.open();
    studio.tick();
    studio.talk(10, &[phone], |_, tick| tone(600, tick));
    let heard: Vec<_> = studio.events.iter().filter(|e| matches!(e, Event::Heard { .. })).collect();
    let at = Instant { micros: 1_000_000 + 3 * 20_000 };
    assert_eq!(heard, [&Event::Heard { call: studio.call(phone), at }]);
}

#[test]
fn silence_is_told_when_it_begins_and_when_it_ends() {
    let mut studio = Studio::new();
    let phone = studio.open();
    for _ in 0..300 {
        studio.tick();
    }
    assert_eq!(silences(&studio, phone), [Silence::Began { last: None }]);
    studio.talk(300, &[phone], |_, tick| tone(600, tick));
    let last = Some(studio.now);
    assert_eq!(silences(&studio, phone)[1..], [Silence::Ended]);
    for _ in 0..249 {
        studio.tick();
    }
    assert_eq!(silences(&studio, phone).len(), 2);
    for _ in 0..300 {
        studio.tick();
    }
    assert_eq!(silences(&studio, phone)[2..], [Silence::Began { last }]);
}

#[test]
fn rtcp_alone_is_life_on_its_own_port_or_along_with_the_rtp() {
    let mut studio = Studio::new();
    let phone = studio.open();
    for tick in 0..1_000 {
        if tick % 200 == 0 {
            let (rtcp, from) =
                [(true, "192.0.2.1:10001"), (false, "192.0.2.1:10000")][tick / 200 % 2];
            studio.inject(phone, rtcp, from, &[0x80, 201, 0, 1, 0, 0, 0, 9]);
        }
        studio.tick();
    }
    assert!(silences(&studio, phone).is_empty());
    assert!(!studio.events.iter().any(|event| matches!(event, Event::Heard { .. })));
}

#[test]
fn reports_come_about_every_five_seconds_and_say_what_was_received() {
    let mut studio = Studio::new();
    let phone = studio.open();
    studio.talk(3_000, &[phone], |_, tick| tone(600, tick % 50));
    let reports = &studio.phones[phone].reports;
    assert!((9..=16).contains(&reports.len()), "{}", reports.len());
    let (tick, report) = reports.last().unwrap();
    assert_eq!(report[..2], [0x81, 200], "a sender report with one block");
    let word = |at: usize| u32::from_be_bytes(report[at..at + 4].try_into().unwrap());
    assert_eq!(word(20) as usize, tick - 1, "packets sent");
    assert_eq!(word(28), studio.phones[phone].ssrc);
    assert_eq!((report[32], word(32) & 0x00ff_ffff), (0, 0), "nothing lost");
    assert_eq!(word(40), 0, "no jitter");
}

#[test]
fn a_close_says_bye_frees_the_port_and_tells_what_was_counted() {
    let mut studio = Studio::new();
    let phone = studio.join(1);
    studio.talk(100, &[phone], |_, tick| tone(600, tick));
    studio.phones[phone].sequence += 3;
    studio.talk(1, &[phone], |_, tick| tone(600, tick));
    studio.forget();
    studio.command(Command::Close { call: studio.call(phone) });
    studio.command(Command::Close { call: studio.call(phone) });
    studio.tick();
    let (_, bye) = studio.phones[phone].reports.last().unwrap();
    assert_eq!(bye[bye.len() - 8..bye.len() - 4], [0x81, 203, 0, 1]);
    let stats = closed(&studio, phone);
    assert_eq!((stats.received, stats.lost, stats.sent), (101, 3, 101));
    assert_eq!(
        (stats.dropped, stats.last_rtp),
        (0, Some(Instant { micros: studio.now.micros - 20_000 }))
    );
    assert_eq!((studio.worker.legs(), studio.worker.rooms()), (0, 0));
    assert_eq!(studio.worker.ports().count(), 0);
    studio.forget();
    studio.tick();
    studio.say(phone, &[0; 160]);
    assert!(studio.events.is_empty());
    assert_eq!(studio.worker.strays(), 1);
}

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let mut studio = Studio::new();
    for call in 0..1_000_u32 {
        let id = CallId(u128::from(call));
        let port = PortId(300 + (call % 50) as u16);
        let open = Command::Open { call: id, port, flow: flow(300), language: 0, ssrc: call };
        studio.worker.command(open, studio.now);
        studio.worker.command(
            Command::Seat { call: id, room: model::MeetingId(u128::from(call % 7)) },
            studio.now,
        );
        assert_eq!(studio.worker.legs(), 1);
        studio.worker.command(Command::Close { call: id }, studio.now);
        let mut out = media::Batch::default();
        studio.worker.tick(studio.now, &mut out);
        assert!(
            matches!(studio.worker.poll_event(), Some(Event::Closed { call, port: freed, .. }) if call == id && freed == port)
        );
        assert_eq!((studio.worker.legs(), studio.worker.rooms()), (0, 0));
    }
}

#[test]
fn what_cannot_be_opened_is_closed_and_what_is_open_stays() {
    let mut studio = Studio::new();
    let phone = studio.open();
    let open = |call, port| Command::Open {
        call,
        port: PortId(port),
        flow: flow(0),
        language: 0,
        ssrc: 1,
    };
    studio.command(open(CallId(5), 60_000));
    studio.command(open(CallId(6), 0));
    studio.command(open(studio.call(phone), 7));
    studio.tick();
    let stats = LegStats::default();
    assert_eq!(studio.events, [Event::Closed { call: CallId(5), port: PortId(60_000), stats }]);
    assert_eq!(studio.worker.legs(), 1);
    assert_eq!(studio.phones[phone].packets.len(), 1);
}
