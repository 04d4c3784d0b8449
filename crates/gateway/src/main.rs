//! The one binary. Everything the cores may not do is done here.

fn main() {}
