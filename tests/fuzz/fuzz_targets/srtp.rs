//! See `tollgate_fuzz::srtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tollgate_fuzz::srtp(bytes));
