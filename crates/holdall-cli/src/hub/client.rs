//! HTTP to a model server: one request with its redirects, and what failures mean.
//!
//! The token goes to the endpoint's own origin only: redirects are followed here, by hand, and a request to another
//! origin (the content network, as a rule) carries none.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::url;
use crate::env::Token;
use crate::error::{Error, Kind, Result};
use crate::ui::Ui;

const MAX_REDIRECTS: usize = 10;
/// Silence longer than this is a broken connection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// More than any list of a repository's files, less than what hurts.
const MAX_JSON_BYTES: u64 = 64 << 20;
const MAX_TRIES: u32 = 5;
/// The same for a server that cannot be connected to at all.
const MAX_CONNECT_TRIES: u32 = 2;

/// A connection to a model server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    endpoint: String,
    origin: String,
    token: Option<Token>,
    ui: Ui,
}

/// A request that failed.
#[derive(Debug)]
pub struct Failure {
    /// What to tell the user.
    pub error: Error,
    /// How many tries in a row may fail like this before it is given up; 1: trying again is pointless.
    pub max_tries: u32,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The status, if the server answered.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure that trying again will not mend.
    pub fn fatal(error: Error) -> Self {
        Self { error, max_tries: 1, retry_after: None, status: None }
    }

    /// A failure that may be gone at the next try.
    pub fn transient(error: Error) -> Self {
        Self { error, max_tries: MAX_TRIES, retry_after: None, status: None }
    }

    /// How long to wait before try number `tries` + 1; `None` when it is time to give up.
    pub fn backoff(&self, tries: u32) -> Option<Duration> {
        const FIRST: Duration = Duration::from_millis(250);
        const LONGEST: Duration = Duration::from_secs(60);
        let doubling = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(8));
        let wait = self.retry_after.unwrap_or(doubling).min(LONGEST);
        (tries < self.max_tries).then_some(wait)
    }
}

/// What the server says of a file before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The name of the content: a SHA-256 for large files.
    pub etag: String,
    /// Length in bytes, when it is said.
    pub size: Option<u64>,
}

impl FileInfo {
    /// The SHA-256, when the etag is one.
    pub fn sha256(&self) -> Option<&str> {
        is_sha256(&self.etag).then_some(self.etag.as_str())
    }
}

