//! Small texts from the web: lists of checksums. HTTPS only, verified against
//! the system's roots; what a lab trusts for its node does not count here.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking::Client;
use rustls::{ClientConfig, RootCertStore};

use crate::diag::{Cause, StepError};

/// Until a list has come.
const LIMIT: Duration = Duration::from_mins(1);
/// A list of checksums is not longer: 4 MiB.
const MOST: u64 = 4 << 20;

/// Gets a text by its URL.
pub trait Fetch {
    /// The text behind an https URL.
    ///
    /// # Errors
    /// It cannot be had.
    fn text(&self, url: &str) -> Result<String, StepError>;
}

/// The web.
#[derive(Debug)]
pub struct Web {
    client: Client,
}

impl Web {
    /// A client that trusts the system's roots.
    ///
    /// # Errors
    /// There are none.
    pub fn new() -> Result<Self, StepError> {
        Self::with_roots(system_roots()?)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, StepError> {
        let client = client(roots, true)?;
        Ok(Self { client })
    }

    /// The client itself, for what is longer than a text.
    pub fn into_client(self) -> Client {
        self.client
    }
}

/// The authorities that this system trusts.
fn system_roots() -> Result<RootCertStore, StepError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            StepError::new("this system trusts no certificate authority")
                .help("install them: `apt-get install ca-certificates`"),
        );
    }
    Ok(roots)
}

/// A client of these authorities; `secure`: of https URLs alone.
fn client(roots: RootCertStore, secure: bool) -> Result<Client, StepError> {
    let unusable = |error: String| StepError::new(format!("cannot use TLS: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(secure)
        .timeout(LIMIT)
        .user_agent(concat!("hl/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unusable(error.to_string()))
}

/// A client for servers of tests, which speak plain HTTP on loopback.
#[cfg(test)]
pub(crate) fn plain_client() -> Client {
    client(RootCertStore::empty(), false).unwrap()
}

impl Fetch for Web {
    fn text(&self, url: &str) -> Result<String, StepError> {
        let failed = |error: &reqwest::Error| {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                why = cause.to_string();
                source = cause.source();
            }
            StepError::new(format!("cannot fetch `{url}`: {why}"))
                .cause(Cause::Transient)
                .help(format!("does it work by hand? `curl -L {url}`"))
        };
        let response = self
            .client
            .get(url)
            .send()
            .map_err(|error| failed(&error))?;
        if !response.status().is_success() {
            return Err(StepError::new(format!(
                "cannot fetch `{url}`: the server answered {}",
                response.status()
            ))
            .help("the vendor may have moved it; correct the URL in the definition"));
        }
        let mut text = String::new();
        response
            .take(MOST + 1)
            .read_to_string(&mut text)
            .map_err(|error| StepError::new(format!("cannot read `{url}`: {error}")))?;
        if text.len() as u64 > MOST {
            return Err(StepError::new(format!(
                "cannot use `{url}`: it is longer than {} MiB, expected a list of checksums",
                MOST >> 20
            ))
            .help("correct the URL of the list in the definition"));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A server on loopback with a certificate of its own; its address and roots.
    fn server(answer: impl Into<String>) -> (String, RootCertStore) {
        let answer = answer.into();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key =
            rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut tls = BufReader::new(rustls::StreamOwned::new(tls, stream.unwrap()));
                let mut line = String::new();
                while tls.read_line(&mut line).is_ok_and(|n| n > 2) {
                    line.clear();
                }
                tls.get_mut()
                    .write_all(answer.as_bytes())
                    .unwrap_or_default();
                tls.get_mut().conn.send_close_notify();
                tls.get_mut().flush().unwrap_or_default();
            }
        });
        (format!("https://localhost:{port}/SUMS"), roots)
    }

    #[test]
    fn a_text_is_fetched_only_from_whom_we_trust() {
        let (url, roots) =
            server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nsums");
        let text = Web::with_roots(roots).unwrap().text(&url).unwrap();
        assert_eq!(text, "sums");
        let (_, others) = server("");
        let error = Web::with_roots(others).unwrap().text(&url).unwrap_err();
        assert!(error.message.contains("certificate"), "{error}");
        assert_eq!(error.cause, Cause::Transient);
    }

    #[test]
    fn a_list_is_never_cut() {
        let of = |length: usize| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let (url, roots) = server(head + &"x".repeat(length));
            Web::with_roots(roots).unwrap().text(&url)
        };
        let most = usize::try_from(MOST).unwrap();
        assert_eq!(of(most).unwrap().len(), most);
        let error = of(most + 1).unwrap_err();
        assert!(error.message.contains("longer than 4 MiB"), "{error}");
    }

    #[test]
    fn an_error_page_is_no_list_and_plain_http_is_refused() {
        let (url, roots) =
            server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let web = Web::with_roots(roots).unwrap();
        assert!(web.text(&url).unwrap_err().message.contains("404"));
        assert!(web.text("http://127.0.0.1:1/x").is_err());
    }
}
