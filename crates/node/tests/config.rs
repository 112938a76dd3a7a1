//! Settings: precedence, what each may be, errors that name the place, and documents that equal the code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nightjar_core::chain::Network;
use nightjar_core::router::{Budget, Budgets};
use nightjar_core::seen::DATED_BYTES_DEFAULT;
use nightjar_node::config::{
    CONNECT_MAX, Checked, Config, ConfigError, FILE_BYTES_MAX, IRC_NAME_BYTES_MAX, Key, Origin, Raw, Value,
};
use nightjar_node::store::StoreLimits;
use nightjar_node::window::WindowLimits;
use proptest::prelude::*;

fn file_path() -> PathBuf {
    PathBuf::from("/data/nightjar.toml")
}

fn of_file(text: &str) -> Result<Checked, ConfigError> {
    let here = Raw::default().flag(Key::DataDir, PathBuf::from("/data"));
    Ok(here.or(Raw::of_file(&file_path(), text)?).check()?.0)
}

fn error_of_file(text: &str) -> String {
    let error = of_file(text).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.strip_prefix("\"/data/nightjar.toml\" ").expect("the file is named").to_owned()
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// As it stands in a file; nothing when it is not set.
fn written(value: Option<&Value>) -> String {
    value.map(Value::to_string).unwrap_or_default()
}

fn error_of_variable(name: &str, value: &str) -> String {
    let here = Raw::default().flag(Key::DataDir, PathBuf::from("/nowhere"));
    Config::load(here, variables(&[(name, value)])).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_those_of_the_parts() {
    let defaults = of_file("").unwrap();
    assert_eq!(defaults, Checked::defaults(Path::new("/data")));
    let wanted = Checked {
        data_dir: "/data".into(),
        listen: "[::]:4038".parse().unwrap(),
        http: "127.0.0.1:4039".parse().unwrap(),
        irc: Some("127.0.0.1:6667".parse().unwrap()),
        irc_name: "nightjar.irc".into(),
        irc_presence: true,
        connect: vec![],
        discovery: true,
        network: Network::Main,
        socks5: None,
        daemon: None,
        acknowledge: false,
        log: "info".into(),
        ready_json: false,
        budgets: Some(Budgets::default()),
        seen_bytes: DATED_BYTES_DEFAULT,
        store: StoreLimits::default(),
        log_days: None,
        window: Some(WindowLimits::default()),
    };
    assert_eq!(defaults, wanted);
}

#[test]
fn behind_a_proxy_a_node_listens_on_this_machine_alone_unless_it_is_told_otherwise() {
    let hidden = of_file("socks5 = \"127.0.0.1:9050\"").unwrap();
    assert_eq!(hidden.listen, "127.0.0.1:4038".parse().unwrap());
    let told = of_file("socks5 = \"127.0.0.1:9050\"\nlisten = \"[::]:4038\"").unwrap();
    assert_eq!(told.listen, "[::]:4038".parse().unwrap());
}

#[test]
fn every_setting_can_stand_in_the_file() {
    let text = r#"
        listen = "127.0.0.1:0"
        http = "[::1]:0"
        irc = "[::1]:0"
        irc_name = "a.B-3"
        irc_presence = false
        connect = ["node.example:4038", "pascal://192.0.2.7:4004", "node.example:4038"]
        discovery = false
        network = "test"
        socks5 = "localhost:9050"
        daemon = "localhost:4003"
        acknowledge = true
        log = "info,nightjar_node::link=debug"
        ready_json = true
        seen_mib = 1
        log_messages_max = 1
        log_mib_max = 1_000
        log_days = 90
        window_hours = 2
        window_mib = 3
        [budget]
        worked = { per_peer = 1, per_node = 2 }
        dated = { per_peer = 3, per_node = 4 }
        plain.per_node = 0x6
    "#;
    let checked = of_file(text).unwrap();
    let wanted = Checked {
        data_dir: "/data".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        http: "[::1]:0".parse().unwrap(),
        irc: Some("[::1]:0".parse().unwrap()),
        irc_name: "a.B-3".into(),
        irc_presence: false,
        connect: vec!["node.example:4038".parse().unwrap(), "pascal://192.0.2.7:4004".parse().unwrap()],
        discovery: false,
        network: Network::Test,
        socks5: Some("localhost:9050".into()),
        daemon: Some("localhost:4003".into()),
        acknowledge: true,
        log: "info,nightjar_node::link=debug".into(),
        ready_json: true,
        budgets: Some(Budgets {
            worked: Budget { per_peer: 1, per_node: 2 },
            dated: Budget { per_peer: 3, per_node: 4 },
            plain: Budget { per_peer: 10, per_node: 6 },
        }),
        seen_bytes: 1 << 20,
        store: StoreLimits { messages_max: 1, bytes_max: 1000 << 20 },
        log_days: Some(90),
        window: Some(WindowLimits { hours: 2, bytes_max: 3 << 20 }),
    };
    assert_eq!(checked, wanted);
    assert_eq!(of_file("irc = 'off'").unwrap().irc, None);
    assert_eq!(of_file("window_mib = 0").unwrap().window, None);
    assert_eq!(of_file("budgets = \"off\"\n[budget.worked]\nper_peer = 1").unwrap().budgets, None);
}

#[test]
fn every_setting_can_stand_in_the_environment_as_it_stands_in_the_file() {
    let here = || Raw::default().flag(Key::DataDir, PathBuf::from("/nowhere"));
    let cases = [
        ("NIGHTJAR_LISTEN", "127.0.0.1:1", "listen = '127.0.0.1:1'"),
        ("NIGHTJAR_HTTP", "127.0.0.2:1", "http = '127.0.0.2:1'"),
        ("NIGHTJAR_IRC", "off", "irc = 'off'"),
        ("NIGHTJAR_IRC_NAME", "night.raven", "irc_name = 'night.raven'"),
        ("NIGHTJAR_IRC_PRESENCE", "0", "irc_presence = false"),
        ("NIGHTJAR_CONNECT", "a.example:1, pascal://b.example:2 ", "connect = ['a.example:1', 'pascal://b.example:2']"),
        ("NIGHTJAR_DISCOVERY", "no", "discovery = false"),
        ("NIGHTJAR_ACKNOWLEDGE", "yes", "acknowledge = true"),
        ("NIGHTJAR_NETWORK", "test", "network = 'test'"),
        ("NIGHTJAR_SOCKS5", "socks5://127.0.0.1:9050", "socks5 = '127.0.0.1:9050'"),
        ("NIGHTJAR_DAEMON", "http://127.0.0.1:4003/", "daemon = '127.0.0.1:4003'"),
        ("NIGHTJAR_LOG", "debug", "log = 'debug'"),
        ("NIGHTJAR_READY_JSON", "TRUE", "ready_json = true"),
        ("NIGHTJAR_BUDGETS", "off", "budgets = 'off'"),
        ("NIGHTJAR_SEEN_MIB", "7", "seen_mib = 7"),
        ("NIGHTJAR_LOG_MESSAGES_MAX", "7", "log_messages_max = 7"),
        ("NIGHTJAR_LOG_MIB_MAX", "7", "log_mib_max = 7"),
        ("NIGHTJAR_LOG_DAYS", "7", "log_days = 7"),
        ("NIGHTJAR_WINDOW_HOURS", "7", "window_hours = 7"),
        ("NIGHTJAR_WINDOW_MIB", "7", "window_mib = 7"),
        ("NIGHTJAR_BUDGET_WORKED_PER_PEER", "7", "budget.worked.per_peer = 7"),
        ("NIGHTJAR_BUDGET_WORKED_PER_NODE", "7", "budget.worked.per_node = 7"),
        ("NIGHTJAR_BUDGET_DATED_PER_PEER", "7", "budget.dated.per_peer = 7"),
        ("NIGHTJAR_BUDGET_DATED_PER_NODE", "7", "budget.dated.per_node = 7"),
        ("NIGHTJAR_BUDGET_PLAIN_PER_PEER", "7", "budget.plain.per_peer = 7"),
        ("NIGHTJAR_BUDGET_PLAIN_PER_NODE", "7", "budget.plain.per_node = 7"),
    ];
    assert_eq!(cases.len() + 1, Key::ALL.len(), "and NIGHTJAR_DATA_DIR");
    let defaults = Checked::defaults(Path::new("/nowhere"));
    for (name, value, line) in cases {
        let config = Config::load(here(), variables(&[(name, value)])).unwrap();
        let file = here().or(Raw::of_file(&file_path(), line).unwrap()).check().unwrap().0;
        assert_eq!(config.checked, file, "{name}");
        assert_ne!(config.checked, defaults, "{name}");
        assert_eq!(Config::load(here(), variables(&[(name, "")])).unwrap().checked, defaults, "empty is not set");
    }
}

#[test]
fn flags_go_before_the_environment_the_environment_before_the_file_the_file_before_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nightjar.toml");
    std::fs::write(&file, "log = 'file'\nseen_mib = 3\n\n  network = 'test'\nconnect = ['f.example:1']").unwrap();
    let flags = || {
        let connect = vec!["one.example:1".to_owned(), "two.example:2".to_owned()];
        Raw::default().flag(Key::Log, "flag").flag(Key::Discovery, false).flag(Key::Connect, connect)
    };
    let dir_name = dir.path().to_str().unwrap();
    let set = variables(&[
        ("NIGHTJAR_DATA_DIR", dir_name),
        ("NIGHTJAR_LOG", "environment"),
        ("NIGHTJAR_SEEN_MIB", "2"),
        ("HOME", "/root"),
    ]);
    let config = Config::load(flags(), set.clone()).unwrap();
    let checked = &config.checked;
    assert_eq!((checked.log.as_str(), checked.seen_bytes, checked.network), ("flag", 2 << 20, Network::Test));
    assert_eq!((checked.connect.len(), checked.discovery), (2, false), "a list is replaced, not joined");

    let shown: Vec<(&str, String, String)> = config
        .shown
        .iter()
        .map(|shown| (shown.name, written(shown.value.as_ref()), shown.origin.to_string()))
        .collect();
    let names: Vec<&str> = shown.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, Key::ALL.map(Key::name), "each is shown once");
    let of = |name: &str| {
        let (_, value, origin) = shown.iter().find(|(shown, ..)| *shown == name).unwrap();
        (value.as_str(), origin.as_str())
    };
    assert_eq!(of("data_dir"), (format!("{dir_name:?}").as_str(), "NIGHTJAR_DATA_DIR"));
    assert_eq!(of("log"), ("\"flag\"", "--log"));
    assert_eq!(of("discovery"), ("false", "--no-discovery"));
    assert_eq!(of("connect"), ("[\"one.example:1\", \"two.example:2\"]", "--connect"));
    assert_eq!(of("seen_mib"), ("2", "NIGHTJAR_SEEN_MIB"), "a number, as the file has it");
    assert_eq!(of("network"), ("\"test\"", format!("{file:?} line 4, column 13").as_str()));
    assert_eq!(of("listen"), ("\"[::]:4038\"", "default"));
    assert_eq!(of("socks5"), ("", "default"));

    // A data directory from the command line has a file of its own, here none.
    let other = Config::load(flags().flag(Key::DataDir, dir.path().join("other")), set).unwrap();
    assert_eq!((other.checked.network, other.checked.seen_bytes), (Network::Main, 2 << 20));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
    let cases = [
        ("# hi\n\nlissten = 1", "line 3, column 1: unknown key \"lissten\"; did you mean \"listen\"?"),
        ("no-discovery = true", "line 1, column 1: unknown key \"no-discovery\"; did you mean \"discovery\"?"),
        ("log-mib-max = 3", "line 1, column 1: unknown key \"log-mib-max\"; did you mean \"log_mib_max\"?"),
        (
            "data_dir = '/x'",
            "line 1, column 1: data_dir cannot stand in the file that lies in it: give --data-dir or set NIGHTJAR_DATA_DIR",
        ),
        (
            "[budget]\n  work = { per_peer = 1 }",
            "line 2, column 3: unknown key \"work\" in [budget]; did you mean \"worked\"?",
        ),
        (
            "[budget]\n\"wörked\" = {}\nplain = { per_pear = 1 }",
            "line 2, column 1: unknown key \"wörked\" in [budget]; did you mean \"worked\"?",
        ),
        (
            "[budget]\nplain = { 'ä' = 1, per_pear = 1 }",
            "line 2, column 11: unknown key \"ä\" in [budget.plain]; known are per_peer, per_node",
        ),
        // The first in the file, not the first in the alphabet.
        ("zzz = 1\naaa = 1\nlisten = 5", "line 1, column 1: unknown key \"zzz\"; known are "),
    ];
    for (text, wanted) in cases {
        let error = error_of_file(text);
        assert!(error.starts_with(wanted), "{error}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_is_wanted() {
    let cases = [
        (
            "listen = 'localhost:1'",
            "line 1, column 10: listen: \"localhost:1\" is no IP address with a port: write it as 0.0.0.0:4038 or [::]:4038",
        ),
        ("listen = 4038", "line 1, column 10: listen: it wants an IP address with a port, not 4038"),
        (
            "http = '0.0.0.0:4039'",
            "line 1, column 8: http: 0.0.0.0:4039 would open the local API to other machines, with its token in the clear: give 127.0.0.1 or [::1] with a port, and use an SSH tunnel from afar",
        ),
        ("http = '[::ffff:10.0.0.1]:1'", "line 1, column 8: http: [::ffff:10.0.0.1]:1 would open"),
        (
            "irc = '192.0.2.7:6667'",
            "line 1, column 7: irc: 192.0.2.7:6667 would open the IRC gateway to other machines, with its token and all that is said in the clear: give 127.0.0.1 or [::1] with a port, and use an SSH tunnel from afar",
        ),
        ("irc = '[::]:6667'", "line 1, column 7: irc: [::]:6667 would open the IRC gateway"),
        (
            "irc = 'none'",
            "line 1, column 7: irc: \"none\" is no IP address with a port: write it as 127.0.0.1:6667, or \"off\"",
        ),
        (
            "irc = false",
            "line 1, column 7: irc: it wants an IP address of this machine alone with a port, or \"off\", not false",
        ),
        ("irc_presence = 2", "line 1, column 16: irc_presence: it wants true or false, not 2"),
        (
            "network = 'tset'",
            "line 1, column 11: network: \"tset\" is not \"main\" or \"test\"; did you mean \"test\"?",
        ),
        ("budgets = true", "line 1, column 11: budgets: it wants \"on\" or \"off\", not true"),
        ("discovery = 'maybe'", "line 1, column 13: discovery: it wants true or false, not \"maybe\""),
        ("discovery = 1979-05-27", "line 1, column 13: discovery: it wants true or false, not a date"),
        ("seen_mib = 0", "line 1, column 12: seen_mib: it wants a whole number from 1 to 4096, not 0"),
        ("seen_mib = -1", "line 1, column 12: seen_mib: it wants a whole number from 1 to 4096, not -1"),
        ("seen_mib = 4097", "line 1, column 12: seen_mib: it wants a whole number from 1 to 4096, not 4097"),
        (
            "seen_mib = 1.5",
            "line 1, column 12: seen_mib: it wants a whole number from 1 to 4096, not a number with a fraction",
        ),
        ("seen_mib = 99999999999999999999999", "line 1, column 12: seen_mib: it wants a whole number from 1 to 4096"),
        ("log = ''", "line 1, column 7: log: it is empty: it wants a text"),
        (
            "connect = [1]",
            "line 1, column 11: connect: it wants a list of host:port or pascal://host:port, not a list of other things than texts",
        ),
        ("connect = ['node.example']", "line 1, column 11: connect: address \"node.example\" needs a port"),
        ("connect = ['http://x:1']", "line 1, column 11: connect: address \"http://x:1\" names a protocol"),
        (
            "socks5 = '127.0.0.1'",
            "line 1, column 10: socks5: \"127.0.0.1\" is no host:port: write it as 127.0.0.1:9050",
        ),
        ("socks5 = 'pascal://a.example:1'", "line 1, column 10: socks5: \"pascal://a.example:1\" is no host:port"),
        (
            "daemon = '127.0.0.1'",
            "line 1, column 10: daemon: \"127.0.0.1\" is no host:port: write it as 127.0.0.1:4003",
        ),
        ("budget = 1", "line 1, column 10: budget is a table of settings: write [budget]"),
        ("[budget]\nworked = 1", "line 2, column 10: budget.worked is a table of settings: write [budget.worked]"),
        ("[budget.worked]\nper_peer = 1_000_001", "line 2, column 12: budget.worked.per_peer: it wants a whole number"),
    ];
    for (text, wanted) in cases {
        let error = error_of_file(text);
        assert!(error.starts_with(wanted), "{error}");
    }
}

#[test]
fn the_gateway_is_called_as_no_person_can_be() {
    let name = |typed: &str| of_file(&format!("irc_name = {}", Value::from(typed))).map(|checked| checked.irc_name);
    let longest = format!("{}.b", "a".repeat(IRC_NAME_BYTES_MAX - 2));
    for right in ["nightjar.irc", "a.b", "A-1.2", "1.a-b.c", &longest] {
        assert_eq!(name(right).unwrap(), right);
    }
    let whole = "is not a name of 3 to 63 ASCII letters, digits, - and ., with a . inside: write it as nightjar.irc";
    let edge = "begins or ends with - or .: write it as nightjar.irc";
    let no_dot = "has no dot, so it could be the nick of a person: write it as nightjar.irc";
    let too_long = format!("{longest}b");
    let cases = [
        ("ab", whole),
        (too_long.as_str(), whole),
        ("night jar.irc", whole),
        ("nïghtjar.irc", whole),
        ("night_jar.irc", whole),
        (":a.irc", whole),
        (".irc", edge),
        ("irc.", edge),
        ("-a.irc", edge),
        ("a.irc-", edge),
        ("nightraven", no_dot),
    ];
    for (wrong, why) in cases {
        let error = name(wrong).unwrap_err().to_string();
        let wanted = format!("line 1, column 12: irc_name: {wrong:?} {why}");
        assert!(error.ends_with(&wanted), "{error}");
    }
    assert!(name("").unwrap_err().to_string().contains("it is empty: it wants a name of 3 to 63 ASCII letters"));
}

#[test]
fn what_is_no_toml_is_named_with_its_place() {
    for (text, place) in [
        ("listen = ", "line 1, column "),
        ("log = 'a'\nlisten = \"x\nhttp = 1", "line 2, column "),
        ("log = 'a'\nlog = 'b'", "line 2, column 1: "),
        ("\u{0}", "line 1, column "),
    ] {
        let error = error_of_file(text);
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn a_wrong_flag_or_variable_is_named() {
    let error = Raw::default().flag(Key::DataDir, PathBuf::from("/x")).flag(Key::Listen, "x").check().unwrap_err();
    assert!(error.to_string().starts_with("--listen: \"x\" is no IP address"), "{error}");
    let error = error_of_variable("NIGHTJAR_SEEN_MIB", "much");
    assert_eq!(error, "NIGHTJAR_SEEN_MIB: it wants a whole number from 1 to 4096, not \"much\"");
    assert_eq!(
        error_of_variable("NIGHTJAR_CONNECT", &"a.example:1 ".repeat(CONNECT_MAX + 1)),
        format!("NIGHTJAR_CONNECT: {} addresses are too many: the most is {CONNECT_MAX}", CONNECT_MAX + 1)
    );
    let error = error_of_variable("NIGHTJAR_LOG", &"x".repeat(2000));
    assert_eq!(error, "NIGHTJAR_LOG: 2000 bytes are too long: the most is 1024");
    let error = error_of_variable("NIGHTJAR_LISTEN", &"x".repeat(1000));
    assert!(error.len() < 300, "{error}");
}

#[test]
fn a_variable_that_is_almost_a_setting_is_warned_about_and_others_are_not() {
    let here = Raw::default().flag(Key::DataDir, PathBuf::from("/nowhere"));
    let set = variables(&[
        ("NIGHTJAR_LISSTEN", "x"),
        // As Kubernetes makes them for a service of that name.
        ("NIGHTJAR_SERVICE_HOST", "x"),
        ("LISTEN", "x"),
        ("NIGHTJAR_", "x"),
    ]);
    let config = Config::load(here, set).unwrap();
    let wanted = "NIGHTJAR_LISSTEN is no setting and has no effect; did you mean NIGHTJAR_LISTEN?";
    assert_eq!(config.warnings, [wanted]);
    assert_eq!(config.checked, Checked::defaults(Path::new("/nowhere")));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused_where_a_text_is_wanted() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b'/', 0xff]);
    let error = Raw::of_environment([("NIGHTJAR_LOG".into(), odd())]).unwrap_err().to_string();
    assert_eq!(error, "NIGHTJAR_LOG: it is not UTF-8: it wants a text");
    let (raw, _) = Raw::of_environment([("NIGHTJAR_DATA_DIR".into(), odd()), (odd(), odd())]).unwrap();
    assert_eq!(raw.data_dir().unwrap().0.as_os_str(), odd());
}

#[test]
fn a_password_of_a_proxy_is_refused_and_never_shown() {
    for typed in ["user:s3cret@127.0.0.1:9050", "socks5://user:s3cret@proxy.example:1"] {
        let raw = Raw::default().flag(Key::DataDir, PathBuf::from("/x")).flag(Key::Socks5, typed);
        assert!(!format!("{raw:?}").contains("s3cret"));
        let error = raw.check().unwrap_err();
        assert!(error.to_string().contains("user and password is not supported"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    let error = error_of_file("socks5 = ['user:s3cret@x:1']");
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_one_that_is_not_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nightjar.toml");
    assert_eq!(Raw::of_data_dir(dir.path()).unwrap(), Raw::default());
    std::fs::write(&file, b"log = '\xff'").unwrap();
    let error = Raw::of_data_dir(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{file:?} cannot be read: it is not UTF-8")), "{error}");
    std::fs::write(&file, vec![b'\n'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
    let error = Raw::of_data_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("it has more than 1048576 bytes"), "{error}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    Raw::of_data_dir(dir.path()).unwrap_err();
}

#[test]
fn a_file_begins_with_a_byte_order_mark_if_an_editor_of_windows_wrote_it() {
    assert_eq!(of_file("\u{feff}seen_mib = 3\r\nlog = 'x'\r\n").unwrap().seen_bytes, 3 << 20);
}

#[test]
fn the_sample_says_exactly_the_defaults_and_names_every_setting() {
    let sample = document("nightjar.sample.toml", |_| nightjar_node::config::sample());
    assert_eq!(of_file(&sample).unwrap(), Checked::defaults(Path::new("/data")));
    let raw = format!("{:?}", Raw::of_file(&file_path(), &sample).unwrap());
    for key in Key::ALL.into_iter().filter(|key| key.is_in_file() && key.entry().default.is_some()) {
        assert!(raw.contains(&format!("{:?}", key.name())), "{}", key.name());
    }
    // The one without a default stands there as a comment that can be opened.
    let opened = sample.replace("# socks5 = ", "socks5 = ");
    assert_eq!(of_file(&opened).unwrap().socks5.as_deref(), Some("127.0.0.1:9050"));
    assert!(sample.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn the_documentation_has_the_table_of_settings() {
    document("configuration.md", |old| {
        let (before, rest) = old.split_once("<!-- settings -->\n").expect("the table has a beginning");
        let (_, after) = rest.split_once("<!-- /settings -->").expect("the table has an end");
        format!("{before}<!-- settings -->\n{}<!-- /settings -->{after}", nightjar_node::config::reference())
    });
}

/// The text of a document, which has to be what the code writes; UPDATE_DOCS=1 writes it.
fn document(name: &str, wanted: impl Fn(&str) -> String) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let old = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let wanted = wanted(&old);
    if old != wanted {
        assert!(
            std::env::var_os("UPDATE_DOCS").is_some(),
            "docs/{name} is not what the code says: UPDATE_DOCS=1 cargo test -p nightjar-node --test config writes it"
        );
        std::fs::write(&path, &wanted).unwrap();
    }
    wanted
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|text| Value::Text(text).to_string()),
        "[a-z0-9.:@/\\[\\]]{0,20}".prop_map(|text| Value::Text(text).to_string()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("1.5".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_file_upsets_it_and_every_error_is_one_short_line(text in any::<String>()) {
        if let Err(error) = of_file(&text) {
            let error = error.to_string();
            prop_assert!(!error.contains('\n') && error.len() < 2000, "{}", error);
        }
    }

    #[test]
    fn no_value_of_a_key_upsets_it_and_the_error_points_at_the_value(
        key in 1..Key::ALL.len(),
        value in any_value(),
        blank in 0..5usize,
    ) {
        let name = Key::ALL[key].name();
        let text = format!("{}{name} = {value}", "\n".repeat(blank));
        if let Err(error) = of_file(&text) {
            let place = format!("\"/data/nightjar.toml\" line {}, column ", blank + 1);
            prop_assert!(error.to_string().starts_with(&place), "{}", error);
        }
    }

    #[test]
    fn what_is_shown_can_be_written_into_the_file(
        port in any::<u16>(),
        seen_mib in 1..=4096u64,
        per_peer in 1..=1_000_000u64,
        log in "[a-z=,:\"\\\\ ]{1,30}",
        hosts in proptest::collection::vec("[a-z]{1,10}\\.example", 0..5),
    ) {
        let raw = Raw::default()
            .flag(Key::DataDir, PathBuf::from("/data"))
            .flag(Key::Listen, format!("127.0.0.1:{port}"))
            .flag(Key::SeenMib, Value::Number(seen_mib as i64))
            .flag(Key::DatedPerPeer, Value::Number(per_peer as i64))
            .flag(Key::Log, log)
            .flag(Key::Connect, hosts.iter().map(|host| format!("{host}:1")).collect::<Vec<_>>());
        let (checked, shown) = raw.check().unwrap();
        let lines = shown.iter().filter(|shown| shown.value.is_some() && shown.name != "data_dir");
        let text: String =
            lines.map(|shown| format!("{} = {}\n", shown.name, written(shown.value.as_ref()))).collect();
        prop_assert_eq!(of_file(&text).unwrap(), checked);
    }
}

#[test]
fn an_origin_says_where_a_setting_was_typed() {
    let raw = Raw::of_file(&file_path(), "log = 'x'").unwrap().or(Raw::default().flag(Key::Http, "x"));
    assert_eq!(raw.clone().or(Raw::default()), raw);
    assert_eq!(Origin::Flag("--http").to_string(), "--http");
    let place = Origin::File { path: file_path(), line: 1, column: 7 };
    assert_eq!(format!("{raw:?}"), format!("{{\"http\": Flag(\"--http\"), \"log\": {place:?}}}"));
}
