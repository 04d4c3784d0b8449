//! Codecs, one a file. Samples are 16-bit linear at 8 kHz.

pub(crate) mod g711;
