//! The one binary. Everything the cores may not do is done here.

mod cli;
mod clock;
mod config;
mod logs;
mod prompts;
mod provisioning;

fn main() -> std::process::ExitCode {
    cli::run()
}
