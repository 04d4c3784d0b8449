//! The one binary. Everything the cores may not do is done here.

mod abort;
mod cli;
mod clock;
mod config;
mod connections;
mod demo;
mod doctor;
mod health;
mod listening;
mod logs;
mod media_plane;
mod prompts;
mod provisioning;
mod serve;
mod signalling;
mod storekeeper;
mod strangers;
mod telemetry;
mod upkeep;

fn main() -> std::process::ExitCode {
    cli::run()
}
