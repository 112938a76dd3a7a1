//! The program `nightjar`: reads the command line, does one command, and says by its exit code what became of it.
//! Never decides what a node does: it starts one, or talks to one that runs.

mod client;
mod commands;
mod exit;
mod output;
mod secret;
mod serve;

mod signals;

use std::panic::PanicHookInfo;

use exit::Exit;

fn main() {
    std::panic::set_hook(Box::new(bug));
    let exit = commands::run_from(std::env::args_os());
    // Not by returning: a thread that still waits for a pipe or a disk must not hold the program.
    std::process::exit(exit.code());
}

/// A panic anywhere is a mistake of this program, and what it goes on to do would be guesswork: it says so in one line
/// and ends.
fn bug(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("no reason was given").replace('\n', " ");
    let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    output::note(&format!(
        "nightjar: this is a bug: {what}{place} (version {}). Please report this line, and what was done before; \
         RUST_BACKTRACE=1 shows more.",
        env!("CARGO_PKG_VERSION")
    ));
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        output::note(&trace.to_string());
    }
    std::process::exit(Exit::Bug.code());
}
