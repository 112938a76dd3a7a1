//! One HTTP request: let in or refused, its body read within its limits, answered. Runs nothing by itself.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;

use super::dispatch::Dispatch;
use super::error::{Code, RpcError};
use super::guard::Guard;
use super::message::{self, Id};

/// A full batch of the longest messages takes about half of it.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// A body comes over loopback in no time; a client that takes longer hangs.
pub(super) const BODY_MS_MAX: u64 = 20_000;

/// What the requests of all connections share.
pub(super) struct Site<N: 'static> {
    pub(super) guard: Guard,
    pub(super) dispatch: Dispatch<N>,
    /// [`BODY_MS_MAX`], but for tests.
    pub(super) body_ms_max: u64,
}

impl<N: Clone> Site<N> {
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        if let Err(refusal) = self.guard.check(&head) {
            tracing::debug!(status = refusal.status.as_u16(), "a call was not let in");
            return Ok(refuse(refusal.status, &refusal.error));
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Ok(too_long());
        }
        let limit = Duration::from_millis(self.body_ms_max);
        let body = match timeout(limit, Limited::new(body, BODY_BYTES_MAX).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(too_long()),
            Ok(Err(error)) => {
                let error = RpcError::new(Code::InvalidRequest, format!("the body cannot be read: {error}"));
                return Ok(refuse(StatusCode::BAD_REQUEST, &error));
            }
            Err(_) => {
                let error = RpcError::new(Code::InvalidRequest, "the body did not come in time: send it at once");
                return Ok(refuse(StatusCode::REQUEST_TIMEOUT, &error));
            }
        };
        Ok(match self.dispatch.answer(&body).await {
            Some(answer) => respond(StatusCode::OK, answer),
            None => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
        })
    }
}

fn too_long() -> Response<Full<Bytes>> {
    let message = format!("the body has more than {BODY_BYTES_MAX} bytes: send it in parts");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, &RpcError::new(Code::TooMany, message))
}

fn refuse(status: StatusCode, error: &RpcError) -> Response<Full<Bytes>> {
    let mut response = respond(status, message::response(&Id::Null, &Err(error.clone())));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nightjar\""));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn respond(status: StatusCode, json: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A browser must not take a message for a page.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
