//! What `hl` trusts, its tools trust: one bundle of certificates, and the
//! variables that point packer, tofu and Python at it, with the credentials
//! that provider and builder read from the environment.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use rustls_pki_types::CertificateDer;

use super::handshake;
use super::settings::Settings;
use super::tls;
use super::{Error, Policy};
use crate::diag::Failure;
use crate::lab::{Environment, Paths, write};

/// A written bundle and what belongs to it.
#[derive(Debug, Clone)]
pub struct Trust {
    bundle: Utf8PathBuf,
    settings: Settings,
    no_proxy: String,
}

/// Writes `.build/ca.pem` (0644, replaced at once): the system's roots and
/// `PVE_CA_FILE`, and the certificate that `PVE_FINGERPRINT` pins, which is
/// fetched and goes in only when its hash is the pinned one.
pub fn write_bundle(env: &Environment, paths: &Paths) -> Result<Trust, Error> {
    let settings = Settings::read(env, paths)?;
    let mut certificates = tls::system_roots().to_vec();
    certificates.extend(settings.authorities.iter().cloned());
    if let (Some(pinned), false) = (settings.pinned, settings.policy == Policy::Insecure) {
        let shown = handshake::shake(&settings, Policy::Pinned(pinned))?;
        certificates.push(shown.certificate);
    }
    let bundle = paths.build().join("ca.pem");
    let text = pem_text(&certificates);
    if !fs::read_to_string(&bundle).is_ok_and(|old| old == text) {
        write(&bundle, text, 0o644).map_err(|failure| unwritable(&failure))?;
    }
    Ok(Trust {
        bundle,
        no_proxy: no_proxy(env, settings.endpoint.host()),
        settings,
    })
}

/// [`write_bundle`] and [`Trust::child_env`] in one: what a tool that calls
/// the API is to be given on top of its environment. Holds secrets.
pub fn tool_env(env: &Environment, paths: &Paths) -> Result<BTreeMap<String, String>, Error> {
    Ok(write_bundle(env, paths)?.child_env())
}

impl Trust {
    /// The bundle's path.
    pub fn bundle(&self) -> &Utf8Path {
        &self.bundle
    }

    /// Variables for packer (proxmox plugin 1.0.4 and later), tofu (bpg/proxmox
    /// provider) and Python. Holds secrets.
    ///
    /// With `PVE_TLS_INSECURE=1` the provider's switch is set, and
    /// `PKR_VAR_pve_tls_insecure` is `true` for the builder, whose own switch
    /// can be set in its template only. Python's variables are then absent:
    /// `requests` would verify in spite of its switch.
    pub fn child_env(&self) -> BTreeMap<String, String> {
        let settings = &self.settings;
        let insecure = settings.policy == Policy::Insecure;
        let token = format!("{}={}", settings.token_id, settings.token_secret);
        let bundle = self.bundle.to_string();
        let mut vars = BTreeMap::new();
        let mut set = |name: &str, value: &str| {
            vars.insert(name.to_owned(), value.to_owned());
        };
        set("SSL_CERT_FILE", &bundle);
        if insecure {
            set("PROXMOX_VE_INSECURE", "true");
        } else {
            set("REQUESTS_CA_BUNDLE", &bundle);
            set("CURL_CA_BUNDLE", &bundle);
            set("PROXMOX_VE_INSECURE", "false");
        }
        let insecure = if insecure { "true" } else { "false" };
        set("PKR_VAR_pve_tls_insecure", insecure);
        set("PROXMOX_VE_ENDPOINT", &settings.endpoint.url());
        set("PROXMOX_VE_API_TOKEN", &token);
        set("PROXMOX_URL", &settings.endpoint.api());
        set("PROXMOX_USERNAME", &settings.token_id);
        set("PROXMOX_TOKEN", &settings.token_secret);
        set("NO_PROXY", &self.no_proxy);
        set("no_proxy", &self.no_proxy);
        vars
    }
}

/// The user's exceptions and the API's host: `hl` calls it without a proxy.
fn no_proxy(env: &Environment, host: &str) -> String {
    let mut exceptions: Vec<&str> = ["NO_PROXY", "no_proxy"]
        .iter()
        .find_map(|name| env.get(name))
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|exception| !exception.is_empty())
        .collect();
    if !exceptions.contains(&host) {
        exceptions.push(host);
    }
    exceptions.join(",")
}

fn unwritable(failure: &Failure) -> Error {
    Error::Unwritable {
        message: failure.to_string(),
        help: failure
            .diagnostics
            .iter()
            .flat_map(|diagnostic| diagnostic.help.clone())
            .collect(),
    }
}

fn pem_text(certificates: &[CertificateDer<'_>]) -> String {
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut text = String::new();
    for certificate in certificates {
        if !seen.contains(&certificate.as_ref()) {
            seen.push(certificate.as_ref());
            let block = pem::Pem::new("CERTIFICATE", certificate.to_vec());
            let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
            text.push_str(&pem::encode_config(&block, config));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::pem::PemObject;

    #[test]
    fn a_bundle_is_read_back_without_doubles() {
        let one = CertificateDer::from(vec![1u8; 100]);
        let two = CertificateDer::from(vec![2u8; 3]);
        let text = pem_text(&[one.clone(), two.clone(), one.clone()]);
        let read: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read, [one, two]);
    }
}
