//! `PVE_BUILD_ADDRESS`: the address that a template has while it is built.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address with its prefix length, and the gateway of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildAddress {
    /// The address.
    pub ip: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The gateway, in the same network.
    pub gateway: IpAddr,
}

impl BuildAddress {
    /// Reads `192.168.1.99/24,gw=192.168.1.1`; `ip=` and `gw=` in front of the
    /// parts, as Proxmox writes them, may stand or not, and a space for the comma is fine too.
    /// The error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text
            .split([',', ' '])
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let (Some(cidr), Some(gateway), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!(
                "expected an address with its prefix and a gateway, found `{text}`"
            ));
        };
        let cidr = bare(cidr, &["ip=", "ip6="]);
        let gateway = bare(gateway, &["gw=", "gw6="]);
        let (ip, prefix) = cidr
            .split_once('/')
            .ok_or_else(|| format!("`{cidr}` has no prefix length, as in `/24`"))?;
        let ip: IpAddr = ip
            .parse()
            .map_err(|_| format!("`{ip}` is not an IP address"))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .parse()
            .ok()
            .filter(|bits| (1..=most).contains(bits))
            .ok_or_else(|| format!("`/{prefix}` is not a prefix length, expected 1 to {most}"))?;
        let gateway: IpAddr = gateway
            .parse()
            .map_err(|_| format!("the gateway `{gateway}` is not an IP address"))?;
        let address = Self {
            ip,
            prefix,
            gateway,
        };
        if !IpNet::new(ip, prefix).is_ok_and(|net| net.contains(&gateway)) {
            return Err(format!(
                "the gateway `{gateway}` is not in the network of `{cidr}`"
            ));
        }
        if ip == gateway {
            return Err(format!("address and gateway are the same, `{ip}`"));
        }
        Ok(address)
    }

    /// As `ipconfig0` of a VM wants it.
    pub fn ipconfig(&self) -> String {
        let six = if self.ip.is_ipv4() { "" } else { "6" };
        format!(
            "ip{six}={}/{},gw{six}={}",
            self.ip, self.prefix, self.gateway
        )
    }
}

impl std::fmt::Display for BuildAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{},gw={}", self.ip, self.prefix, self.gateway)
    }
}

fn bare<'a>(text: &'a str, prefixes: &[&str]) -> &'a str {
    prefixes
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::net::Ipv4Addr;

    #[rstest]
    #[case("192.168.1.99/24,192.168.1.1", "ip=192.168.1.99/24,gw=192.168.1.1")]
    #[case("ip=10.0.0.9/8, gw=10.9.9.9", "ip=10.0.0.9/8,gw=10.9.9.9")]
    #[case("192.168.1.99/24 192.168.1.1", "ip=192.168.1.99/24,gw=192.168.1.1")]
    #[case("fd00::9/64,fd00::1", "ip6=fd00::9/64,gw6=fd00::1")]
    fn what_people_write(#[case] text: &str, #[case] ipconfig: &str) {
        assert_eq!(BuildAddress::parse(text).unwrap().ipconfig(), ipconfig);
    }

    #[rstest]
    #[case("192.168.1.99/24", "and a gateway")]
    #[case("192.168.1.99,192.168.1.1", "no prefix length")]
    #[case("192.168.1.299/24,192.168.1.1", "not an IP address")]
    #[case("192.168.1.99/33,192.168.1.1", "1 to 32")]
    #[case("192.168.1.99/24,192.168.2.1", "not in the network")]
    #[case("192.168.1.1/24,192.168.1.1", "the same")]
    #[case("192.168.1.99/24,fd00::1", "not in the network")]
    fn what_cannot_be(#[case] text: &str, #[case] why: &str) {
        let error = BuildAddress::parse(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }

    proptest! {
        #[test]
        fn its_own_texts_are_read_back(bits: u32, prefix in 8u8..=30) {
            let gateway = Ipv4Addr::from(bits ^ 1);
            let address = BuildAddress { ip: Ipv4Addr::from(bits).into(), prefix, gateway: gateway.into() };
            prop_assert_eq!(BuildAddress::parse(&address.to_string()).unwrap(), address);
            prop_assert_eq!(BuildAddress::parse(&address.ipconfig()).unwrap(), address);
        }
    }
}
