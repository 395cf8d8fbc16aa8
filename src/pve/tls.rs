//! Whom `hl` trusts: the system's roots and `PVE_CA_FILE`, or the one
//! certificate that `PVE_FINGERPRINT` pins. What the server showed is kept, so
//! that a refusal can name its fingerprint.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Fingerprint, TlsProblem};

/// How the server's certificate is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Signed by a known authority, and for this host.
    Roots,
    /// This very certificate, whatever it says.
    Pinned(Fingerprint),
    /// Anything goes (`PVE_TLS_INSECURE=1`).
    Insecure,
}

/// A certificate that the server showed, and what was thought of it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The certificate.
    pub(super) certificate: CertificateDer<'static>,
    /// Why it was refused.
    pub(super) problem: Option<TlsProblem>,
}

/// The last certificate that a client saw.
pub(super) type LastShown = Arc<Mutex<Option<Shown>>>;

/// What the last handshake showed.
pub(super) fn last(shown: &LastShown) -> Option<Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A TLS client configuration that judges by `policy` and tells `shown`.
/// `extra` are the certificates of `PVE_CA_FILE`.
pub(super) fn config(
    policy: Policy,
    extra: &[CertificateDer<'static>],
    shown: LastShown,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier {
        policy,
        roots: roots(extra),
        extra: extra.to_vec(),
        algorithms: provider.signature_verification_algorithms,
        shown,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.enable_early_data = false;
    Ok(config)
}

/// The system's roots, read once (`SSL_CERT_FILE` and `SSL_CERT_DIR` of the
/// process are obeyed, as OpenSSL does).
pub(super) fn system_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

fn roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(system_roots().iter().cloned());
    store.add_parsable_certificates(extra.iter().cloned());
    store
}

/// What a client that trusts exactly `certificate` would still object to when
/// it calls it by `name`: Go's and OpenSSL's rules check name and dates of a
/// pinned certificate too.
pub(super) fn objection(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> Option<TlsProblem> {
    let parsed = match ParsedCertificate::try_from(certificate) {
        Ok(parsed) => parsed,
        Err(error) => return Some(problem(&error)),
    };
    if let Err(error) = verify_server_name(&parsed, name) {
        return Some(problem(&error));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates([certificate.clone().into_owned()]);
    let algorithms = rustls::crypto::ring::default_provider()
        .signature_verification_algorithms
        .all;
    let judged = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &store,
        &[],
        UnixTime::now(),
        algorithms,
    );
    match judged.err().map(|error| problem(&error)) {
        found @ Some(TlsProblem::Expired | TlsProblem::NotYetValid) => found,
        _ => None,
    }
}

#[derive(Debug)]
struct Verifier {
    policy: Policy,
    roots: RootCertStore,
    extra: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
    shown: LastShown,
}

impl Verifier {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match self.policy {
            Policy::Insecure => return Ok(()),
            Policy::Pinned(pinned) if Fingerprint::of(certificate) == pinned => return Ok(()),
            Policy::Pinned(_) => {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
            Policy::Roots => {}
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            chain,
            now,
            self.algorithms.all,
        );
        match signed {
            Err(error) if !self.is_listed_authority(certificate, &error) => return Err(error),
            _ => {}
        }
        verify_server_name(&parsed, name)
    }

    /// A self-signed certificate that claims to be an authority, as `openssl
    /// req -x509` makes them, and that `PVE_CA_FILE` lists as it is. Go and
    /// OpenSSL accept it; webpki refuses it after it has checked the dates.
    fn is_listed_authority(&self, certificate: &CertificateDer<'_>, error: &rustls::Error) -> bool {
        is_authority(error) && self.extra.iter().any(|listed| listed == certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.judge(certificate, chain, name, now);
        let found = judged.as_ref().err().map(|error| match self.policy {
            Policy::Pinned(pinned) => TlsProblem::NotThePinned { pinned },
            Policy::Roots | Policy::Insecure => problem(error),
        });
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Shown {
            certificate: certificate.clone().into_owned(),
            problem: found,
        });
        judged.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The library's verdict in our words.
pub(super) fn problem(error: &rustls::Error) -> TlsProblem {
    use CertificateError as C;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return TlsProblem::Protocol(error.to_string());
    };
    if is_authority(error) || *certificate == C::UnknownIssuer {
        return TlsProblem::UnknownIssuer;
    }
    if let C::NotValidForNameContext { presented, .. } = certificate {
        return TlsProblem::WrongName {
            presented: presented.iter().map(|text| plain_name(text)).collect(),
        };
    }
    if matches!(certificate, C::Expired | C::ExpiredContext { .. }) {
        TlsProblem::Expired
    } else if matches!(certificate, C::NotValidYet | C::NotValidYetContext { .. }) {
        TlsProblem::NotYetValid
    } else {
        TlsProblem::Other(error.to_string())
    }
}

/// Whether it was refused because it claims to be an authority, which a
/// self-signed one often does.
fn is_authority(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity")
    )
}

/// `DnsName("pve.lab")` and `IpAddress(10.0.0.1)` as rustls lists them, bare.
fn plain_name(listed: &str) -> String {
    listed
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'))
        .map_or(listed, |(inside, _)| inside)
        .trim_matches('"')
        .to_owned()
}
