//! Hosts with an optional port, as `[network]` has them.

use std::net::IpAddr;

/// Host and port of `10.8.0.1`, `vpn.lan:51821`, `[fd00::1]:22` or `fd00::1`;
/// `None` when it is none of these.
pub fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<IpAddr>().ok()?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        return Some((host, port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    // `10.8.0` is no name but a torn address.
    let name = host.chars().any(|c| c.is_ascii_alphabetic()) || host.parse::<IpAddr>().is_ok();
    (name && host.split('.').all(label)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.8.0.1", Some(("10.8.0.1", None)))]
    #[case("10.8.0.1:51821", Some(("10.8.0.1", Some(51821))))]
    #[case("vpn.home.lan:22", Some(("vpn.home.lan", Some(22))))]
    #[case("vpn-1", Some(("vpn-1", None)))]
    #[case("fd00::1", Some(("fd00::1", None)))]
    #[case("[fd00::1]:22", Some(("fd00::1", Some(22))))]
    #[case("[fd00::1]", Some(("fd00::1", None)))]
    #[case("10.8.0", None)]
    #[case("10.8.0.1:0", None)]
    #[case("10.8.0.1:ssh", None)]
    #[case("10.8.0.1/24", None)]
    #[case("[vpn]:22", None)]
    #[case("http://vpn", None)]
    #[case("", None)]
    fn forms(#[case] text: &str, #[case] is: Option<(&str, Option<u16>)>) {
        assert_eq!(host_port(text), is);
    }
}
