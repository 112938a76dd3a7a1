//! No parameters upset the reader of what IRC clients ask of what was said before, and what it lets through is bounded.

use nightjar_front::irc::ask::{Ask, AskFault, HISTORY_MAX, Part, Reference, ask, moment};
use nightjar_front::irc::text::TIME_MS_MAX;

#[test]
fn asked() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        read(&text);
        // Random bytes seldom begin as a wish does.
        read(&format!("LATEST #a {text} 5"));
        read(&format!("BETWEEN #a msgid={text} timestamp={text} 5"));
        read(&format!("TARGETS timestamp={text} timestamp=2026-11-30T18:41:34.123Z {text}"));
        if let Some(ms) = moment(&text) {
            assert!(ms <= TIME_MS_MAX);
        }
    });
}

fn read(text: &str) {
    let params: Vec<String> = text.split(' ').map(str::to_owned).collect();
    match ask(&params) {
        Ok(Ask::Messages { target, part, limit, .. }) => {
            assert!((1..=HISTORY_MAX).contains(&limit) && params.contains(&target));
            match part {
                Part::Latest(None) => {}
                Part::Latest(Some(at)) | Part::Before(at) | Part::After(at) | Part::Around(at) => check(&at),
                Part::Between(from, to) => [from, to].iter().for_each(check),
            }
        }
        Ok(Ask::Targets { from, to, limit }) => {
            assert!((1..=HISTORY_MAX).contains(&limit) && from.max(to) <= TIME_MS_MAX);
        }
        Err(AskFault::NoCommand) => assert!(params.is_empty()),
        // What is given back stood there.
        Err(fault) => assert!(fault.context().into_iter().all(|part| params.iter().any(|param| param == part))),
    }
}

fn check(at: &Reference) {
    match at {
        Reference::Message(bytes) => assert!(matches!(bytes.len(), 8 | 16)),
        Reference::Local(id) => assert!(id.starts_with("local")),
        Reference::Moment(ms) => assert!(*ms <= TIME_MS_MAX),
    }
}
