//! The program and its parts, timed. Prints one JSON line a measurement; asserts nothing about time.
//!
//! `cargo run --release -p nightjar-bench -- pair` and so on; `docs/benchmarks.md` says what each figure means.

mod catch_up;
mod idle;
mod ids;
mod line;
mod measure;
mod mesh;
mod pair;
mod store;
mod testbed;
mod verify;
mod windows;
mod work;

use clap::{Parser, Subcommand};

/// Times Nightjar: JSON lines on stdout.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Nodes keep no window, to see what it costs.
    #[arg(long, global = true)]
    no_window: bool,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Two processes over TLS: records a second and CPU of both ends; without budgets, and at 80 % of the default ones.
    Pair {
        /// Records sent without budgets.
        #[arg(long, default_value_t = 3_000_000)]
        records: u64,
    },
    /// Three nodes in a line: milliseconds from `publish` to the log of the last, and CPU of all three.
    Line {
        /// Records a second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// Seconds.
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Nodes of which each has 8 links: bytes on the wire, milliseconds to the last node, CPU.
    Mesh {
        /// Nodes.
        #[arg(long, default_value_t = 20)]
        nodes: usize,
        /// Records a second in all; the default budgets are in force.
        #[arg(long, default_value_t = 50)]
        rate: u64,
        /// Seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Memory of nodes that do nothing, and of their links.
    Idle {
        /// Nodes; each is linked to each.
        #[arg(long, default_value_t = 16)]
        nodes: usize,
    },
    /// The table of seen ids: bytes an id, look-ups a second.
    Ids {
        /// MiB of the table.
        #[arg(long, default_value_t = 64)]
        mib: usize,
    },
    /// The search for a proof of work: tries a second of one core, seconds for 20 bits; and the pool of the spare cores.
    Work {
        /// Tries of one core.
        #[arg(long, default_value_t = 20_000_000)]
        tries: u64,
        /// Records that the pool finds, one after the other.
        #[arg(long, default_value_t = 50)]
        records: u32,
    },
    /// Signatures: checks a second of one core and of the pool; a node that takes in signed records, and unsigned ones.
    Verify {
        /// Checks.
        #[arg(long, default_value_t = 50_000)]
        checks: u64,
        /// Records that a node takes in.
        #[arg(long, default_value_t = 100_000)]
        records: u64,
    },
    /// The log: messages a second with and without their words, searches in a full one, how long it takes to open.
    Store {
        /// Messages.
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
    },
    /// Catch-up by itself: two sets of records, with nothing, 1,000 and 20,000 missing in one of them.
    CatchUp {
        /// Records of the other.
        #[arg(long, default_value_t = 1_000_000)]
        records: u32,
        /// Hours over which they expire, at most 176.
        #[arg(long, default_value_t = 168)]
        hours: u32,
    },
    /// Catch-up between two nodes: one that was off for a day fetches what the other has, with all that comes with it.
    Windows {
        /// Records of the day.
        #[arg(long, default_value_t = 20_000)]
        records: u64,
    },
    /// The other end of `pair`.
    #[command(hide = true)]
    PairEnd {
        /// Records to wait for.
        #[arg(long)]
        records: u64,
        /// Whether the default budgets are in force.
        #[arg(long)]
        budgets: bool,
    },
}

#[tokio::main]
async fn main() -> Result<(), measure::Failed> {
    let Arguments { no_window, what } = Arguments::parse();
    testbed::WINDOW.store(!no_window, std::sync::atomic::Ordering::Relaxed);
    match what {
        What::Pair { records } => pair::run(records).await,
        What::Line { rate, seconds } => line::run(rate, seconds).await,
        What::Mesh { nodes, rate, seconds } => mesh::run(nodes, rate, seconds).await,
        What::Idle { nodes } => idle::run(nodes).await,
        What::Ids { mib } => ids::run(mib),
        What::Work { tries, records } => work::run(tries, records).await,
        What::Verify { checks, records } => verify::run(checks, records).await,
        What::Store { messages } => store::run(messages).await,
        What::CatchUp { records, hours } => catch_up::run(records, hours),
        What::Windows { records } => windows::run(records).await,
        What::PairEnd { records, budgets } => pair::end(records, budgets).await,
    }
}
