//! Participants who seem to have gone: asked to press 1, and sent off if they do not.

use std::time::Duration;

use bridge::{Input, Presence};
use media::Prompt;
use model::CallId;

use crate::carrier::Carrier;
use crate::provision::{self, BOUND};
use crate::world::{World, secs};

#[test]
fn who_is_alone_for_too_long_is_asked_twice_and_then_charged_and_sent_off() {
    let mut world = world(|_| ());
    let (_, call) = seated(&mut world, "a");
    world.pass(minutes(15) - secs(2));
    assert_eq!(asked(&world, call), 0);
    world.pass(secs(3));
    assert_eq!(asked(&world, call), 1);
    world.pass(secs(25));
    assert_eq!((asked(&world, call), world.state(call)), (2, Some("seated")));
    world.pass(secs(25));
    assert_eq!(world.said(call).last(), Some(&Prompt::Goodbye));
    world.pass(secs(5));
    let bye = world.expect("BYE");
    assert!(bye.contains("cause=16"), "{bye}");
    Carrier::reply(&mut world, &bye, "200 OK");
    let cdr = world.cdr();
    assert_eq!(
        (cdr.ending.label.as_ref(), cdr.ending.released_by.as_ref()),
        ("alone_limit", "tollgate")
    );
    let used = i64::try_from(cdr.connected_micros.div_ceil(1_000_000)).unwrap();
    assert!(cdr.charge.micros().abs_diff(used * 10_000) <= 10_000, "{cdr:?}");
    assert!((940..960).contains(&used), "{used} s");
    world.is_at_rest();
}

#[test]
fn pressing_one_renews_the_limit_and_no_other_key_does() {
    let mut world = world(|_| ());
    let (_, call) = seated(&mut world, "a");
    world.pass(minutes(15));
    world.digits(call, "5");
    assert_eq!(asked(&world, call), 1);
    world.digits(call, "1");
    let hushed = |command: &media::Command| matches!(command, media::Command::Hush { .. });
    assert!(world.media.iter().any(hushed), "the question is taken back");
    world.pass(minutes(14));
    assert_eq!((asked(&world, call), world.state(call)), (1, Some("seated")));
    world.digits(call, "1");
    world.pass(minutes(14));
    assert_eq!(asked(&world, call), 1, "a 1 counts before the question too");
    world.pass(minutes(1) + secs(1));
    assert_eq!(asked(&world, call), 2);
    world.digits(call, "1");
    assert_eq!(world.state(call), Some("seated"));
}

#[test]
fn company_takes_the_question_back() {
    let mut world = world(|_| ());
    let (_, call) = seated(&mut world, "a");
    world.pass(minutes(15) + secs(3));
    assert_eq!(asked(&world, call), 1);
    let (mut other, _) = seated(&mut world, "b");
    world.pass(minutes(1));
    assert_eq!((asked(&world, call), world.state(call)), (1, Some("seated")));
    other.bye(&mut world);
    world.pass(minutes(14));
    assert_eq!(asked(&world, call), 1, "alone again since a minute ago");
    world.pass(minutes(1) + secs(1));
    assert_eq!(asked(&world, call), 2);
}

#[test]
fn a_meeting_in_which_nobody_speaks_is_asked_and_one_voice_is_enough() {
    let mut world = world(|_| ());
    let (_, one) = seated(&mut world, "a");
    let (_, other) = seated(&mut world, "b");
    world.pass(minutes(20));
    spoke(&mut world, other);
    world.pass(minutes(30));
    assert_eq!((asked(&world, one), asked(&world, other)), (0, 0));
    world.pass(secs(40));
    assert_eq!((asked(&world, one), asked(&world, other)), (1, 1));
    spoke(&mut world, one);
    world.pass(minutes(2));
    assert_eq!((world.state(one), world.state(other)), (Some("seated"), Some("seated")));
    world.pass(minutes(33));
    assert_eq!((world.state(one), world.state(other)), (None, None));
    let ends: Vec<_> = world.book.cdrs(9).into_iter().map(|cdr| cdr.ending.label).collect();
    assert_eq!(ends, ["all_silent_limit", "all_silent_limit"]);
}

#[test]
fn one_who_never_says_a_word_is_asked_if_that_is_wanted() {
    let mut world = world(|presence| presence.silent = Some(minutes(10)));
    let (_, talker) = seated(&mut world, "a");
    let (_, listener) = seated(&mut world, "b");
    for _ in 0..11 {
        spoke(&mut world, talker);
        world.pass(minutes(1));
    }
    assert_eq!((world.state(talker), world.state(listener)), (Some("seated"), None));
    assert_eq!(world.cdr().ending.label, "silent_limit");
}

#[test]
fn a_leg_has_a_longest_time_whoever_speaks() {
    let mut world = world(|presence| {
        presence.leg = Some(minutes(20));
        presence.alone = None;
    });
    let (_, call) = seated(&mut world, "a");
    for _ in 0..19 {
        spoke(&mut world, call);
        world.pass(minutes(1));
    }
    assert_eq!(world.state(call), Some("seated"));
    world.pass(minutes(1) + secs(5));
    assert_eq!(world.cdr().ending.label, "leg_limit");
}

#[test]
fn without_limits_nobody_is_asked() {
    let mut world = world(|presence| {
        *presence = Presence {
            alone: None,
            all_silent: None,
            silent: None,
            leg: None,
            ..Presence::default()
        };
    });
    let (_, call) = seated(&mut world, "a");
    world.pass(minutes(150));
    assert_eq!((asked(&world, call), world.state(call)), (0, Some("seated")));
}

#[test]
fn tones_are_listened_for_while_a_one_is_waited_for() {
    let mut world = world(|_| ());
    let (_, call) = seated(&mut world, "a");
    let listens = |world: &World| {
        let told = world.media.iter().rev().find_map(|command| match command {
            media::Command::Listen { tones, .. } => Some(*tones),
            _ => None,
        });
        told.is_some_and(|tones| tones != media::Tones::Off)
    };
    assert!(!listens(&world));
    world.pass(minutes(15) + secs(1));
    assert!(listens(&world));
    world.digits(call, "1");
    assert!(!listens(&world));
}

fn world(change: impl FnOnce(&mut Presence)) -> World {
    let mut world =
        World::set(provision::standard(), provision::trunk(), |set| change(&mut set.presence));
    world.top_up("100.00");
    world
}

/// A caller in the meeting.
fn seated(world: &mut World, id: &str) -> (Carrier, CallId) {
    let mut carrier = Carrier::invite(world, id, BOUND);
    carrier.establish(world);
    let live = world.bridge.live(world.now);
    let newest = live.iter().max_by_key(|live| live.invited).expect("a live call").call;
    world.pass(secs(1));
    (carrier, newest)
}

fn spoke(world: &mut World, call: CallId) {
    let at = world.now.mono;
    world.input(Input::Media(media::Event::Spoke { call, at }));
}

fn asked(world: &World, call: CallId) -> usize {
    world.said(call).iter().filter(|prompt| **prompt == Prompt::StillThere).count()
}

fn minutes(minutes: u64) -> Duration {
    secs(60 * minutes)
}
