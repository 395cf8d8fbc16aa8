//! What a connection can do to a call: break, hang, answer something else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use camino::Utf8Path;
use hl::base::Cancel;
use hl::lab::{Environment, Paths, Provenance, Var};
use hl::pve::{Client, Error};
use hl_sim::certs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Closes the connection without a word.
    Break,
    /// Says nothing, longer than anything waits.
    Hang,
    /// Status line and body.
    Say(&'static str, &'static str),
    /// A status line, how a body is framed, and one that has no end.
    Flood(&'static str, &'static str),
}

struct Wire {
    client: Client,
    requests: Arc<AtomicUsize>,
    /// Bytes of bodies without end that were taken.
    flooded: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

/// A server that does these things in turn, one a connection, and the last one
/// for ever.
fn wire(acts: &[Act]) -> Wire {
    let certificate = certs::self_signed(&["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.cert_pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let (acts, count) = (acts.to_vec(), requests.clone());
    let flooded = Arc::new(AtomicUsize::new(0));
    let taken = flooded.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let session = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(session, socket.unwrap());
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let index = count.fetch_add(1, Ordering::SeqCst);
            match acts.get(index).or(acts.last()).copied().unwrap() {
                Act::Break => drop(stream),
                Act::Hang => {
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_hours(1));
                        drop(stream);
                    });
                }
                Act::Flood(status, framed) => {
                    let head = format!("HTTP/1.1 {status}\r\n{framed}\r\n\r\n");
                    stream.write_all(head.as_bytes()).unwrap();
                    let piece = format!("{:x}\r\n{}\r\n", 1 << 16, "[".repeat(1 << 16));
                    while stream.write_all(piece.as_bytes()).is_ok() {
                        taken.fetch_add(1 << 16, Ordering::SeqCst);
                        assert!(
                            taken.load(Ordering::SeqCst) < 1 << 30,
                            "read without a limit"
                        );
                    }
                }
                Act::Say(status, body) => {
                    let text = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(text.as_bytes()).unwrap();
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                }
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), &certificate.ca_pem).unwrap();
    let mut env = Environment::default();
    for (name, value) in [
        ("PVE_ACCESS_HOST", addr.to_string()),
        ("PM_TOKEN_ID", "hl@pve!hl".to_owned()),
        ("PM_TOKEN_SECRET", "secret".to_owned()),
        ("PVE_CA_FILE", "ca.pem".to_owned()),
    ] {
        let var = Var {
            value,
            from: Provenance::Process,
            secret: false,
        };
        env.set(name, var);
    }
    let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
    Wire {
        client: Client::new(&env, &paths).unwrap(),
        requests,
        flooded,
        _dir: dir,
    }
}

impl Wire {
    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

const VERSION: Act = Act::Say("200 OK", r#"{"data":{"version":"9.1.2"}}"#);

#[test]
fn a_read_is_tried_again_after_a_broken_connection() {
    let wire = wire(&[Act::Break, VERSION]);
    assert_eq!(wire.client.version().unwrap().version, "9.1.2");
    assert_eq!(wire.requests(), 2);
}

#[test]
fn a_read_gives_up_in_the_end() {
    let wire = wire(&[Act::Break]);
    let error = wire.client.version().unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.is_transient());
    assert_eq!(wire.requests(), 3);
}

#[test]
fn a_write_is_sent_once() {
    let wire = wire(&[Act::Break, Act::Say("200 OK", r#"{"data":"UPID:x"}"#)]);
    let error = wire.client.start_vm("pve", 100).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(wire.requests(), 1);
}

#[test]
fn a_node_that_its_peers_lost_for_a_moment_is_asked_again() {
    let wire = wire(&[Act::Say("596 Broken pipe", ""), VERSION]);
    assert_eq!(wire.client.version().unwrap().version, "9.1.2");
}

#[test]
fn a_stop_does_not_wait_for_an_answer() {
    let wire = wire(&[Act::Hang]);
    let cancel = Cancel::default();
    let client = wire.client.clone().with_cancel(&cancel);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while wire.requests() == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel.cancel();
        });
        assert_eq!(client.version().unwrap_err(), Error::Cancelled);
    });
    assert_eq!(wire.requests(), 1);
}

#[test]
fn the_status_line_speaks() {
    let wire = wire(&[Act::Say(
        "500 can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
        "{\"data\":null}",
    )]);
    let error = wire.client.start_vm("pve", 100).unwrap_err();
    assert!(error.to_string().contains("can't lock file"), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_web_page_is_not_the_api() {
    let wire = wire(&[Act::Say("200 OK", "<!doctype html><title>router</title>")]);
    let error = wire.client.version().unwrap_err();
    assert!(error.to_string().contains("a web page"), "{error}");
}

#[test]
fn an_answer_that_is_too_long_is_not_read() {
    let length = "Content-Length: 2147483648";
    let wire = wire(&[
        Act::Flood("200 OK", length),
        Act::Flood("500 no luck", length),
    ]);
    let error = wire.client.version().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`GET version` gave an unexpected answer: more than 64 MiB, is this a Proxmox VE host?"
    );
    assert_eq!(wire.requests(), 1, "it is not asked again");
    // An error is in its status line.
    let error = wire.client.version().unwrap_err();
    assert!(error.to_string().contains("no luck"), "{error}");
}

#[test]
fn an_answer_without_end_is_cut() {
    let wire = wire(&[Act::Flood("200 OK", "Transfer-Encoding: chunked")]);
    let error = wire.client.version().unwrap_err();
    // On a slow machine its time is over first.
    let text = error.to_string();
    assert!(
        text.contains("more than 64 MiB") || text.contains("no answer in time"),
        "{text}"
    );
    assert_eq!(wire.requests(), 1, "it is not asked again");
    // What is on its way when the client stops is written, too.
    let taken = wire.flooded.load(Ordering::SeqCst);
    assert!(taken < 96 << 20, "{taken}");
}
