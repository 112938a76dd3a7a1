//! Who may call: the token, and no web page of another origin. Never says more to a stranger than where the token is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::{Code, RpcError};
use crate::token::Token;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, StatusCode};

/// Looks at the head of each request.
pub(super) struct Guard {
    token: Token,
    token_file: PathBuf,
    listen: SocketAddr,
}

/// A request that is not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: RpcError,
}

impl Guard {
    pub(super) fn new(token: &str, token_file: PathBuf, listen: SocketAddr) -> Self {
        Self { token: Token::new(token), token_file, listen }
    }

    /// Lets a request in or says why not. The order matters: a page of another origin learns nothing, not even the method.
    pub(super) fn check(&self, head: &Parts) -> Result<(), Refusal> {
        let host = self.check_host(head)?;
        self.check_origin(&head.headers, &host)?;
        if head.method != Method::POST {
            let message = "only POST is answered here: send a JSON-RPC 2.0 request as the body of a POST";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message));
        }
        self.check_token(&head.headers)
    }

    /// A web page whose name was bound to our address by DNS still sends its own name.
    fn check_host(&self, head: &Parts) -> Result<Authority, Refusal> {
        let refused = || {
            let message = format!(
                "the request is for another host: it must be for http://{} (or localhost with this port), also in its Host header",
                self.listen
            );
            Refusal::new(StatusCode::FORBIDDEN, message)
        };
        let host = only(&head.headers, &HOST).flatten().and_then(|host| host.parse::<Authority>().ok());
        let host = host.filter(|host| self.is_ours(host)).ok_or_else(refused)?;
        match head.uri.authority() {
            Some(authority) if !self.is_ours(authority) => Err(refused()),
            _ => Ok(host),
        }
    }

    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Refusal> {
        let Some(origin) = only(headers, &ORIGIN) else { return Ok(()) };
        let origin =
            origin.and_then(|origin| origin.strip_prefix("http://")).and_then(|rest| rest.parse::<Authority>().ok());
        let same = origin.is_some_and(|origin| {
            self.is_ours(&origin)
                && origin.host().eq_ignore_ascii_case(host.host())
                && origin.port_u16().unwrap_or(HTTP_PORT) == self.listen.port()
        });
        if same {
            return Ok(());
        }
        let message = "web pages of other origins are not let in: call from a program, or from a page of this server";
        Err(Refusal::new(StatusCode::FORBIDDEN, message))
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let listened = match self.listen {
            SocketAddr::V4(listen) => host == listen.ip().to_string(),
            SocketAddr::V6(listen) => host == format!("[{}]", listen.ip()),
        };
        // An address cannot be bound to another's name; "all addresses" is none.
        let named = host.eq_ignore_ascii_case("localhost")
            || host == "127.0.0.1"
            || host == "[::1]"
            || (listened && !self.listen.ip().is_unspecified());
        // What stands before an @ would be ignored by `host`.
        let bare = !authority.as_str().contains('@');
        // A port that is no number must not pass as none.
        let behind = authority.as_str().strip_prefix(host).unwrap_or_default();
        let port = behind.is_empty() || behind == format!(":{}", self.listen.port());
        named && bare && port
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let shown = only(headers, &AUTHORIZATION).flatten().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        // Nothing shown is compared as well: both take the same way.
        let right = self.token.is(shown.unwrap_or_default());
        if right && shown.is_some() {
            return Ok(());
        }
        let what = if shown.is_some() { "the token is wrong" } else { "there is no token" };
        let message = format!(
            "{what}: send the header \"Authorization: Bearer TOKEN\" with the token that stands in {}",
            self.token_file.display()
        );
        Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
    }
}

/// The port of an origin that names none.
const HTTP_PORT: u16 = 80;

