//! What is read off the machine (Linux), and how it is printed.

use std::fs;
use std::time::Instant;

use serde_json::{Map, Value, json};

/// Whatever went wrong: a benchmark that cannot run says so and ends.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Milliseconds and CPU microseconds of this process from a moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    began: Instant,
    cpu_us: u64,
}

impl Span {
    pub(crate) fn begin() -> Result<Self, Failed> {
        Ok(Self { began: Instant::now(), cpu_us: cpu_us()? })
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) fn cpu_us(&self) -> Result<u64, Failed> {
        Ok(cpu_us()? - self.cpu_us)
    }
}

/// CPU time of all threads of this process, in microseconds; the system counts in hundredths of a second.
fn cpu_us() -> Result<u64, Failed> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit_once(')').ok_or("/proc/self/stat has another form")?.1;
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
    Ok(ticks * 10_000)
}

/// Memory of this process that is in use, in bytes.
pub(crate) fn resident_bytes() -> Result<u64, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("/proc/self/status has no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Bytes that went over the loopback, with the headers of TCP and IP; of every process of this machine.
pub(crate) fn loopback_bytes() -> Result<u64, Failed> {
    let devices = fs::read_to_string("/proc/net/dev")?;
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).ok_or("there is no loopback")?;
    Ok(line.split_whitespace().next().ok_or("/proc/net/dev has another form")?.parse()?)
}

/// The value below which so many hundredths of all lie.
pub(crate) fn percentile(sorted: &[f64], hundredths: usize) -> f64 {
    let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// Prints one line: the name of the measurement, then its figures, rounded to what they are worth.
pub(crate) fn print(name: &str, figures: &[(&str, f64)]) {
    let mut line = Map::new();
    line.insert("bench".into(), json!(name));
    for (figure, value) in figures {
        let digits = if value.abs() >= 1000.0 { 1.0 } else { 1000.0 };
        line.insert((*figure).into(), json!((value * digits).round() / digits));
    }
    println!("{}", Value::Object(line));
}
