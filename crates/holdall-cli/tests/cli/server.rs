//! A model server on this machine that does what a test tells it, well or badly, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// What the server does with one GET of a file, other than serving it well.
#[derive(Debug, Clone)]
pub enum Act {
    /// Serves it well.
    Serve,
    /// Announces the whole and closes the connection after this many bytes of the body.
    CutAfter(usize),
    /// Sends the whole, whatever part was asked for.
    IgnoreRange,
    /// Sends another content of the same length.
    Corrupt,
    /// Answers with a status and headers.
    Status(u16, &'static str),
    /// Sends the body in small parts, this long apart.
    Slowly(Duration),
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
}

#[derive(Debug, Clone)]
struct Page {
    body: Vec<u8>,
    /// Headers of the answer, complete lines.
    headers: String,
    /// Where a request is sent on to.
    redirect: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    pages: HashMap<String, Page>,
    acts: HashMap<String, VecDeque<Act>>,
    asked: Vec<Request>,
}

/// The running server. Its threads end with the test process.
pub struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that compress badly and differ everywhere.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away in the middle is part of the tests.
                thread::spawn(move || drop(answer(&stream, &state)));
            }
        });
        Self { url, state }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves these bytes at a path; large files have their SHA-256 as etag, as on the hub.
    pub fn page(&self, path: &str, body: &[u8], headers: &str) {
        let page = Page { body: body.to_vec(), headers: headers.to_owned(), redirect: None };
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    pub fn redirect(&self, path: &str, to: &str, headers: &str) {
        let page = Page { body: Vec::new(), headers: headers.to_owned(), redirect: Some(to.to_owned()) };
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// Serves a repository whose `main` is [`COMMIT`].
    pub fn repo(&self, repo: &str, files: &[(&str, &[u8])]) {
        let siblings: Vec<_> =
            files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name })).collect();
        let listing = serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string();
        self.page(&format!("/api/models/{repo}/revision/main"), listing.as_bytes(), "");
        for (name, body) in files {
            let etag = format!("ETag: \"{}\"\r\n", sha256(body));
            self.page(&file_path(repo, name), body, &etag);
        }
    }

    /// Has the next GETs of a path done in these ways, one each; then well again.
    pub fn acts(&self, path: &str, acts: &[Act]) {
        self.state.lock().unwrap().acts.insert(path.to_owned(), acts.iter().cloned().collect());
    }

    pub fn asked(&self) -> Vec<Request> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The `Range` headers of the GETs of a path; empty where there was none.
    pub fn ranges(&self, path: &str) -> Vec<String> {
        let gets = self.asked().into_iter().filter(|request| request.method == "GET" && request.path == path);
        gets.map(|request| request.headers.get("range").cloned().unwrap_or_default()).collect()
    }
}

pub fn file_path(repo: &str, file: &str) -> String {
    format!("/{repo}/resolve/{COMMIT}/{file}")
}

fn answer(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let range = headers.get("range").cloned();
    let (page, act) = {
        let mut state = state.lock().unwrap();
        state.asked.push(Request { method: method.clone(), path: path.clone(), headers });
        let page = state.pages.get(&path).cloned();
        let acts = if method == "GET" { state.acts.get_mut(&path) } else { None };
        (page, acts.and_then(VecDeque::pop_front).unwrap_or(Act::Serve))
    };
    let mut out = stream;
    let Some(page) = page else {
        return out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    if let Act::Status(status, extra) = act {
        return write!(
            out,
            "HTTP/1.1 {status} Told\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if let Some(to) = page.redirect {
        let headers = page.headers;
        return write!(
            out,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let mut body = page.body;
    if matches!(act, Act::Corrupt) {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let full = body.len();
    let start: Option<usize> =
        range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let mut head = String::from("HTTP/1.1 200 OK\r\n");
    if let Some(start) = start
        && !matches!(act, Act::IgnoreRange)
    {
        if start >= full {
            return write!(out, "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        head = format!("HTTP/1.1 206 Part\r\nContent-Range: bytes {start}-{}/{full}\r\n", full - 1);
        body.drain(..start);
    }
    write!(out, "{head}{}Content-Length: {}\r\nConnection: close\r\n\r\n", page.headers, body.len())?;
    if method == "HEAD" {
        return Ok(());
    }
    match act {
        Act::CutAfter(bytes) => out.write_all(&body[..bytes.min(body.len())]),
        Act::Slowly(pause) => body.chunks(1 << 10).try_for_each(|part| {
            thread::sleep(pause);
            out.write_all(part)
        }),
        _ => out.write_all(&body),
    }
}
