//! See `tollgate_fuzz::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::sdp(bytes));
