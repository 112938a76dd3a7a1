//! `nightjar config`: the settings in force and where each comes from. Needs no running node, and makes no directory.

use std::path::PathBuf;

use nightjar_node::config::{Config, Origin, Value as Setting};
use serde_json::{Map, Value, json};

use super::settings::{self, Flags};
use crate::exit::Failure;
use crate::output::{self, Paint, visible};

const HELP: &str = "\
A flag goes before the environment, the environment before DATA_DIR/nightjar.toml, the file before the default. What
is printed can stand in nightjar.toml as it is.

Examples:
  nightjar config                               shows what `nightjar run` would use
  nightjar config --sample > nightjar.toml      to be edited and put into the data directory";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long, conflicts_with = "sample")]
    json: bool,

    /// Print a nightjar.toml with every setting, its default and its reason
    #[arg(long)]
    sample: bool,
}

pub(super) fn run(args: Args, data_dir: Option<PathBuf>) -> Result<(), Failure> {
    if args.sample {
        return Ok(output::print(&nightjar_node::config::sample())?);
    }
    let config = settings::load(Flags::default(), data_dir)?;
    for warning in &config.warnings {
        output::note(&format!("nightjar: {warning}"));
    }
    let text = if args.json { output::json(&as_json(&config)) } else { as_toml(&config, Paint::stdout()) };
    Ok(output::print(&text)?)
}

fn as_json(config: &Config) -> Value {
    let settings = config.shown.iter().map(|shown| {
        let value = shown.value.as_ref().map_or(Value::Null, value_as_json);
        (shown.name.to_owned(), json!({ "value": value, "from": shown.origin.to_string() }))
    });
    Value::Object(settings.collect::<Map<_, _>>())
}

fn value_as_json(value: &Setting) -> Value {
    match value {
        Setting::Text(text) => json!(text),
        Setting::Number(number) => json!(number),
        Setting::Bool(value) => json!(value),
        Setting::List(list) => json!(list),
        Setting::Path(path) => json!(path.to_string_lossy()),
    }
}

fn as_toml(config: &Config, paint: Paint) -> String {
    let settings = config.shown.iter().map(|shown| {
        // What is not set has no value in TOML, and the data directory is known before its file is read.
        let comment = if shown.value.is_none() || shown.name == "data_dir" { "# " } else { "" };
        let value = shown.value.as_ref().map_or_else(|| "not set".to_owned(), Setting::to_string);
        (format!("{comment}{} = {}", shown.name, visible(&value)), &shown.origin)
    });
    let settings: Vec<_> = settings.collect();
    let width = settings.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (setting, origin) in settings {
        let padding = " ".repeat(width.saturating_sub(setting.chars().count()));
        let comment = visible(&format!("# {origin}"));
        // What somebody typed is what one looks for.
        let comment = if *origin == Origin::Default { paint.dim(&comment) } else { paint.name(&comment) };
        text.push_str(&format!("{setting}{padding}  {comment}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use nightjar_node::config::Raw;
    use std::path::Path;

    fn config() -> Config {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("nightjar.toml"), "network = \"test\"\n").unwrap();
        let environment = [
            ("NIGHTJAR_DATA_DIR".into(), dir.path().into()),
            ("NIGHTJAR_LOG".into(), "debug".into()),
            ("NIGHTJAR_CONNECT".into(), "a.example:1".into()),
        ];
        Config::load(Raw::default(), environment).unwrap()
    }

    #[test]
    fn what_is_printed_is_a_file_that_means_the_same() {
        let config = config();
        let text = as_toml(&config, Paint::stdout());
        assert!(text.contains("# NIGHTJAR_LOG\n") && text.contains("line 1") && text.contains("# default\n"), "{text}");
        let raw = Raw::of_file(Path::new("printed"), &text).unwrap();
        let (again, _) = raw.check().unwrap();
        let data_dir = again.data_dir.clone();
        assert_eq!(again, nightjar_node::config::Checked { data_dir, ..config.checked });
    }

    #[test]
    fn json_has_every_setting_with_where_it_comes_from() {
        let config = config();
        let settings = as_json(&config);
        assert_eq!(settings.as_object().unwrap().len(), config.shown.len());
        let of = |name: &str| settings.get(name).unwrap().clone();
        assert_eq!(of("log"), json!({ "value": "debug", "from": "NIGHTJAR_LOG" }));
        assert_eq!(of("seen_mib"), json!({ "value": 64, "from": "default" }));
        assert_eq!(of("connect"), json!({ "value": ["a.example:1"], "from": "NIGHTJAR_CONNECT" }));
        assert_eq!(of("socks5"), json!({ "value": null, "from": "default" }));
    }
}
