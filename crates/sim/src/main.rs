//! `nightjar-sim SCENARIO.toml [--seed N]`: runs a scenario and prints what became of its records.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use nightjar_sim::{Report, Scenario, run};

/// Many Nightjar routers, one clock, one seed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The scenario, as in crates/sim/scenarios/.
    scenario: PathBuf,
    /// Chance begins here instead of at the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match read(&arguments.scenario) {
        Ok(scenario) => {
            let report = print(&scenario, arguments.seed.unwrap_or(scenario.seed));
            // What is lost on links that lose records is no failure of the routers.
            let held = report.is_sound() && (report.is_complete() || scenario.loses());
            if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn read(path: &Path) -> Result<Scenario, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!("scenario {shown} cannot be read: {error}: give a file like those in crates/sim/scenarios")
    })?;
    text.parse().map_err(|error| format!("scenario {shown}: {error}"))
}

fn print(scenario: &Scenario, seed: u64) -> Report {
    println!("seed {seed}");
    let report = run(scenario, seed);
    print!("{report}");
    println!("seed {seed}");
    report
}
