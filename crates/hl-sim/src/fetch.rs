//! Downloads. The simulator reaches no other machine: a URL of this one
//! (loopback) is fetched as a node would fetch it, of any other URL it only
//! says that it was.

use std::error::Error as StdError;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::upload::Sums;

/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// How many redirects are followed, as wget does by default.
const REDIRECTS: usize = 20;

/// What a server says of a file before it is fetched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) filename: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) mimetype: Option<String>,
}

/// A file that was fetched, and dropped as it came.
pub(super) struct Fetched {
    pub(super) size: u64,
    /// The checksums, in the order of [`super::upload::SUMS`].
    pub(super) sums: [String; 4],
}

/// Whether a URL is of this machine.
pub(super) fn is_local(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || plain.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || plain.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Asks for a file's metadata; the error is the text that Proxmox VE gives.
pub(super) fn metadata(url: &str, verify: bool) -> Result<Metadata, String> {
    let invalid = |status: &str| format!("invalid server response: '{status}'");
    let response = client(verify)
        .and_then(|client| client.head(url).send().map_err(|error| cause(&error)))
        .map_err(|why| invalid(&format!("500 Can't connect to {} ({why})", authority(url))))?;
    if response.status() != StatusCode::OK {
        return Err(invalid(&response.status().to_string()));
    }
    let name = text(&response, CONTENT_DISPOSITION)
        .and_then(|value| named(&value))
        .or_else(|| last_part(url));
    Ok(Metadata {
        filename: name,
        // The header: nothing of a body came that could be measured.
        size: text(&response, CONTENT_LENGTH)
            .and_then(|value| value.parse().ok())
            .filter(|size| *size > 0),
        mimetype: text(&response, CONTENT_TYPE)
            .and_then(|value| value.split(';').next().map(str::to_owned)),
    })
}

/// Fetches a file of at most `most` bytes and drops what it holds; the error is
/// what a node's `wget` ends with.
pub(super) fn fetch(url: &str, verify: bool, most: u64) -> Result<Fetched, String> {
    let failed = |code: u8, why: &str| {
        format!("download failed: command 'wget {url}' failed: exit code {code} ({why})")
    };
    let client = client(verify).map_err(|why| failed(1, &why))?;
    let mut response = client.get(url).send().map_err(|error| {
        let why = cause(&error);
        let code = if why.contains("certificate") { 5 } else { 4 };
        failed(code, &why)
    })?;
    if !response.status().is_success() {
        return Err(failed(8, &response.status().to_string()));
    }
    let mut sums = Sums::default();
    let mut size: u64 = 0;
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = response
            .read(&mut piece)
            .map_err(|error| failed(4, &cause(&error)))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > most {
            return Err(failed(3, "No space left on device"));
        }
        sums.add(piece.get(..count).unwrap_or_default());
    }
    Ok(Fetched {
        size,
        sums: sums.finish(),
    })
}

fn client(verify: bool) -> Result<Client, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let tls = if verify {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        tls.with_root_certificates(roots)
    } else {
        tls.dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    };
    let stays = Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if is_loopback(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("the redirect leaves this machine, and the simulator does not")
        }
    });
    Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .connect_timeout(SILENCE)
        .timeout(SILENCE)
        .redirect(stays)
        .no_proxy()
        .user_agent("Proxmox VE")
        .build()
        .map_err(|error| cause(&error))
}

/// The innermost cause: what the system said, without its number.
fn cause(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    let text = last.to_string();
    match text.split_once(" (os error") {
        Some((said, _)) => said.to_owned(),
        None => text,
    }
}

fn text(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// `attachment; filename="x.iso"`
fn named(disposition: &str) -> Option<String> {
    let (_, rest) = disposition.split_once("filename=")?;
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(';').next(),
    };
    name.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The last part of a URL's path.
pub(super) fn last_part(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `host:port`, as errors name it.
fn authority(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    parsed.map_or_else(String::new, |url| {
        let port = url.port_or_known_default().unwrap_or_default();
        format!("{}:{port}", url.host_str().unwrap_or_default())
    })
}

/// `verify-certificates=0`: who answers is not checked, that it is one server
/// from the first byte to the last is.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached() {
        for url in [
            "http://127.0.0.1:8000/x.iso",
            "https://127.77.0.1/x",
            "http://[::1]/x",
            "http://localhost/x",
            "http://LOCALHOST/x",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://cloud.example/x",
            "http://localhost.example/x",
            "http://127.0.0.1.example/x",
            "http://127.0.0.1@cloud.example/x",
            "http://192.168.1.1/x",
            "nonsense",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn names_of_files() {
        assert_eq!(
            named("attachment; filename=\"a b.iso\"; x").as_deref(),
            Some("a b.iso")
        );
        assert_eq!(
            named("attachment; filename=x.iso").as_deref(),
            Some("x.iso")
        );
        assert_eq!(named("inline"), None);
        assert_eq!(last_part("http://h/a/x.iso?y=/z").as_deref(), Some("x.iso"));
        assert_eq!(last_part("http://h/a/"), None);
    }
}
