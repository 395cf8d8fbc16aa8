//! What texts must be.

use std::net::IpAddr;

use ipnet::IpNet;

use super::model::Format;
use super::table::is_name;

impl Format {
    /// What is expected, in words.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Name => "lower-case letters, digits and `-`, a letter first",
            Self::Ip => "an address such as 192.168.1.10",
            Self::Cidr => "a network such as 10.42.0.0/16",
            Self::Endpoint => "HOST:PORT, such as 10.0.0.5:6443",
            Self::Hostname => "a host name such as node1.lab.example",
            Self::Url => "a URL such as https://host/path",
            Self::Hex64 => "64 hexadecimal digits",
            Self::Bucket => "3 to 63 lower-case letters, digits and `-`",
            Self::Path => "a path without `..`",
            Self::Age => "a public key of age: `age1` and 58 characters",
        }
    }

    /// Whether a text is one.
    pub(super) fn fits(self, text: &str) -> bool {
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        match self {
            Self::Name => is_name(text),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
            Self::Cidr => text.parse::<IpNet>().is_ok(),
            Self::Endpoint => is_endpoint(text),
            Self::Hostname => is_hostname(text),
            Self::Url => is_url(text),
            Self::Hex64 => text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            Self::Bucket => {
                (3..=63).contains(&text.len())
                    && text.starts_with(lower)
                    && text.ends_with(lower)
                    && text.chars().all(|c| lower(c) || c == '-')
            }
            Self::Path => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-/~".contains(c);
                !text.is_empty()
                    && text.chars().all(plain)
                    && text.split('/').all(|part| part != "..")
            }
            Self::Age => text.len() == 62 && text.starts_with("age1") && text.chars().all(lower),
        }
    }
}

/// `HOST:PORT`
pub(super) fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_fits = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(inner) => inner.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()) || is_hostname(host),
    };
    host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Labels of letters, digits and `-`. Four numbers are an address, or a slip in one.
fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && !numeric
}

fn is_url(text: &str) -> bool {
    let known = ["https://", "http://", "ssh://", "git@"];
    let rest = known.iter().find_map(|start| text.strip_prefix(start));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_they_must_be() {
        let hex = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";
        let age = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        for (format, right, wrong) in [
            (Format::Ip, "10.0.0.5", "10.0.0.256"),
            (Format::Cidr, "10.42.0.0/16", "10.42.0.0"),
            (Format::Endpoint, "10.0.0.5:6443", "10.0.0.5"),
            (Format::Endpoint, "api.lab.example:6443", "10.0.0.999:6443"),
            (Format::Endpoint, "[fd00::1]:6443", "host:0"),
            (Format::Hostname, "node-1.lab", "-x"),
            (Format::Url, "https://github.com/acme/lab.git", "ftp://x"),
            (Format::Hex64, hex, "latest"),
            (Format::Bucket, "acme-backups", "A"),
            (Format::Path, ".kube/config", "../x"),
            (Format::Age, age, "age1x"),
            (Format::Name, "cp-01", "Cp"),
        ] {
            assert!(format.fits(right), "{right}");
            assert!(!format.fits(wrong), "{wrong}");
        }
    }
}
