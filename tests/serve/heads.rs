//! The head of a request has one limit over both versions of HTTP.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, Request};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stage::Stage;
use crate::support::Daemon;

/// Bytes and fields.
const LONGEST: usize = 64 * 1024;
const FIELDS: usize = 100;

/// A head of so many bytes.
fn of_length(length: usize) -> String {
    let begin = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ";
    let fill = length - begin.len() - "\r\n\r\n".len();
    format!("{begin}{}\r\n\r\n", "y".repeat(fill))
}

#[test]
fn http_1_heads_of_64_kib_are_answered_and_longer_ones_refused() {
    let stage = Stage::new();
    let daemon = stage.serve();
    for (length, status) in [
        (LONGEST - 1, 200),
        (LONGEST, 200),
        (LONGEST + 1, 431),
        (LONGEST + 20_000, 431),
        (2 * LONGEST - 1, 431),
        (2 * LONGEST + 1, 431),
    ] {
        let head = of_length(length);
        assert_eq!(head.len(), length);
        let mut client = daemon.connect();
        client.say(head.as_bytes()).ok();
        let answer = client.answer(false).unwrap();
        assert_eq!(answer.status, status, "{length}");
        if status == 431 {
            assert_eq!(answer.code(), "E100", "{length}");
        }
        // In two pieces, too.
        let mut client = daemon.connect();
        let (first, second) = head.split_at(length / 2);
        client.say(first.as_bytes()).unwrap();
        client.say(second.as_bytes()).ok();
        assert_eq!(client.answer(false).unwrap().status, status, "{length}");
    }
    for (fields, status) in [(FIELDS, 200), (FIELDS + 1, 431)] {
        let mut head = "GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n".to_owned();
        for number in 1..fields {
            write!(head, "x-{number}: y\r\n").unwrap();
        }
        head.push_str("\r\n");
        let mut client = daemon.connect();
        client.say(head.as_bytes()).unwrap();
        assert_eq!(client.answer(false).unwrap().status, status, "{fields}");
    }
}

#[test]
fn http_2_heads_have_the_same_limit() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let url = format!("https://127.0.0.1:{}/health", daemon.port());
    // As HTTP/1.1 would write it.
    let bare = format!("GET {url} HTTP/1.1\r\nx: \r\n\r\n").len();
    let mut requests = Vec::new();
    for (length, status) in [(LONGEST, 200), (LONGEST + 1, 431), (LONGEST + 30_000, 431)] {
        let fill = HeaderValue::from_str(&"y".repeat(length - bare)).unwrap();
        requests.push((
            Request::get(&url).header("x", fill).body(()).unwrap(),
            status,
        ));
    }
    for (fields, status) in [(FIELDS, 200), (FIELDS + 1, 431)] {
        let mut request = Request::get(&url);
        for number in 0..fields {
            request = request.header(format!("x-{number}"), "y");
        }
        requests.push((request.body(()).unwrap(), status));
    }
    let (requests, wanted): (Vec<_>, Vec<u16>) = requests.into_iter().unzip();
    let answers = answers(&daemon, requests);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, wanted);
    for (status, body) in answers {
        let body: Value = serde_json::from_slice(&body).unwrap();
        if status == 431 {
            assert_eq!(body["error"]["code"], "E100");
        }
    }
}

/// What each request is answered with, over one connection of HTTP/2.
fn answers(daemon: &Daemon, requests: Vec<Request<()>>) -> Vec<(u16, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_file_iter(daemon.certificate_file()).unwrap() {
        roots.add(der.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let socket = TcpStream::connect(("127.0.0.1", daemon.port()))
            .await
            .unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move { connection.await.ok() });
        let mut all = Vec::new();
        for request in requests {
            client = client.ready().await.unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let answer = answer.await.unwrap();
            let status = answer.status().as_u16();
            let (mut body, mut bytes) = (answer.into_body(), Vec::new());
            while let Some(piece) = body.data().await {
                bytes.extend_from_slice(&piece.unwrap());
            }
            all.push((status, bytes));
        }
        all
    })
}
