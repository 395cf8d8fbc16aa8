//! What texts of a site-config must look like.

use std::net::Ipv4Addr;

use crate::diag::Diagnostic;
use crate::shape::Form;
use crate::site::env::Cidr;

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