/// The header's text; `Some(None)` when it is there more than once or is no text, `None` when it is not there.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(first.to_str().ok().filter(|_| values.next().is_none()))
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, error: RpcError::new(Code::NotAllowed, message) }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token's hash: it could be searched for.
        f.debug_struct("Guard").field("listen", &self.listen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use hyper::Request;
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "correct horse battery staple";
    const BEARER: (&str, &str) = ("authorization", "Bearer correct horse battery staple");

    fn guard() -> Guard {
        Guard::new(TOKEN, "/data/token".into(), "127.0.0.1:4039".parse().unwrap())
    }

    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        guard().check(&head).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_program_with_the_token_is_let_in() {
        for host in ["127.0.0.1:4039", "127.0.0.1", "localhost", "LocalHost:4039", "[::1]:4039", "[::1]"] {
            assert_eq!(status("POST", "/", &[("host", host), BEARER]), 200, "{host}");
        }
        assert_eq!(status("POST", "/any/path?q=1", &[("host", "localhost"), BEARER]), 200);
        assert_eq!(status("POST", "http://127.0.0.1:4039/", &[("host", "localhost"), BEARER]), 200);
    }

    #[test]
    fn another_host_is_refused_even_with_the_token() {
        for host in [
            "evil.example",
            "evil.example:4039",
            "localhost:4040",
            "127.0.0.1:80",
            "127.0.0.1.evil.example",
            "localhost.",
            "127.1",
            "a@localhost",
            "localhost@evil.example",
            "",
            "0.0.0.0:4039",
            "localhost:04039",
            "localhost:",
            "192.0.2.7",
        ] {
            assert_eq!(status("POST", "/", &[("host", host), BEARER]), 403, "{host}");
        }
        assert_eq!(status("POST", "/", &[BEARER]), 403, "no host");
        assert_eq!(status("POST", "/", &[("host", "localhost"), ("host", "localhost"), BEARER]), 403, "two hosts");
        assert_eq!(
            status("POST", "http://evil.example/", &[("host", "localhost"), BEARER]),
            403,
            "in the request line"
        );
    }

    #[test]
    fn the_address_that_is_listened_on_is_a_host_of_ours_but_all_addresses_are_none() {
        let host = |listen: &str, host: &str| {
            let guard = Guard::new(TOKEN, PathBuf::new(), listen.parse().unwrap());
            guard.is_ours(&host.parse().unwrap())
        };
        assert!(host("192.0.2.7:4039", "192.0.2.7:4039"));
        assert!(host("[2001:db8::7]:4039", "[2001:db8::7]"));
        assert!(!host("0.0.0.0:4039", "0.0.0.0:4039"));
        assert!(!host("[::]:4039", "[::]:4039"));
    }

    #[test]
    fn a_page_of_another_origin_is_refused_even_with_the_token() {
        let with = |origin: &str| status("POST", "/", &[("host", "127.0.0.1:4039"), ("origin", origin), BEARER]);
        assert_eq!(with("http://127.0.0.1:4039"), 200);
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://127.0.0.1:4039",
            "http://127.0.0.1",
            "http://127.0.0.1:4040",
            "http://localhost:4039",
            "http://127.0.0.1:4039.evil.example",
            "http://a@127.0.0.1:4039",
            "127.0.0.1:4039",
            "http://",
        ] {
            assert_eq!(with(origin), 403, "{origin}");
        }
        let two = [("host", "127.0.0.1:4039"), ("origin", "http://127.0.0.1:4039"), ("origin", "null"), BEARER];
        assert_eq!(status("POST", "/", &two), 403);
    }

    #[test]
    fn a_preflight_of_any_page_is_refused() {
        assert_eq!(status("OPTIONS", "/", &[("host", "localhost:4039"), ("origin", "http://evil.example")]), 403);
        assert_eq!(status("OPTIONS", "/", &[("host", "localhost:4039"), ("origin", "http://localhost:4039")]), 405);
    }

    #[test]
    fn only_post_is_answered() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post"] {
            assert_eq!(status(method, "/", &[("host", "localhost"), BEARER]), 405, "{method}");
        }
    }

    #[test]
    fn without_the_very_token_nobody_is_let_in_and_is_told_where_it_is() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Bearer correct horse battery stapl",
            "Bearer correct horse battery staple2",
            "Basic correct horse battery staple",
            "correct horse battery staple",
            "",
        ] {
            assert_eq!(status("POST", "/", &[("host", "localhost"), ("authorization", value)]), 401, "{value}");
        }
        assert_eq!(status("POST", "/", &[("host", "localhost"), BEARER, BEARER]), 401, "two tokens");
        let (head, ()) = Request::post("/").header("host", "localhost").body(()).unwrap().into_parts();
        let refusal = guard().check(&head).unwrap_err();
        assert_eq!(refusal.error.code, Code::NotAllowed);
        assert!(refusal.error.message.contains("there is no token") && refusal.error.message.contains("/data/token"));
    }

    #[test]
    fn an_empty_token_opens_nothing_without_being_shown() {
        let guard = Guard::new("", PathBuf::new(), "127.0.0.1:4039".parse().unwrap());
        let (head, ()) = Request::post("/").header("host", "localhost").body(()).unwrap().into_parts();
        assert_eq!(guard.check(&head).unwrap_err().status, StatusCode::UNAUTHORIZED);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_only_the_token_opens(
            host in proptest::collection::vec(any::<u8>(), 0..30),
            origin in proptest::option::of("[ -~]{0,30}"),
            token in "[ -~]{0,30}",
        ) {
            prop_assume!(token.trim() != TOKEN);
            let mut request = Request::post("/").header("authorization", format!("Bearer {token}"));
            if let Ok(host) = hyper::header::HeaderValue::from_bytes(&host) {
                request = request.header("host", host);
            }
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            prop_assert!(guard().check(&head).is_err());
        }
    }
}
