//! Where the API is: `PVE_ACCESS_HOST` with its optional scheme and port.

use std::fmt;

use rustls_pki_types::ServerName;

/// Port of the API when the user names none.
pub const DEFAULT_PORT: u16 = 8006;

/// Host and port of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `https://host:port`, an IPv6 address with or
    /// without brackets, and forgives a path of `/` or `/api2/json`. The error
    /// says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some(("https", rest)) => rest,
            Some(("http", _)) => {
                return Err("the API is served over https only, found `http://`".to_owned());
            }
            Some((scheme, _)) => return Err(format!("expected `https://`, found `{scheme}://`")),
            None => text,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !["", "api2/json", "api2/json/"].contains(&path) {
            return Err(format!(
                "expected a host and a port, found the path `/{path}`"
            ));
        }
        let (host, port) = split_port(authority)?;
        let endpoint = Self {
            host: host.to_owned(),
            port,
        };
        if host.is_empty() || endpoint.server_name().is_none() {
            return Err(format!("`{host}` is neither a host name nor an address"));
        }
        Ok(endpoint)
    }

    /// Host name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://host:port`
    pub fn url(&self) -> String {
        format!("https://{self}")
    }

    /// `https://host:port/api2/json`, the base of every call.
    pub fn api(&self) -> String {
        format!("https://{self}/api2/json")
    }

    /// The name that the server's certificate has to carry.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Cuts `host[:port]`, `[v6][:port]` or a bare IPv6 address.
fn split_port(authority: &str) -> Result<(&str, u16), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("`{authority}` has no closing bracket"))?;
        (host, after.strip_prefix(':').unwrap_or(after))
    } else if authority.matches(':').count() > 1 {
        (authority, "")
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if port.is_empty() {
        return Ok((host, DEFAULT_PORT));
    }
    match port.parse() {
        Ok(number) if number > 0 => Ok((host, number)),
        _ => Err(format!("`{port}` is not a port, expected 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("pve.lab", "pve.lab", 8006)]
    #[case("pve.lab:443", "pve.lab", 443)]
    #[case("https://pve.lab:8006/", "pve.lab", 8006)]
    #[case("https://192.168.1.10/api2/json", "192.168.1.10", 8006)]
    #[case("[fd00::1]:9000", "fd00::1", 9000)]
    #[case("fd00::1", "fd00::1", 8006)]
    fn what_people_write(#[case] text: &str, #[case] host: &str, #[case] port: u16) {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!((endpoint.host(), endpoint.port()), (host, port));
    }

    #[rstest]
    #[case("http://pve.lab", "https only")]
    #[case("ftp://pve.lab", "`ftp://`")]
    #[case("pve.lab:80x6", "not a port")]
    #[case("pve.lab:0", "not a port")]
    #[case("pve.lab/other", "`/other`")]
    #[case("pve lab", "neither a host name")]
    #[case("", "neither a host name")]
    fn what_cannot_be(#[case] text: &str, #[case] why: &str) {
        let error = Endpoint::parse(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    proptest! {
        #[test]
        fn its_own_text_is_read_back(host in "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,5})?", port in 1u16..) {
            let endpoint = Endpoint { host, port };
            prop_assert_eq!(&Endpoint::parse(&endpoint.to_string()).unwrap(), &endpoint);
            prop_assert_eq!(&Endpoint::parse(&endpoint.api()).unwrap(), &endpoint);
        }
    }
}
