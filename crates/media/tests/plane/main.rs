//! The media plane as its peers hear it: simulated phones around one worker, in simulated time.

mod cut;
mod digits;
mod flow;
mod fuzz;
mod law;
mod learning;
mod life;
mod mix;
mod moving;
mod prompts;
mod protected;
mod studio;
