//! A certificate that signs itself: for this host, its addresses and loopback.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::ToSpan as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// How long one holds, in days.
const DAYS: i64 = 365;
/// One that ends sooner than this is made anew at the next start or reload.
pub(super) const AHEAD: Duration = Duration::from_hours(30 * 24);

/// A certificate and its key, PEM.
pub(super) struct SelfSigned {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// What this host calls itself.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    if name.is_empty() {
        return "localhost".to_owned();
    }
    name.into_owned()
}

/// The names of this host: what it calls itself, `localhost`, loopback, the addresses
/// that it has towards others, and `bind`.
pub(super) fn names(bind: IpAddr) -> Vec<String> {
    let mut names = vec![host_name(), "localhost".to_owned()];
    let loopback = ["127.0.0.1", "::1"].map(str::to_owned);
    let outward = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    // Nothing is sent: the system says which address it would send from.
    let outward = outward.into_iter().filter_map(|(own, other)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(other).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    let addresses = outward.chain([bind]).filter(|ip| !ip.is_unspecified());
    for name in loopback
        .into_iter()
        .chain(addresses.map(|ip| ip.to_string()))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A new one for these names; the first is its subject.
///
/// # Errors
/// A name cannot be in a certificate.
pub(super) fn make(names: &[String]) -> Result<SelfSigned, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    let subject = names.first().map_or("localhost", String::as_str);
    params
        .distinguished_name
        .push(DnType::CommonName, subject.to_owned());
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python refuses a certificate without the identifier of its authority.
    params.use_authority_key_identifier_extension = true;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let at = |days: i64| {
        let date = today.checked_add(days.days()).ok()?;
        let (month, day) = (date.month(), date.day());
        Some(rcgen::date_time_ymd(
            i32::from(date.year()),
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        ))
    };
    // From yesterday: clocks differ.
    if let (Some(from), Some(until)) = (at(-1), at(DAYS)) {
        params.not_before = from;
        params.not_after = until;
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(SelfSigned {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// Whether a certificate is for this host name.
pub(super) fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    let (Ok(parsed), Ok(name)) = (parsed, ServerName::try_from(host)) else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}

/// Whether a certificate's time is over, `ahead` from now.
pub(super) fn has_expired(certificate: &CertificateDer<'_>, ahead: Duration) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else {
        return true;
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates([certificate.clone().into_owned()]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = UnixTime::since_unix_epoch(now.unwrap_or_default() + ahead);
    let provider = rustls::crypto::ring::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    // Dates are looked at before signatures.
    let judged = verify_server_cert_signed_by_trust_anchor(&parsed, &store, &[], at, algorithms);
    matches!(
        judged,
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ))
    )
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn one_is_for_its_names_and_its_time() {
        let names = ["web.lab", "localhost", "192.0.2.7", "2001:db8::7"].map(str::to_owned);
        let made = make(&names).unwrap();
        let der = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        for name in &names {
            assert!(is_for(&der, name), "{name}");
        }
        for other in ["lab", "other.lab", "192.0.2.8", "", "a b"] {
            assert!(!is_for(&der, other), "{other}");
        }
        let day = Duration::from_hours(24);
        assert!(!has_expired(&der, Duration::ZERO) && !has_expired(&der, AHEAD));
        assert!(!has_expired(&der, 363 * day) && has_expired(&der, 367 * day));
        assert!(made.key.contains("PRIVATE KEY"));
    }

    #[test]
    fn this_host_has_names() {
        let names = names("192.0.2.9".parse().unwrap());
        for name in [host_name().as_str(), "localhost", "127.0.0.1", "192.0.2.9"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert!(!names.iter().any(|name| name == "0.0.0.0" || name == "::"));
        assert!(make(&names).is_ok());
    }
}
