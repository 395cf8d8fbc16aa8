//! What packer's files are told. A file declares the variables that it wants;
//! the others do not hurt.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;

use crate::action::StepContext;
use crate::action::template::call;
use crate::diag::StepError;
use crate::lab::ssh;
use crate::pve::BuildAddress;
use crate::templates::Template;

/// What only a build knows; the rest comes from lab and environment.
#[derive(Debug, Clone)]
pub(super) struct Build<'a> {
    /// Machine to clone; empty for an installer.
    pub(super) base: &'a str,
    /// Volume of the image or the installer.
    pub(super) volid: &'a str,
    /// Name of the machine while it is built.
    pub(super) machine: &'a str,
    /// Name of the template.
    pub(super) template: &'a str,
    /// Notes while it is built.
    pub(super) description: &'a str,
    /// Where packer writes its manifest.
    pub(super) manifest: &'a str,
}

impl Build<'static> {
    /// For `packer validate`: values of the right shape.
    pub(super) const SAMPLE: Self = Self {
        base: "hl-base-sample",
        volid: "local:iso/sample.iso",
        machine: "hl-build-sample",
        template: "sample",
        description: "sample",
        manifest: "packer-manifest.json",
    };
}

/// All variables, by name.
pub(super) fn variables(
    ctx: &StepContext<'_>,
    template: &Template,
    node: &str,
    address: &BuildAddress,
    build: &Build<'_>,
) -> Result<BTreeMap<String, String>, StepError> {
    let machine = &template.spec.machine;
    let mut variables = BTreeMap::from([
        ("node", node.to_owned()),
        ("bridge", call::setting(ctx, "PVE_BRIDGE", "vmbr0")),
        ("storage", call::storage_vm(ctx)?),
        ("base_name", build.base.to_owned()),
        ("iso_file", build.volid.to_owned()),
        ("build_name", build.machine.to_owned()),
        ("template_name", build.template.to_owned()),
        ("build_description", build.description.to_owned()),
        ("build_ip", address.ip.to_string()),
        ("build_prefix", address.prefix.to_string()),
        ("build_netmask", netmask(address)),
        ("build_gateway", address.gateway.to_string()),
        ("guest_user", template.spec.guest_user.clone()),
        ("cores", machine.cores.to_string()),
        ("memory", machine.memory.to_string()),
        ("disk", machine.disk.clone()),
        ("manifest", build.manifest.to_owned()),
    ]);
    if let Some(key) = private_key(ctx)? {
        variables.insert("ssh_private_key_file", key);
    }
    if ctx
        .env
        .get("PVE_TLS_INSECURE")
        .is_some_and(|flag| flag == "1")
    {
        variables.insert("pve_tls_insecure", "true".to_owned());
    }
    Ok(variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

/// `255.255.255.0`; empty for IPv6, where nobody asks for one.
fn netmask(address: &BuildAddress) -> String {
    match address.ip {
        IpAddr::V4(_) => {
            let bits = u32::MAX
                .checked_shl(32 - u32::from(address.prefix))
                .unwrap_or(0);
            std::net::Ipv4Addr::from(bits).to_string()
        }
        IpAddr::V6(_) => String::new(),
    }
}

/// The lab's private key, when packer can use it: it asks for no passphrase.
/// Without one it makes a key for this build alone.
fn private_key(ctx: &StepContext<'_>) -> Result<Option<String>, StepError> {
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    let Some(path) = ssh::identity(ctx.lab, home)? else {
        return Ok(None);
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| StepError::io("read", &path, &error))?;
    if is_encrypted(&text) {
        ctx.note(format!(
            "`{path}` wants a passphrase; packer makes a key for this build instead"
        ));
        return Ok(None);
    }
    Ok(Some(path.into_string()))
}

/// Whether a private key file wants a passphrase. PEM says `ENCRYPTED`;
/// OpenSSH's own format names its cipher after the magic bytes.
fn is_encrypted(text: &str) -> bool {
    if text.contains("ENCRYPTED") {
        return true;
    }
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let Ok(blob) = STANDARD.decode(body) else {
        return false;
    };
    let none = b"openssh-key-v1\0\0\0\0\x04none";
    blob.starts_with(b"openssh-key-v1\0") && !blob.starts_with(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let mask = |text: &str| netmask(&BuildAddress::parse(text).unwrap());
        assert_eq!(mask("10.0.0.9/24,10.0.0.1"), "255.255.255.0");
        assert_eq!(mask("10.0.0.9/9,10.0.0.1"), "255.128.0.0");
        assert_eq!(mask("10.0.0.9/30,10.0.0.10"), "255.255.255.252");
        assert_eq!(mask("fd00::9/64,fd00::1"), "");
    }

    #[test]
    fn keys_with_a_passphrase_are_seen() {
        let key = |cipher: &str| {
            let mut blob = b"openssh-key-v1\0\0\0\0".to_vec();
            blob.push(u8::try_from(cipher.len()).unwrap());
            blob.extend(cipher.bytes());
            blob.extend([0; 40]);
            let body = STANDARD.encode(blob);
            let (a, b) = body.split_at(20);
            format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{a}\n{b}\n-----END OPENSSH PRIVATE KEY-----\n"
            )
        };
        assert!(!is_encrypted(&key("none")));
        assert!(is_encrypted(&key("aes256-ctr")));
        assert!(is_encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert!(!is_encrypted("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"));
    }
}
