//! Downloads. The simulator reaches no other machine: a URL of this one
//! (loopback) is fetched as a node would fetch it, for some others the world has
//! files (see [`super::downloads`]).

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
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
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) size: u64,
    /// Size of the disk inside a qcow2 image; 0: it is none.
    pub(super) disk: u64,
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
    let response = client(verify)
        .and_then(|client| client.head(url).send().map_err(|error| cause(&error)))
        .map_err(|why| unconnected(url, &why))?;
    if response.status() != StatusCode::OK {
        return Err(format!("invalid server response: '{}'", response.status()));
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

/// What a node says of a server that it does not reach.
pub(super) fn unconnected(url: &str, why: &str) -> String {
    let server = authority(url);
    format!("invalid server response: '500 Can't connect to {server} ({why})'")
}

/// Fetches a file of at most `most` bytes and drops what it holds; the error is
/// what a node's `wget` ends with.
pub(super) fn fetch(url: &str, verify: bool, most: u64) -> Result<Fetched, String> {
    let failed = |code: u8, why: &str| wget(url, code, why);
    let client = client(verify).map_err(|why| failed(1, &why))?;
    let mut response = client.get(url).send().map_err(|error| {
        let why = cause(&error);
        let code = if why.contains("certificate") { 5 } else { 4 };
        failed(code, &why)
    })?;
    if !response.status().is_success() {
        return Err(failed(8, &response.status().to_string()));
    }
    measure(&mut response, most).map_err(|error| cut(url, 4, &error))
}

/// The same for a URL that a file of this machine stands for.
pub(super) fn copy(url: &str, path: &Path, most: u64) -> Result<Fetched, String> {
    File::open(path)
        .and_then(|mut file| measure(&mut file, most))
        .map_err(|error| cut(url, 8, &error))
}

/// What a node says of a URL that leads to no machine.
pub(super) fn nowhere(url: &str) -> String {
    wget(
        url,
        4,
        "Name or service not known; the simulator reaches no other machine",
    )
}

fn wget(url: &str, code: u8, why: &str) -> String {
    format!("download failed: command 'wget {url}' failed: exit code {code} ({why})")
}

fn cut(url: &str, code: u8, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::StorageFull {
        return wget(url, 3, "No space left on device");
    }
    wget(url, code, &cause(error))
}

/// Reads to the end and drops what comes. The error of what is longer than `most` is
/// [`io::ErrorKind::StorageFull`].
fn measure(from: &mut dyn Read, most: u64) -> io::Result<Fetched> {
    let mut sums = Sums::default();
    let mut size: u64 = 0;
    let mut head = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes = piece.get(..count).unwrap_or_default();
        let missing = QCOW2_HEAD.saturating_sub(head.len());
        head.extend(bytes.iter().take(missing));
        sums.add(bytes);
    }
    Ok(Fetched {
        size,
        disk: virtual_size(&head).unwrap_or(0),
        sums: sums.finish(),
    })
}

/// How much of a qcow2 image says how large its disk is.
const QCOW2_HEAD: usize = 32;

/// The size of the disk in a qcow2 image
/// (<https://www.qemu.org/docs/master/interop/qcow2.html>): magic, version, backing
/// file, cluster bits, then the size, big-endian.
fn virtual_size(head: &[u8]) -> Option<u64> {
    let size = head.strip_prefix(b"QFI\xfb")?.get(20..28)?;
    Some(u64::from_be_bytes(size.try_into().ok()?))
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
    fn a_file_is_measured_and_an_image_says_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.qcow2");
        let mut image = b"QFI\xfb".to_vec();
        image.resize(24, 0);
        image.extend(3_u64.pow(20).to_be_bytes());
        image.resize(100_000, 7);
        std::fs::write(&path, &image).unwrap();
        let got = copy("https://h/x.qcow2", &path, 100_000).unwrap();
        assert_eq!((got.size, got.disk), (100_000, 3_u64.pow(20)));
        let expected = crate::hex::lower(&<sha2::Sha256 as sha2::Digest>::digest(&image));
        assert_eq!(got.sums[1], expected);
        let full = copy("https://h/x.qcow2", &path, 99_999).unwrap_err();
        assert!(full.ends_with("(No space left on device)"), "{full}");
        let gone = copy("https://h/x", &folder.path().join("x"), 9).unwrap_err();
        assert!(gone.contains("exit code 8 (No such file"), "{gone}");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(copy("https://h/x", &path, 3).unwrap().disk, 0);
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
