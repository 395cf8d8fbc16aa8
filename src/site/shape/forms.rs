//! What texts of a site-config must look like.

use std::net::Ipv4Addr;

use crate::diag::Diagnostic;
use crate::shape::Form;
use crate::site::env::Cidr;
use crate::site::tree::is_name;

/// A part of an IPv4 address.
macro_rules! octet {
    () => {
        "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    };
}

/// An IPv4 address.
pub(super) static ADDRESS: Form = Form {
    is: "an address such as `192.168.1.1`",
    wrong: |what, text| {
        let wrong = format!("{what} `{text}` is not an IPv4 address");
        let help = "write it without a prefix, e.g. `192.168.1.1`";
        let is_one = text.parse::<Ipv4Addr>().is_ok();
        (!is_one).then(|| Diagnostic::error(wrong).help(help))
    },
    pattern: concat!("^", octet!(), r"(\.", octet!(), "){3}$"),
};

/// An IPv4 address with its prefix, or `dhcp`.
pub(super) static CIDR: Form = Form {
    is: "an address such as `192.168.1.51/24`, or `dhcp`",
    wrong: |what, text| {
        let why = text.parse::<Cidr>().err().filter(|_| text != "dhcp")?;
        Some(Diagnostic::error(format!(
            "{what} `{text}` is not valid: {why}"
        )))
    },
    pattern: concat!(
        "^(dhcp|",
        octet!(),
        r"(\.",
        octet!(),
        "){3}/(3[0-2]|[0-2]?[0-9]))$"
    ),
};

/// The beginning of a MAC address: bytes in hexadecimal.
pub(super) static MAC_PREFIX: Form = Form {
    is: "the beginning of a MAC address such as `BC:24:11`",
    wrong: |what, text| {
        let is_byte = |byte: &str| byte.len() == 2 && byte.chars().all(|c| c.is_ascii_hexdigit());
        let fits = text.split(':').all(is_byte) && text.len() < 18;
        let wrong = format!("{what} `{text}` is not the beginning of a MAC address");
        (!fits).then(|| Diagnostic::error(wrong).help("write bytes, e.g. `BC:24:11`"))
    },
    pattern: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,5}$",
};

/// An entry of `/usr/share/zoneinfo`; which there are, the machine knows.
pub(super) static ZONE: Form = Form {
    is: "a time zone such as `Europe/Lisbon`",
    wrong: |what, text| {
        let may = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
        let is_part = |part: &str| !part.is_empty() && part.chars().all(may);
        let wrong = format!("{what} `{text}` is not the name of a time zone");
        let help = "write it as `timedatectl list-timezones` does, e.g. `Europe/Lisbon`";
        (!text.split('/').all(is_part)).then(|| Diagnostic::error(wrong).help(help))
    },
    pattern: "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
};

/// Two ids with a dash between them.
pub(super) static VMID_RANGE: Form = Form {
    is: "a range of ids such as `10000-99999`",
    wrong: |what, text| {
        let wrong = format!("{what} `{text}` is not a range of ids");
        let help = "write the first and the last, e.g. `10000-99999`";
        vmid_range(text)
            .is_none()
            .then(|| Diagnostic::error(wrong).help(help))
    },
    pattern: "^[0-9]{1,9}-[0-9]{1,9}$",
};

/// `10000-99999`
pub(in crate::site) fn vmid_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    let id = |text: &str| {
        let is_one = (1..=9).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| is_one)
    };
    let (first, last) = (id(first)?, id(last)?);
    Some((first.min(last), first.max(last)))
}

/// What a host may be called, without a domain: the name of a machine.
pub(in crate::site) fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A machine of a manifest: a host name, and a directory of its state.
pub(super) static MACHINE_NAME: Form = Form {
    is: "a host name",
    wrong: |what, text| {
        let finding = Diagnostic::error(format!("{what} `{text}` is not a host name"));
        let rule = "use letters a to z, digits and inner dashes, at most 63";
        let finding = (!is_label(text)).then(|| finding.help(rule));
        finding.or_else(|| taken(what, text))
    },
    pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
};

/// A manifest: a directory of its state.
pub(super) static MANIFEST_NAME: Form = Form {
    is: "a name",
    wrong: |what, text| {
        let wrong = format!("{what} `{text}` cannot be the name of a directory");
        let finding = (!is_name(text)).then(|| Diagnostic::error(wrong));
        finding.or_else(|| taken(what, text))
    },
    pattern: r"^[^/\\]+$",
};

/// Beside a state OpenTofu keeps its own files, in a directory of this name.
fn taken(what: &str, text: &str) -> Option<Diagnostic> {
    let wrong = format!("{what} `{text}` is taken: OpenTofu keeps its own files under it");
    (text == "data").then(|| Diagnostic::error(wrong).help("choose another name"))
}

/// `http://...` or `https://...`, or empty.
pub(super) static URL: Form = Form {
    is: "an address such as `https://192.168.1.10:8006`",
    wrong: |what, text| {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let is_one = host.is_some_and(|host| !host.is_empty() && !host.contains(' '));
        let wrong = format!("{what} `{text}` is not an address on the web");
        let help = "write an address such as `https://192.168.1.10:8006`";
        (!text.is_empty() && !is_one).then(|| Diagnostic::error(wrong).help(help))
    },
    pattern: "^(https?://[^ ]+)?$",
};