/// Whether a text is a SHA-256 in lower-case hexadecimal.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Client {
    /// A client of the server at `endpoint`.
    ///
    /// # Errors
    /// When the endpoint is not an http or https URL.
    pub fn new(endpoint: &str, token: Option<Token>, ui: &Ui) -> Result<Self> {
        let origin = url::origin(endpoint)?;
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("holdall/", env!("CARGO_PKG_VERSION")))
            // The length that is announced must be that of the file itself.
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .timeout_per_write(Some(READ_TIMEOUT))
            .build();
        let agent = Agent::new_with_config(config);
        Ok(Self { agent, endpoint: endpoint.to_owned(), origin, token, ui: ui.clone() })
    }

    /// The server's URL, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The URL of a file at a commit or revision.
    pub fn file_url(&self, repo: &str, revision: &str, file: &str) -> String {
        format!("{}/{repo}/resolve/{}/{}", self.endpoint, url::quote(revision), url::quote_path(file))
    }

    /// Fetches and reads JSON, trying again where that may help.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or answers with something else.
    pub fn json(&self, url: &str) -> Result<serde_json::Value> {
        self.retrying(|| {
            let response = self.get(url, 0)?;
            let mut text = Vec::new();
            let body = response.into_body().into_with_config().limit(MAX_JSON_BYTES).reader();
            body.take(MAX_JSON_BYTES)
                .read_to_end(&mut text)
                .map_err(|error| Failure::transient(self.broken(url, error)))?;
            serde_json::from_slice(&text).map_err(|error| {
                let message = format!("{} answered with something that is not the JSON expected", shown(url));
                Failure::fatal(Error::new(Kind::Network, message).caused_by(error))
            })
        })
    }

    /// Asks for a file's etag and length without fetching it.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or tells no etag.
    pub fn file_info(&self, url: &str) -> Result<FileInfo> {
        self.retrying(|| self.file_info_once(url))
    }

    fn retrying<T>(&self, mut work: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        let mut tries = 0;
        loop {
            crate::interrupt::check()?;
            let failure = match work() {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            tries += 1;
            let Some(wait) = failure.backoff(tries) else { return Err(failure.error) };
            self.ui.detail(|| format!("{}; trying again in {wait:?}", failure.error));
            crate::interrupt::sleep(wait)?;
        }
    }

    fn file_info_once(&self, url: &str) -> Result<FileInfo, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&Method::HEAD, &url, 0)?;
            let headers = response.headers();
            // The endpoint speaks of the file itself, even when it is served from elsewhere.
            let linked = header(headers, "x-linked-etag");
            let next = redirect(&response, &url)?;
            if linked.is_none()
                && let Some(next) = next
            {
                url = next;
                continue;
            }
            if linked.is_none() && !response.status().is_success() {
                return Err(self.status_failure(&url, &response));
            }
            let etag = linked.or_else(|| header(headers, "etag")).map(normal_etag).unwrap_or_default();
            if !super::reference::is_safe_name(&etag) || etag.len() > 200 {
                let message = format!("{} tells no usable etag", shown(&url));
                return Err(Failure::fatal(Error::new(Kind::Network, message).hint(
                    "HF_ENDPOINT must name a server that speaks as huggingface.co does, with its headers intact",
                )));
            }
            let encoded = header(headers, "content-encoding").is_some_and(|coding| coding != "identity");
            let plain = if next.is_none() && !encoded { header(headers, "content-length") } else { None };
            let size = header(headers, "x-linked-size").or(plain).and_then(|text| text.parse().ok());
            return Ok(FileInfo { etag, size });
        }
        Err(Failure::fatal(Error::new(Kind::Network, format!("{} redirects in circles", shown(&url)))))
    }

    /// Starts fetching `url` from byte `start` on. The answer is a success: 200, or 206 where `start` was heeded.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; 416 is a failure with that status.
    pub fn get(&self, url: &str, start: u64) -> Result<Response<Body>, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&Method::GET, &url, start)?;
            if let Some(next) = redirect(&response, &url)? {
                url = next;
                continue;
            }
            if response.status().is_success() {
                return Ok(response);
            }
            return Err(self.status_failure(&url, &response));
        }
        Err(Failure::fatal(Error::new(Kind::Network, format!("{} redirects in circles", shown(&url)))))
    }

    fn send(&self, method: &Method, url: &str, start: u64) -> Result<Response<Body>, Failure> {
        self.ui.detail(|| format!("{method} {} from byte {start}", shown(url)));
        let mut request = Request::builder().method(method).uri(url);
        if start > 0 {
            request = request.header("range", format!("bytes={start}-"));
        }
        if let Some(token) = &self.token
            && url::origin(url).map_err(Failure::fatal)? == self.origin
        {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        let request = request.body(()).map_err(|error| {
            let message = format!("cannot ask for {}", shown(url));
            // The cause could repeat the header that it dislikes, hence the token.
            let _ = error;
            Failure::fatal(
                Error::new(Kind::Network, message)
                    .hint("check HF_ENDPOINT and HF_TOKEN for stray characters"),
            )
        })?;
        self.agent.run(request).map_err(|error| self.unreachable(url, error))
    }

    /// No answer came.
    fn unreachable(&self, url: &str, cause: ureq::Error) -> Failure {
        let origin = url::origin(url).unwrap_or_else(|_| shown(url));
        let host = origin.strip_suffix(":443").unwrap_or(&origin);
        // What goes wrong before there is a connection seldom heals within seconds.
        let broken = match &cause {
            ureq::Error::Timeout(phase) => !matches!(phase, ureq::Timeout::Connect | ureq::Timeout::Resolve),
            ureq::Error::Io(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::TimedOut
                    | ErrorKind::WouldBlock
            ),
            ureq::Error::Protocol(_) => true,
            _ => false,
        };
        let pointless = matches!(
            cause,
            ureq::Error::BadUri(_)
                | ureq::Error::InvalidProxyUrl
                | ureq::Error::Tls(_)
                | ureq::Error::Http(_)
        );
        let error = Error::new(Kind::Network, format!("cannot reach {host}")).caused_by(cause).hint(
            "check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT; with HF_HUB_OFFLINE=1 only what is cached is used",
        );
        let max_tries = if broken {
            MAX_TRIES
        } else if pointless {
            1
        } else {
            MAX_CONNECT_TRIES
        };
        Failure { error, max_tries, retry_after: None, status: None }
    }

    /// The connection broke while the answer came.
    pub fn broken(&self, url: &str, cause: std::io::Error) -> Error {
        Error::new(Kind::Network, format!("the connection to {} broke", shown(url))).caused_by(cause)
    }

    fn status_failure(&self, url: &str, response: &Response<Body>) -> Failure {
        let status = response.status();
        let mut message = format!("{} answered {status}", shown(url));
        if let Some(said) = header(response.headers(), "x-error-message") {
            message.push_str(": ");
            message.extend(said.chars().filter(|c| !c.is_control()).take(200));
        }
        let kind = if status == StatusCode::NOT_FOUND { Kind::NotFound } else { Kind::Network };
        let mut error = Error::new(kind, message);
        let has_token = self.token.is_some();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if has_token => {
                error = error.hint(
                    "the token in HF_TOKEN (or the token file in HF_HOME) may not read this; accept the model's terms on \
                     its page, or use another token",
                );
            }
            // The hub answers 401 for repositories that do not exist, so as not to tell.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                error = error.hint("check the spelling of repository, revision and file");
                if !has_token {
                    error = error.hint("if it is private or gated, set HF_TOKEN to a token that may read it");
                }
            }
            StatusCode::TOO_MANY_REQUESTS => error = error.hint("wait a few minutes, or set HF_TOKEN"),
            _ => {}
        }
        let transient = matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504);
        let retry_after = header(response.headers(), "retry-after").and_then(|text| text.parse().ok());
        Failure {
            error,
            max_tries: if transient { MAX_TRIES } else { 1 },
            retry_after: retry_after.map(Duration::from_secs),
            status: Some(status.as_u16()),
        }
    }
}

