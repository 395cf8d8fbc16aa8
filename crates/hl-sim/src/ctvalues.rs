//! The values of a container's config: as they are given, and as the config holds them.

use std::net::IpAddr;

use super::bus::numbered;
use super::card::{self, all_named};
use super::ctkeys;
use super::drive::{boolean, flags, known, properties};
use super::kind::Kind;
use super::params::parts;
use super::values;
use super::vm::GuestKind;

const FEATURES: &str = "force_rw_sys fuse keyctl mknod nesting";

const DEVICE: &str = "gid mode path uid";

/// A value as the config holds it; the error is the text of its key.
pub(super) fn normal(key: &str, value: &str) -> Result<String, String> {
    let family = numbered(key).map_or(key, |(name, _)| name);
    if ctkeys::find(key).is_some_and(|key| matches!(key.kind, Kind::Bool)) {
        let yes = boolean(value).unwrap_or(false);
        return Ok(if yes { "1" } else { "0" }.to_owned());
    }
    match family {
        "net" => {
            let card = card::parse(GuestKind::Lxc, value)?;
            return Ok(card::print(GuestKind::Lxc, &card));
        }
        "description" => return Ok(description(value)),
        "tags" => return values::tags(value),
        "cpulimit" => match value.parse::<f64>() {
            Ok(limit) if limit < 0.0 => {
                return Err("value must have a minimum value of 0".to_owned());
            }
            Ok(limit) if limit > 8192.0 => {
                return Err("value must have a maximum value of 8192".to_owned());
            }
            _ => {}
        },
        "dev" => {
            let mut options = properties(value, "path", "path")?;
            flags(&mut options, "deny-write")?;
            known(&options, &[DEVICE, "deny-write"])?;
            if !options
                .get("path")
                .is_some_and(|path| path.starts_with("/dev/"))
            {
                return Err("path: Paths to be passed through must start with /dev/".to_owned());
            }
        }
        // As it was given: only what it says is looked at.
        "features" if !value.is_empty() => {
            let mut options = all_named(value, "features")?;
            flags(&mut options, FEATURES)?;
            known(&options, &[FEATURES, "mount"])?;
        }
        "hostname" if value.len() > 255 => {
            return Err("value may only be 255 characters long".to_owned());
        }
        "nameserver" => {
            if let Some(odd) = parts(value).into_iter().find(|ip| !is_address(ip)) {
                return Err(format!(
                    "value does not look like a valid IP address: {odd}"
                ));
            }
        }
        "searchdomain" => {
            for domain in parts(value) {
                Kind::DnsName.check(domain)?;
            }
        }
        "startup" => {
            let options = properties(value, "order", "order")?;
            known(&options, &["order up down"])?;
        }
        _ => {}
    }
    Ok(value.to_owned())
}

fn is_address(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    address.parse::<IpAddr>().is_ok()
}

/// A description as it is read back: the config holds each line with its end.
pub(super) fn description(text: &str) -> String {
    let lines = text.trim_end_matches('\n');
    if lines.is_empty() {
        return String::new();
    }
    format!("{lines}\n")
}

/// What a `features` switches on that nobody but root may change: all but `nesting`.
pub(super) fn guarded_features(text: &str) -> Vec<(String, String)> {
    let mut options = all_named(text, "features").unwrap_or_default();
    flags(&mut options, FEATURES).ok();
    let mut all: Vec<(String, String)> = options.into_iter().collect();
    all.retain(|(name, value)| name != "nesting" && value != "0");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_made_normal() {
        for (key, value, held) in [
            ("description", "several\nlines\n\n", "several\nlines\n"),
            ("description", "", ""),
            ("tags", "Web,hl web", "web;hl"),
            ("onboot", "1", "1"),
            ("cpulimit", "1.5", "1.5"),
            ("features", "nesting=1,keyctl=0", "nesting=1,keyctl=0"),
            ("nameserver", "1.1.1.1 fe80::1%eth0", "1.1.1.1 fe80::1%eth0"),
            ("startup", "order=1,up=5", "order=1,up=5"),
            (
                "net0",
                "bridge=vmbr0,name=eth0",
                "name=eth0,bridge=vmbr0,type=veth",
            ),
            (
                "dev0",
                "path=/dev/ttyUSB0,mode=0660",
                "path=/dev/ttyUSB0,mode=0660",
            ),
        ] {
            assert_eq!(normal(key, value).as_deref(), Ok(held), "{key}={value}");
        }
        for (key, value) in [
            ("cpulimit", "-1"),
            ("cpulimit", "8193"),
            ("features", "flying=1"),
            ("features", "nesting=maybe"),
            ("nameserver", "1.1.1"),
            ("searchdomain", "a b_c"),
            ("startup", "first=1"),
            ("dev0", "path=/srv/x"),
            ("net0", "virtio,bridge=vmbr0"),
            ("tags", "a!"),
        ] {
            assert!(normal(key, value).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn nesting_alone_is_nobodys_secret() {
        assert!(guarded_features("nesting=1,keyctl=0").is_empty());
        assert_eq!(
            guarded_features("fuse=yes,nesting=1"),
            [("fuse".to_owned(), "1".to_owned())]
        );
        assert!(guarded_features("").is_empty());
    }
}
