//! What the controller shows to TLS clients. A reload replaces it; connections that
//! stand go on with what they began with.

use std::fs::{self, DirBuilder};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::sync::Arc;

use camino::Utf8Path;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::self_signed::{self, AHEAD};
use super::swapped::Swapped;
use crate::app::serving::CertificateSource;
use crate::diag::{Exit, Failure};
use crate::lab::controller::{CERTIFICATE, KEY};
use crate::lab::write;
use crate::pve::Fingerprint;

/// The certificate of now, and where it comes from.
#[derive(Debug)]
pub(in crate::serve) struct Certificates {
    source: CertificateSource,
    /// The names of this host; the first is what it calls itself.
    names: Vec<String>,
    shown: Swapped<CertifiedKey>,
}

impl Certificates {
    /// Loads it, or makes one, for a server that listens on `bind`.
    ///
    /// # Errors
    /// The files cannot be used (65) or written (73).
    pub(super) fn load(source: &CertificateSource, bind: IpAddr) -> Result<Self, Failure> {
        let names = self_signed::names(bind);
        let shown = match source {
            CertificateSource::Ephemeral => made(&names)?.1,
            CertificateSource::Kept(_) | CertificateSource::Files { .. } => from(source, &names)?,
        };
        Ok(Self {
            source: source.clone(),
            names,
            shown: Swapped::new(shown),
        })
    }

    /// Reads it again. One that is not kept anywhere stays.
    ///
    /// # Errors
    /// As of [`Certificates::load`]; then the former one stays.
    pub(super) fn reload(&self) -> Result<(), Failure> {
        if self.source != CertificateSource::Ephemeral {
            if let CertificateSource::Kept(dir) = &self.source {
                // A start makes a new one; here clients know the one that is shown.
                is_readable(dir)?;
            }
            self.shown.set(from(&self.source, &self.names)?);
        }
        Ok(())
    }

    /// What identifies it.
    pub(in crate::serve) fn fingerprint(&self) -> Fingerprint {
        let shown = self.shown.get();
        let own = shown.cert.first();
        own.map_or_else(|| Fingerprint::of(&[]), |own| Fingerprint::of(own))
    }

    /// Whether a client may call this server by that host (a name or an address, without
    /// a port). An address always: a page of somebody else's can make a browser send a
    /// name of theirs to here, and never an address.
    pub(in crate::serve) fn is_for(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let bare = bare.unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() {
            return true;
        }
        let shown = self.shown.get();
        self.names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host))
            || shown
                .cert
                .first()
                .is_some_and(|own| self_signed::is_for(own, host))
    }

    /// How TLS is spoken with it.
    ///
    /// # Errors
    /// The library does not have what it needs.
    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(crypto::ring::default_provider());
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.get())
    }
}

/// From files, which are written first where they are to be kept.
fn from(source: &CertificateSource, names: &[String]) -> Result<CertifiedKey, Failure> {
    let key = match source {
        CertificateSource::Files { cert, key } => {
            let loaded = read(cert, key)
                .map_err(|why| Failure::message(Exit::Definition, why).help(
                    "give the certificate chain as `--cert FILE` and its private key as `--key FILE`, both PEM",
                ))?;
            if loaded
                .cert
                .first()
                .is_some_and(|own| self_signed::has_expired(own, AHEAD))
            {
                tracing::warn!(file = %cert, "the certificate expires within 30 days, or has expired");
            }
            loaded
        }
        CertificateSource::Kept(dir) => kept(dir, names)?,
        CertificateSource::Ephemeral => made(names)?.1,
    };
    Ok(key)
}

/// A pair that is there must be one.
fn is_readable(dir: &Utf8Path) -> Result<(), Failure> {
    let (certificate, key) = (dir.join(CERTIFICATE), dir.join(KEY));
    if !certificate.exists() && !key.exists() {
        return Ok(());
    }
    let read = read(&certificate, &key).map(drop);
    read.map_err(|why| {
        Failure::message(Exit::Definition, why)
            .help("put both files back, or remove both to have a new certificate made")
    })
}

/// Who can write the directory, or read the key, could answer in this server's name.
fn is_private(dir: &Utf8Path) -> Result<(), Failure> {
    let refused = |path: &Utf8Path, why: &str, remedy: &str| {
        let message = format!("`{path}` {why}: its key is not only this server's");
        Failure::message(Exit::NotApproved, message).help(format!("`{remedy} {path}`"))
    };
    let own = rustix::process::geteuid().as_raw();
    for (path, open) in [(dir.to_owned(), 0o022), (dir.join(KEY), 0o077)] {
        let Ok(meta) = fs::metadata(&path) else {
            continue;
        };
        if meta.uid() != own && meta.uid() != 0 {
            return Err(refused(
                &path,
                "belongs to another user",
                "chown -R $(id -u)",
            ));
        }
        if meta.mode() & open != 0 {
            return Err(refused(&path, "is open to other users", "chmod -R go-rwx"));
        }
    }
    Ok(())
}

