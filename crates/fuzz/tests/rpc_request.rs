//! No body makes the reader of JSON-RPC requests, or the check of parameters behind it, panic or grow.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_front::rpc::arguments::Arguments;
use nightjar_front::rpc::message::{BATCH_REQUESTS_MAX, ID_BYTES_MAX, Id, Incoming, Request, parse};
use nightjar_front::rpc::table::METHODS;

/// What an error says at the most: it may show the beginning of what was sent, never all of it.
const ERROR_BYTES_MAX: usize = 2048;

#[test]
fn body() {
    bolero::check!().for_each(|bytes: &[u8]| read(bytes));
}

/// Random bytes seldom are a request; in the place of a value, a member or an id they reach the rest of the reader.
#[test]
fn body_around_bytes() {
    bolero::check!().with_type::<(u8, Vec<u8>)>().for_each(|(place, bytes)| {
        let method = &METHODS[usize::from(*place) % METHODS.len()];
        let text = String::from_utf8_lossy(bytes);
        let quoted = format!("{text:?}").replace("\\u{", "u{").replace("\\'", "'").replace("\\0", "0");
        for value in [&text, &*quoted] {
            read(format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{value},"id":1}}"#, method.name).as_bytes());
            read(format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{{}},"id":{value}}}"#, method.name).as_bytes());
            read(format!(r#"[{{"jsonrpc":"2.0","method":{value}}},{value}]"#).as_bytes());
            for param in method.params {
                let params = format!(r#"{{"{}":{value}}}"#, param.name);
                read(format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{params}}}"#, method.name).as_bytes());
            }
        }
    });
}

fn read(body: &[u8]) {
    match parse(body) {
        Err(error) => assert!(error.message.len() <= ERROR_BYTES_MAX),
        Ok(Incoming::One(entry)) => {
            if let Ok(request) = entry {
                check(request);
            }
        }
        Ok(Incoming::Batch(entries)) => {
            assert!((1..=BATCH_REQUESTS_MAX).contains(&entries.len()));
            entries.into_iter().flatten().for_each(check);
        }
    }
}

fn check(request: Request) {
    if let Some(Id::Text(id)) = request.id {
        assert!(id.len() <= ID_BYTES_MAX);
    }
    let method = METHODS.iter().find(|method| method.name == request.method);
    if let Some(Err(error)) = method.map(|method| Arguments::check(method.params, request.params)) {
        assert!(error.message.len() <= ERROR_BYTES_MAX, "{error}");
    }
}
