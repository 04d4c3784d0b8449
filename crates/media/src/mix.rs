//! The sum that everybody hears, less oneself. Pure: samples in, samples out.

use model::limits::TICK_SAMPLES;

/// One tick of one leg.
pub type Frame = [i16; TICK_SAMPLES];

/// The sum of a room's frames. With [`model::limits::CALLS`] legs it stays far inside `i32`.
pub type Sum = [i32; TICK_SAMPLES];

/// No sound.
pub const QUIET: Frame = [0; TICK_SAMPLES];

/// Adds a frame to a room's sum.
pub fn add(sum: &mut Sum, frame: &Frame) {
    for (sum, &sample) in sum.iter_mut().zip(frame) {
        *sum = sum.wrapping_add(i32::from(sample));
    }
}

/// What a leg hears that is itself in the sum.
pub fn without(sum: &Sum, own: &Frame, heard: &mut Frame) {
    for ((heard, &sum), &own) in heard.iter_mut().zip(sum).zip(own) {
        *heard = saturate(sum.wrapping_sub(i32::from(own)));
    }
}

/// What a leg hears that is not in the sum.
pub fn whole(sum: &Sum, heard: &mut Frame) {
    for (heard, &sum) in heard.iter_mut().zip(sum) {
        *heard = saturate(sum);
    }
}

/// Lays a prompt over a room that is turned down by 12 dB.
pub fn over(heard: &mut Frame, prompt: &Frame) {
    for (heard, &prompt) in heard.iter_mut().zip(prompt) {
        *heard = (*heard >> 2).saturating_add(prompt);
    }
}

/// Whether nothing in the frame is above the given magnitude.
pub fn is_idle(frame: &Frame, magnitude: i16) -> bool {
    // A fold without an early exit: it is vectorised.
    frame
        .iter()
        .fold(0, |loudest, &sample| loudest | u16::from(sample.unsigned_abs() > magnitude as u16))
        == 0
}

fn saturate(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hears_the_others_and_not_oneself() {
        let (a, b, c) = ([100; 160], [-30; 160], [7; 160]);
        let mut sum = [0; 160];
        for frame in [&a, &b, &c] {
            add(&mut sum, frame);
        }
        let mut heard = QUIET;
        without(&sum, &b, &mut heard);
        assert_eq!(heard, [107; 160]);
        whole(&sum, &mut heard);
        assert_eq!(heard, [77; 160]);
    }

    #[test]
    fn a_loud_room_saturates_only_where_it_is_heard() {
        let loud = [30_000; 160];
        let mut sum = [0; 160];
        add(&mut sum, &loud);
        add(&mut sum, &loud);
        add(&mut sum, &[-20_000; 160]);
        let mut heard = QUIET;
        without(&sum, &loud, &mut heard);
        assert_eq!(heard, [10_000; 160]);
        without(&sum, &[-20_000; 160], &mut heard);
        assert_eq!(heard, [i16::MAX; 160]);
    }

    #[test]
    fn idle_is_by_the_loudest_sample() {
        let mut frame = [-8; 160];
        assert!(is_idle(&frame, 8));
        frame[159] = i16::MIN;
        assert!(!is_idle(&frame, 8));
    }
}
