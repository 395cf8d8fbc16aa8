//! One answer of another server of the lab (a controller), whose certificate is judged
//! as a node's is.

use std::time::Duration;

use camino::Utf8Path;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::body::{self, Cut};
use super::tls::LastShown;
use super::{Error, Policy, TlsProblem, Unreachable, transport};

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// What came with it.
    pub body: Vec<u8>,
}

/// Gets what is at an `https` URL; `token` goes with it as a bearer token. No redirect
/// is followed.
///
/// # Errors
/// There is no answer within `within`, or the certificate is refused.
pub fn get(
    url: &Url,
    token: Option<&str>,
    policy: Policy,
    authorities: &[CertificateDer<'static>],
    within: Duration,
) -> Result<HttpAnswer, Error> {
    let shown = LastShown::default();
    let endpoint = format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    );
    let protocol = |detail: String| Error::Tls {
        endpoint: endpoint.clone(),
        problem: TlsProblem::Protocol(detail),
        fingerprint: None,
    };
    let unreachable = |reason| Error::Unreachable {
        endpoint: endpoint.clone(),
        reason,
    };
    let http = transport::http(policy, authorities, &shown, within).map_err(protocol)?;
    let mut request = http.get(url.clone());
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            unreachable(Unreachable::Other(
                "the token cannot be sent in a header".to_owned(),
            ))
        })?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let response = request
        .send()
        .map_err(|error| transport::failed(&endpoint, &shown, &error))?;
    let (status, declared) = (response.status().as_u16(), response.content_length());
    let body = body::read(response, declared, within).map_err(|cut| {
        unreachable(match cut {
            Cut::TooLong => Unreachable::Other("the answer is too long".to_owned()),
            Cut::TooSlow => Unreachable::Timeout,
            Cut::Broken(error) => Unreachable::Other(error.to_string()),
        })
    })?;
    Ok(HttpAnswer { status, body })
}

/// The certificates of a PEM file.
///
/// # Errors
/// It cannot be read, or holds none; the text names it.
pub fn authorities(path: &Utf8Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("`{path}`: {error}"))?;
    let all = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("`{path}` is not PEM: {error}"))?;
    if all.is_empty() {
        return Err(format!("`{path}` holds no certificate"));
    }
    Ok(all)
}