/// Where a redirecting answer leads.
fn redirect(response: &Response<Body>, url: &str) -> Result<Option<String>, Failure> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    match header(response.headers(), "location") {
        Some(location) => url::join(url, location).map(Some).map_err(Failure::fatal),
        None => Err(Failure::fatal(Error::new(
            Kind::Network,
            format!("{} redirects, but does not say where to", shown(url)),
        ))),
    }
}

/// A header's value, if it is text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// `W/"abc"` and `"abc"` are `abc`.
fn normal_etag(etag: &str) -> String {
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"').to_owned()
}

/// A URL as it may be printed: without its query, which may hold a signature, and without a password.
pub fn shown(url: &str) -> String {
    crate::env::redact_urls(url.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_normal() {
        assert_eq!(normal_etag("W/\"abc\""), "abc");
        assert_eq!(normal_etag("\"abc\""), "abc");
        let info = FileInfo { etag: "a".repeat(64), size: None };
        assert!(info.sha256().is_some());
        assert!(!is_sha256(&"A".repeat(64)) && !is_sha256("abc"));
    }

    #[test]
    fn waiting_grows_and_ends() {
        let failure = Failure::transient(Error::new(Kind::Network, "x"));
        let waits: Vec<_> = (1..=MAX_TRIES).map(|tries| failure.backoff(tries)).collect();
        assert!(waits[0] < waits[1] && waits[1] < waits[2]);
        assert_eq!(waits.last(), Some(&None));
        assert_eq!(Failure::fatal(Error::new(Kind::Network, "x")).backoff(1), None);
        let asked = Failure { retry_after: Some(Duration::from_secs(9999)), ..failure };
        assert_eq!(asked.backoff(1), Some(Duration::from_secs(60)));
    }

    #[test]
    fn signatures_are_not_shown() {
        assert_eq!(shown("https://u:p@h.co/x?sig=1"), "https://***@h.co/x");
    }
}
