//! The keys' receiver against thousands of digits and hours of everything else, all of it made here
//! from fixed seeds and coded by both laws.

mod digits;
mod listening;
mod sounds;
mod talkoff;
