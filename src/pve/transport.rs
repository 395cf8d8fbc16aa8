//! HTTP over TLS to a server of the lab: the client, and what a request died of.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::blocking::Client as Http;
use rustls_pki_types::CertificateDer;

use super::tls::{self, LastShown};
use super::{Error, Fingerprint, Policy, Unreachable};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// A client that judges certificates by `policy` and tells `shown`; `within` is how
/// long an answer may take.
///
/// # Errors
/// TLS cannot be set up; the text says why.
pub(super) fn http(
    policy: Policy,
    authorities: &[CertificateDer<'static>],
    shown: &LastShown,
    within: Duration,
) -> Result<Http, String> {
    let tls = tls::config(policy, authorities, shown.clone()).map_err(|error| error.to_string())?;
    // No proxy: the server is on the lab's network, and what `hl` does its tools are
    // told to do as well (`super::trust`).
    Http::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .timeout(within)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("hl/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| causes(&error))
}

/// What a request that got no answer died of; `endpoint` is `host:port`.
pub(super) fn failed(endpoint: &str, shown: &LastShown, error: &reqwest::Error) -> Error {
    let endpoint = endpoint.to_owned();
    if let Some(tls) = cause::<rustls::Error>(error) {
        let shown = tls::last(shown);
        let seen = shown.as_ref().and_then(|shown| shown.problem.clone());
        return Error::Tls {
            endpoint,
            problem: seen.unwrap_or_else(|| tls::problem(tls)),
            fingerprint: shown.map(|shown| Fingerprint::of(&shown.certificate)),
        };
    }
    let text = causes(error);
    let refused = cause::<std::io::Error>(error)
        .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
    let reason = if refused {
        Unreachable::Refused
    } else if text.contains("dns error") {
        Unreachable::UnknownHost
    } else if error.is_timeout() {
        Unreachable::Timeout
    } else {
        Unreachable::Other(text)
    };
    Error::Unreachable { endpoint, reason }
}

/// The first error of that type among the causes. IO errors hide what they
/// wrap from `source`, so they are opened.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inner| -> &(dyn StdError + 'static) { inner });
        next = inner.or_else(|| error.source());
    }
    None
}

/// The causes of a transport error in one line, without the URL that its own
/// text carries.
fn causes(error: &dyn StdError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}
