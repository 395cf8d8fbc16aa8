//! `hl serve` on loopback, and a client that says exactly what a test wants said.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;

use super::Hl;

/// The longest wait for an answer, and for the end.
const LIMIT: Duration = Duration::from_mins(2);

/// A running controller. It is killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    /// What it said when it began.
    pub(crate) started: Value,
    log: Arc<Mutex<String>>,
    /// The log is whole.
    logged: Arc<AtomicBool>,
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    kept: TempDir,
}

impl Daemon {
    /// Starts `hl serve ...` at a free port of 127.0.0.1, and waits until its
    /// repositories are prepared.
    #[track_caller]
    pub(crate) fn start(hl: &Hl) -> Self {
        let mut daemon = Self::begin(hl);
        daemon.prepared();
        daemon
    }

    /// Starts it, and waits until it says what it serves.
    #[track_caller]
    pub(crate) fn begin(hl: &Hl) -> Self {
        let kept = TempDir::new().unwrap();
        let hl = hl.clone().cmd("--json --bind 127.0.0.1 --port 0");
        let hl = hl.cmd(&format!("--cert-dir {}", kept.path().display()));
        Self::of(hl.command(), &kept.path().join("controller.crt"), kept)
    }

    /// Waits until its repositories are prepared. What it said at its start is made what
    /// it would have said then.
    #[track_caller]
    fn prepared(&mut self) {
        let Some(preparing) = self.started["preparing"].as_array().cloned() else {
            return;
        };
        let health = wait(|| {
            let health = self.get("/health").json();
            health["preparing"].is_null().then_some(health)
        });
        let health = health.unwrap();
        let started = self.started.as_object_mut().unwrap();
        started.remove("preparing");
        if let Some(refused) = health.get("refused") {
            started.insert("refused".to_owned(), refused.clone());
        }
        let refused = health["refused"].as_array().into_iter().flatten();
        let refused: Vec<&Value> = refused.map(|one| &one["name"]).collect();
        let served = started["repos"].as_array_mut().unwrap();
        let now = preparing.iter().filter(|name| !refused.contains(name));
        served.extend(now.cloned());
        served.sort_unstable_by_key(|name| name.as_str().map(str::to_owned));
    }

    /// A controller that this command starts, which shows that certificate.
    #[track_caller]
    pub(crate) fn of(
        mut command: std::process::Command,
        certificate: &std::path::Path,
        kept: TempDir,
    ) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let copy = Arc::clone(&log);
        let logged = Arc::new(AtomicBool::new(false));
        let whole = Arc::clone(&logged);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = copy.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
            whole.store(true, Ordering::Release);
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, document) = channel();
        thread::spawn(move || {
            let mut text = String::new();
            for line in stdout.lines().map_while(Result::ok) {
                text.push_str(&line);
                if line == "}" {
                    break;
                }
            }
            drop(said.send(text));
        });
        let document = document.recv_timeout(LIMIT).unwrap_or_default();
        let Ok(started) = serde_json::from_str::<Value>(&document) else {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
            wait(|| logged.load(Ordering::Acquire).then_some(()));
            panic!("it did not start:\n{}", log.lock().unwrap());
        };
        let port = started["port"].as_u64().unwrap();
        let port = u16::try_from(port).unwrap();
        Self {
            child,
            started,
            log,
            logged,
            tls: trusting(certificate),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            kept,
        }
    }

    /// The certificate that it keeps, PEM.
    pub(crate) fn certificate_file(&self) -> std::path::PathBuf {
        self.kept.path().join("controller.crt")
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// All that it wrote to stderr, once it has ended.
    pub(crate) fn whole_log(&self) -> String {
        wait(|| self.logged.load(Ordering::Acquire).then_some(()));
        self.log()
    }

    /// Who holds this keeps the log from being read: the pipe fills up.
    pub(crate) fn reader(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.log)
    }

    /// What it wrote to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has written this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let said = wait(|| self.log().contains(text).then_some(()));
        assert!(said.is_some(), "`{text}` is not in\n{}", self.log());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end; the exit code, none after a signal.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let status = wait(|| self.child.try_wait().unwrap());
        // None: it does not end.
        status.unwrap().code()
    }

    /// A new connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        self.connect_from([127, 0, 0, 1].into()).unwrap()
    }

    /// A new connection of a client with this address.
    pub(crate) fn connect_from(&self, source: IpAddr) -> io::Result<Client> {
        let socket = self.tcp_from(source)?;
        let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
        let session = ClientConnection::new(Arc::clone(&self.tls), name).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Client { stream })
    }

    /// A connection on which nothing is said yet.
    pub(crate) fn tcp_from(&self, source: IpAddr) -> io::Result<TcpStream> {
        let made = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&made, &SocketAddr::new(source, 0))?;
        connect(&made, &self.address)?;
        let stream = TcpStream::from(made);
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    /// What a GET of this path is answered with.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.connect().get(path, &[])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks for something until it is there, no longer than the limit.
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_some() || begun.elapsed() >= LIMIT {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// TLS that trusts this certificate alone.
fn trusting(certificate: &std::path::Path) -> Arc<ClientConfig> {
    let pem = fs::read(certificate).unwrap();
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(&pem) {
        roots.add(der.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// One connection, HTTP/1.1.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// The certificate that the server showed.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let shown = self.stream.conn.peer_certificates().unwrap();
        shown[0].as_ref().to_vec()
    }

    /// Sends a GET with these headers, and reads the answer.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers).unwrap()
    }

    /// Sends a request without a body, and reads the answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        self.say(request.as_bytes())?;
        self.answer(method == "HEAD")
    }

    /// Sends these bytes.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads one answer; that to a HEAD has no body.
    pub(crate) fn answer(&mut self, is_head: bool) -> io::Result<Answer> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read(&mut byte)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if is_head { 0 } else { length }];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status: status.parse().unwrap(),
            headers,
            body,
        })
    }

    /// Waits until the server ends the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

impl Answer {
    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON: {error}\n{text}"))
    }

    /// The code of an error, which is of the documented shape.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        let error = body["error"].as_object().unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        assert_eq!(error.len(), 2, "{body}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{body}");
        error["code"].as_str().unwrap().to_owned()
    }
}
