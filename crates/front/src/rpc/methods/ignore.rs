//! What the user does not want to read.

use nightjar_node::handle::Handle;
use nightjar_node::post::{IgnoreError, Ignored};
use nightjar_node::store::WriteError;
use serde::Serialize;

use crate::rpc::arguments::{Arguments, Kind, Need, Param, shorter};
use crate::rpc::error::{Code, RpcError};
use crate::rpc::message::Answer;
use crate::rpc::table::{Call, Method, field};

const WHAT: Param = Param {
    name: "what",
    kind: Kind::Text,
    need: Need::Required,
    doc: "A chat key (`~` and its 64 hex digits), an account (`1234-44`), a nick (`@raven`), or `word:` and a pattern.",
};

pub(crate) const IGNORE: Method<Handle> = Method {
    name: "ignore",
    summary: "Reads something no more: messages of a key, an account or a nick, or with a word in them, are dropped before they are stored.",
    notes: "They are counted in `nodestatus`, and told to nobody. To ignore a key is to `decline` it, heard of or not. An account is \
            whoever claims it, proven or not; a nick whoever signs and calls himself so. A pattern is text in which `*` is anything, \
            without regard to case: one with a blank in it is held against the whole text, one without against each word. Own \
            messages are never ignored. What was stored before stays.",
    params: &[WHAT],
    result: &[
        field("what", "text", "What is ignored, in the one form in which it is kept."),
        field("added", "boolean", "`false` when it was ignored before."),
    ],
    example: r#"{"what":"word:Airdrop*"}"#,
    example_result: r#"{"what":"word:airdrop*","added":true}"#,
    run: |call, arguments| Box::pin(ignore(call, arguments)),
};

pub(crate) const UNIGNORE: Method<Handle> = Method {
    name: "unignore",
    summary: "Reads something again from now on.",
    notes: "A key that was declined is a stranger's again; `accept` makes it a contact.",
    params: &[WHAT],
    result: &[
        field("what", "text", "What it was, in the one form in which it was kept."),
        field("removed", "boolean", "`false` when it was not ignored."),
    ],
    example: r#"{"what":"@magpie"}"#,
    example_result: r#"{"what":"@magpie","removed":true}"#,
    run: |call, arguments| Box::pin(unignore(call, arguments)),
};

pub(crate) const IGNORED: Method<Handle> = Method {
    name: "ignored",
    summary: "What is ignored, and which keys are declined.",
    notes: "",
    params: &[],
    result: &[field("[].what", "text", "As `ignore` takes it.")],
    example: "{}",
    example_result: r#"[{"what":"1234-44"},{"what":"@magpie"},{"what":"word:airdrop*"}]"#,
    run: |call, _| Box::pin(ignored(call)),
};

/// Longer than all that can be ignored: a pattern is the longest, and grows when it is folded.
const WHAT_BYTES_MAX: usize = 256;

#[derive(Serialize)]
struct Added {
    what: String,
    added: bool,
}

#[derive(Serialize)]
struct Removed {
    what: String,
    removed: bool,
}

#[derive(Serialize)]
struct Entry {
    what: String,
}

async fn ignore(call: Call<Handle>, arguments: Arguments) -> Result<Answer, RpcError> {
    let what = what(arguments)?;
    let added = call.node.post().ignore(what.clone()).await?;
    Ok(Answer::of(&Added { what: what.to_string(), added }))
}

async fn unignore(call: Call<Handle>, arguments: Arguments) -> Result<Answer, RpcError> {
    let what = what(arguments)?;
    let removed = call.node.post().unignore(&what).await;
    let removed = removed.map_err(|error: WriteError| RpcError::new(Code::Internal, error.to_string()))?;
    Ok(Answer::of(&Removed { what: what.to_string(), removed }))
}

async fn ignored(call: Call<Handle>) -> Result<Answer, RpcError> {
    let all = call.node.post().ignored().into_iter().map(|what| Entry { what: what.to_string() });
    Ok(Answer::of(&all.collect::<Vec<_>>()))
}

fn what(mut arguments: Arguments) -> Result<Ignored, RpcError> {
    let text = arguments.text("what").expect("it is required");
    let refused = |why: String| RpcError::new(Code::InvalidParams, format!("parameter \"what\": {why}"));
    shorter(&text, WHAT_BYTES_MAX).map_err(refused)?;
    text.parse().map_err(|error: nightjar_node::post::NotIgnorable| refused(error.to_string()))
}

impl From<IgnoreError> for RpcError {
    fn from(error: IgnoreError) -> Self {
        let code = match &error {
            IgnoreError::TooMany(_) | IgnoreError::TooManyKeys => Code::TooMany,
            IgnoreError::Oneself(_) => Code::InvalidParams,
            IgnoreError::Store(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}
