//! Bytes that were bent on the way.

use proptest::prelude::*;

/// A change to some bytes of a message.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Double(usize, usize),
    Cut(usize),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let place = 0..2_000_usize;
    let hostile = prop::sample::select(b"\r\n\0\t \";:<>,=@%[]/\\-+09aZ\x7f\xff".to_vec());
    prop_oneof![
        4 => (place.clone(), hostile.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (place.clone(), prop::collection::vec(hostile, 1..4))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (place.clone(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (place.clone(), 1..200_usize).prop_map(|(at, count)| Change::Double(at, count)),
        1 => place.prop_map(Change::Cut),
    ]
}

impl Change {
    pub(crate) fn apply(&self, text: &mut Vec<u8>) {
        let size = text.len().max(1);
        match self {
            Self::Set(at, byte) => {
                if let Some(place) = text.get_mut(at % size) {
                    *place = *byte;
                }
            }
            Self::Insert(at, bytes) => {
                let at = (at % size).min(text.len());
                text.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = (at % size).min(text.len());
                text.drain(at..(at + count).min(text.len()));
            }
            Self::Double(at, count) => {
                let at = (at % size).min(text.len());
                let piece = text[at..(at + count).min(text.len())].to_vec();
                text.splice(at..at, piece);
            }
            Self::Cut(at) => text.truncate(at % size),
        }
    }
}
