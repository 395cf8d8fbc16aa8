//! Doppler's API as far as the CLI uses it: one answer to every request, what
//! was asked is kept.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// One request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// Method, path and query.
    pub(super) line: String,
    /// The `Authorization` header.
    pub(super) authorization: String,
    /// Whether the token stood in any process's arguments meanwhile.
    pub(super) in_argv: bool,
}

/// A server on a port of its own; stopped when dropped.
pub(super) struct Api {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Answers every request with `status` (such as `200 OK`) and `body`.
    pub(super) fn start(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let (kept, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let mut stream = stream.unwrap();
                let request = read(&stream);
                kept.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self {
            port,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    /// For `DOPPLER_API_HOST`.
    pub(super) fn host(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut request = Request::default();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        if request.line.is_empty() {
            request.line.clone_from(&line);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            value.trim().clone_into(&mut request.authorization);
        }
    }
    let token = request.authorization.trim_start_matches("Bearer ");
    request.in_argv = !token.is_empty() && in_any_argv(token);
    request
}

fn in_any_argv(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|argv| String::from_utf8_lossy(&argv).contains(text))
    })
}