/// The one of the directory; a new one where there is none, or none that still holds.
fn kept(dir: &Utf8Path, names: &[String]) -> Result<CertifiedKey, Failure> {
    is_private(dir)?;
    let (certificate, key) = (dir.join(CERTIFICATE), dir.join(KEY));
    let host = names.first().map_or("localhost", String::as_str);
    if certificate.exists() || key.exists() {
        match read(&certificate, &key) {
            Err(why) => tracing::warn!(%why, "a new certificate is made"),
            Ok(loaded) => {
                let own = loaded.cert.first();
                if own.is_none_or(|own| self_signed::has_expired(own, AHEAD)) {
                    tracing::warn!(%certificate, "the certificate expires: a new one is made");
                } else if own.is_some_and(|own| !self_signed::is_for(own, host)) {
                    tracing::warn!(%certificate, host, "the certificate is for another host: a new one is made");
                } else {
                    return Ok(loaded);
                }
            }
        }
    }
    let unwritable = |error: std::io::Error| {
        Failure::message(Exit::CannotWrite, format!("cannot make `{dir}`: {error}"))
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(unwritable)?;
    let (text, loaded) = made(names)?;
    // The key first: of a pair that does not match, both are made anew.
    write(&key, &text.key, 0o600)?;
    write(&certificate, &text.certificate, 0o644)?;
    Ok(loaded)
}

fn made(names: &[String]) -> Result<(self_signed::SelfSigned, CertifiedKey), Failure> {
    let bug =
        |why: String| Failure::message(Exit::Bug, format!("cannot make a certificate: {why}"));
    let made = self_signed::make(names).map_err(|error| bug(error.to_string()))?;
    let key = pair(made.certificate.as_bytes(), made.key.as_bytes()).map_err(bug)?;
    Ok((made, key))
}

/// Both files. The text of an error names the one that is wrong.
fn read(certificate: &Utf8Path, key: &Utf8Path) -> Result<CertifiedKey, String> {
    let bytes =
        |file: &Utf8Path| fs::read(file).map_err(|error| format!("cannot read `{file}`: {error}"));
    pair(&bytes(certificate)?, &bytes(key)?)
        .map_err(|why| format!("cannot use `{certificate}` with `{key}`: {why}"))
}

fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the certificate is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| "there is no private key in it, expected PEM".to_owned())?;
    let provider = crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8PathBuf;

    use super::*;

    fn temp() -> (tempfile::TempDir, Utf8PathBuf) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        (guard, dir)
    }

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_kept_one_stays_until_it_is_for_another_host_or_broken() {
        let (_guard, dir) = temp();
        let dir = dir.join("kept");
        let source = CertificateSource::Kept(dir.clone());
        let load = || Certificates::load(&source, LOOPBACK).unwrap();
        let first = load().fingerprint();
        let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(KEY), mode(CERTIFICATE), mode("")),
            (0o600, 0o644, 0o700)
        );
        assert_eq!(load().fingerprint(), first);
        // For another host.
        let other = self_signed::make(&["other.lab".to_owned()]).unwrap();
        fs::write(dir.join(CERTIFICATE), &other.certificate).unwrap();
        fs::write(dir.join(KEY), &other.key).unwrap();
        let renewed = load();
        assert_ne!(renewed.fingerprint(), first);
        assert!(renewed.is_for(&self_signed::host_name()) && !renewed.is_for("other.lab"));
        // The two do not belong together.
        fs::write(dir.join(KEY), &other.key).unwrap();
        let why = renewed.reload().unwrap_err().to_string();
        assert!(
            why.contains("controller.key") && !renewed.is_for("other.lab"),
            "{why}"
        );
        let mended = load().fingerprint();
        assert_ne!(mended, renewed.fingerprint());
        assert_eq!(load().fingerprint(), mended);
        for (name, open) in [(KEY, 0o640), ("", 0o777)] {
            let path = dir.join(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let refused = Certificates::load(&source, LOOPBACK).unwrap_err();
            assert_eq!(refused.exit, Exit::NotApproved, "{refused}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert_eq!(load().fingerprint(), mended);
    }

    #[test]
    fn a_reload_takes_what_is_good_and_keeps_what_it_has_otherwise() {
        let (_guard, dir) = temp();
        let (cert, key) = (dir.join("c.pem"), dir.join("k.pem"));
        let put = |name: &str| {
            let made = self_signed::make(&[name.to_owned()]).unwrap();
            fs::write(&cert, made.certificate).unwrap();
            fs::write(&key, made.key).unwrap();
        };
        put("one.lab");
        let source = CertificateSource::Files {
            cert: cert.clone(),
            key: key.clone(),
        };
        let held = Certificates::load(&source, LOOPBACK).unwrap();
        let first = held.fingerprint();
        assert!(held.is_for("one.lab") && held.is_for("ONE.lab") && !held.is_for("two.lab"));
        put("two.lab");
        held.reload().unwrap();
        assert!(held.is_for("two.lab") && !held.is_for("one.lab") && held.fingerprint() != first);
        fs::write(&key, "no key").unwrap();
        let why = held.reload().unwrap_err().to_string();
        assert!(why.contains("k.pem") && held.is_for("two.lab"), "{why}");
    }

    #[test]
    fn addresses_and_own_names_are_hosts_and_others_are_not() {
        let held = Certificates::load(&CertificateSource::Ephemeral, LOOPBACK).unwrap();
        for host in [
            "127.0.0.1",
            "[::1]",
            "::1",
            "192.0.2.200",
            "localhost",
            "localhost.",
        ] {
            assert!(held.is_for(host), "{host}");
        }
        for host in ["evil.example", "", "localhost.evil.example", "[evil]"] {
            assert!(!held.is_for(host), "{host}");
        }
    }
}
