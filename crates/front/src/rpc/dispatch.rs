//! From a body to the answer: finds each method in the table, checks its parameters, runs it. Knows nothing of HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::arguments::Arguments;
use super::error::{Code, RpcError};
use super::message::{self, Answer, Id, Incoming, Invalid, Request};
use super::table::{Call, Method, Patience, WAITING_MAX};
use crate::typed::{quoted, suggestion};

/// When the answers of a batch have this many bytes, the rest of it is not run: they are held until the last is there.
pub(super) const BATCH_ANSWER_BYTES_MAX: usize = 8 << 20;
/// After so long the rest of a batch is not run: a client that waits longer has given up.
pub(super) const BATCH_MS_MAX: u64 = 120_000;

/// A table of methods and what they are about.
pub(crate) struct Dispatch<N: 'static> {
    node: N,
    table: &'static [Method<N>],
    seats: Arc<Semaphore>,
    stop: watch::Receiver<()>,
}

impl<N: Clone> Dispatch<N> {
    pub(crate) fn new(node: N, table: &'static [Method<N>], stop: watch::Receiver<()>) -> Self {
        Self { node, table, seats: Arc::new(Semaphore::new(WAITING_MAX)), stop }
    }

    /// The answer to a body; `None` when it holds nothing but notifications.
    pub(crate) async fn answer(&self, body: &[u8]) -> Option<String> {
        let patience = Patience::new(Arc::clone(&self.seats), self.stop.clone());
        match message::parse(body) {
            Err(error) => Some(message::response(&Id::Null, &Err(error))),
            Ok(Incoming::One(entry)) => self.entry(entry, &patience).await,
            Ok(Incoming::Batch(entries)) => self.batch(entries, &patience).await,
        }
    }

    async fn batch(&self, entries: Vec<Result<Request, Invalid>>, patience: &Patience) -> Option<String> {
        let until = Instant::now() + Duration::from_millis(BATCH_MS_MAX);
        let mut answers = String::new();
        for entry in entries {
            let answer = if answers.len() > BATCH_ANSWER_BYTES_MAX {
                not_run(entry, "the answers before it are large: send fewer requests in a batch")
            } else if Instant::now() > until {
                not_run(entry, "those before it took too long: send fewer requests in a batch")
            } else {
                self.entry(entry, patience).await
            };
            if let Some(answer) = answer {
                answers.push(if answers.is_empty() { '[' } else { ',' });
                answers.push_str(&answer);
            }
        }
        if answers.is_empty() {
            return None;
        }
        answers.push(']');
        Some(answers)
    }

    async fn entry(&self, entry: Result<Request, Invalid>, patience: &Patience) -> Option<String> {
        match entry {
            Ok(request) => {
                let outcome = self.call(&request.method, request.params, patience).await;
                request.id.map(|id| message::response(&id, &outcome))
            }
            Err(Invalid { id, error }) => Some(message::response(&id, &Err(error))),
        }
    }

    async fn call(
        &self,
        name: &str,
        params: serde_json::Map<String, serde_json::Value>,
        patience: &Patience,
    ) -> Result<Answer, RpcError> {
        let method = self.table.iter().find(|method| method.name == name).ok_or_else(|| {
            let hint = suggestion(name, self.table.iter().map(|method| method.name));
            RpcError::new(Code::MethodNotFound, format!("method {} does not exist{hint}", quoted(name)))
        })?;
        let arguments = Arguments::check(method.params, params)?;
        (method.run)(Call { node: self.node.clone(), patience: patience.clone() }, arguments).await
    }
}

fn not_run(entry: Result<Request, Invalid>, why: &str) -> Option<String> {
    let id = match entry {
        Ok(request) => request.id?,
        Err(invalid) => invalid.id,
    };
    Some(message::response(&id, &Err(RpcError::new(Code::TooMany, format!("not run: {why}")))))
}
