//! `image.lock`: fetched once over HTTPS, kept, and moved when asked.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::stage::{Stage, has_packer};

/// A vendor on loopback, with a certificate of its own.
struct Vendor {
    sums: Arc<Mutex<String>>,
    port: u16,
    certificate: String,
}

impl Vendor {
    fn new(sums: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let vendor = Self {
            sums: Arc::new(Mutex::new(sums.to_owned())),
            port: listener.local_addr().unwrap().port(),
            certificate: made.cert.pem(),
        };
        let sums = Arc::clone(&vendor.sums);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut tls = BufReader::new(rustls::StreamOwned::new(tls, stream.unwrap()));
                let mut line = String::new();
                while tls.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                let body = sums.lock().unwrap().clone();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                tls.get_mut().write_all(answer.as_bytes()).ok();
                tls.get_mut().conn.send_close_notify();
                tls.get_mut().flush().ok();
            }
        });
        vendor
    }

    fn now_has(&self, sums: &str) {
        sums.clone_into(&mut self.sums.lock().unwrap());
    }
}

#[test]
fn a_pin_is_fetched_once_and_moved_when_asked() {
    if !has_packer() {
        return;
    }
    let sums = |digit: &str| format!("{}  small-{digit}.qcow2\n", digit.repeat(64));
    let vendor = Vendor::new(&sums("1"));
    let stage = Stage::new();
    std::fs::remove_file(stage.lab.path("templates/small/image.lock")).unwrap();
    let definition = stage
        .lab
        .read("layers/l1-templates/small/template.toml")
        // The node has no image to fetch from this vendor: only its list is here.
        .replace(
            "https://images.example/small",
            "https://pictures.example/small-*",
        )
        .replace(
            "https://images.example",
            &format!("https://localhost:{}", vendor.port),
        );
    stage
        .lab
        .write("layers/l1-templates/small/template.toml", &definition)
        .write("vendor.pem", &vendor.certificate);
    let hl = |words: &str| {
        let trusted = stage.lab.path("vendor.pem");
        stage
            .hl(words)
            .env("SSL_CERT_FILE", trusted.display().to_string())
    };
    let lock = || stage.lab.read("templates/small/image.lock");
    // Without trust in the vendor, nothing is pinned and nothing is built.
    stage
        .hl("l1-ensure small")
        .exits(1)
        .says(&["cannot fetch", "certificate"]);
    assert!(stage.stamps().is_empty());

    hl("l1-ensure small")
        .exits(0)
        .says(&["pinned https://pictures.example", "small-1.qcow2"]);
    assert!(lock().contains(&"1".repeat(64)), "{}", lock());
    assert_eq!(stage.manifest()["image"]["hash"], "1".repeat(64));
    // The vendor moves on, the lab does not.
    vendor.now_has(&sums("2"));
    hl("l1-ensure small").exits(0).says(&["up to date"]);
    assert!(lock().contains(&"1".repeat(64)));
    let dry = hl("l1-ensure small --update-image --dry-run").exits(0);
    dry.says(&["would look for a newer image"]);
    assert!(lock().contains(&"1".repeat(64)));
    hl("l1-ensure small --update-image")
        .exits(0)
        .says(&["its inputs changed since", "small-2.qcow2"]);
    assert!(lock().contains(&"2".repeat(64)), "{}", lock());
    assert_eq!(stage.stamps().len(), 2);
    hl("l1-ensure small --update-image")
        .exits(0)
        .says(&["is the vendor's newest", "up to date"]);
    // What the vendor no longer has cannot be pinned.
    vendor.now_has("");
    hl("l1-ensure small --update-image")
        .exits(1)
        .says(&["does not name `small-*.qcow2`"]);
    assert!(lock().contains(&"2".repeat(64)));
}
