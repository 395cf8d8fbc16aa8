//! Certificates for a simulated node: an authority with a leaf, or a leaf that
//! signed itself, as a fresh Proxmox VE without a trusted certificate has.

use std::ops::Range;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest, Sha256};

/// Days from today: Apple's and newer verifiers refuse lifetimes that are longer.
const USUAL: Range<i64> = -1..800;

/// A certificate and its key, with what a client has to trust.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The leaf, PEM.
    pub cert_pem: String,
    /// The leaf's private key, PKCS#8 PEM.
    pub key_pem: String,
    /// What to trust: the authority, or the leaf itself when it is self-signed.
    pub ca_pem: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// A leaf for `names` (host names and addresses) under an authority made for it.
///
/// # Errors
/// A name that cannot be in a certificate.
pub fn with_authority(names: &[String]) -> Result<Certificate, rcgen::Error> {
    valid(names, USUAL)
}

/// The same, valid from and until these days from today.
pub(super) fn valid(names: &[String], days: Range<i64>) -> Result<Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Simulated Proxmox VE authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca = params.self_signed(&ca_key)?;
    let issuer = Issuer::new(params, ca_key);

    let key = KeyPair::generate()?;
    let leaf = leaf(names, days)?.signed_by(&key, &issuer)?;
    Ok(Certificate {
        cert_pem: leaf.pem(),
        key_pem: key.serialize_pem(),
        ca_pem: ca.pem(),
    })
}

/// A leaf for `names` that signed itself.
///
/// # Errors
/// A name that cannot be in a certificate.
pub fn self_signed(names: &[String]) -> Result<Certificate, rcgen::Error> {
    let key = KeyPair::generate()?;
    let leaf = leaf(names, USUAL)?.self_signed(&key)?;
    Ok(Certificate {
        cert_pem: leaf.pem(),
        key_pem: key.serialize_pem(),
        ca_pem: leaf.pem(),
    })
}

/// SHA-256 of a certificate in DER, as Proxmox VE prints it: upper-case bytes
/// with colons between them.
pub fn fingerprint(der: &[u8]) -> String {
    let bytes: Vec<String> = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    bytes.join(":")
}

fn leaf(names: &[String], days: Range<i64>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    let common = names.first().map_or("localhost", String::as_str);
    params
        .distinguished_name
        .push(DnType::CommonName, common.to_owned());
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python and Go refuse a leaf without the identifier of its authority
    // (X509_V_FLAG_X509_STRICT, default since Python 3.13).
    params.use_authority_key_identifier_extension = true;
    let now = jiff::Timestamp::now().as_second();
    let at = |days: i64| date(now + days * 24 * 60 * 60);
    if let (Some(from), Some(until)) = (at(days.start), at(days.end)) {
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    }
    Ok(params)
}

/// Year, month and day in UTC of `seconds` (Unix time).
fn date(seconds: i64) -> Option<(i32, u8, u8)> {
    let day = jiff::Timestamp::from_second(seconds)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    Some((
        i32::from(day.year()),
        u8::try_from(day.month()).ok()?,
        u8::try_from(day.day()).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_colon_hex() {
        let made = fingerprint(b"");
        assert!(made.starts_with("E3:B0:C4:42"));
        assert_eq!(made.len(), 32 * 3 - 1);
    }

    #[test]
    fn an_authority_is_not_its_leaf() {
        let made = with_authority(&["pve.lab".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        assert_ne!(made.cert_pem, made.ca_pem);
        let lone = self_signed(&["pve.lab".to_owned()]).unwrap();
        assert_eq!(lone.cert_pem, lone.ca_pem);
    }
}
