//! The `cpu` of a VM's config: the types that Proxmox VE has, and the flags
//! that it lets a VM set.

use super::drive::{boolean, properties};
use super::words;

/// The types that are built in, those of later QEMU versions included.
const TYPES: &str = "
    486 athlon Broadwell Broadwell-IBRS Broadwell-noTSX Broadwell-noTSX-IBRS Cascadelake-Server
    Cascadelake-Server-noTSX Cascadelake-Server-v2 Cascadelake-Server-v4 Cascadelake-Server-v5
    ClearwaterForest ClearwaterForest-v1 Conroe Cooperlake Cooperlake-v2 core2duo coreduo EPYC
    EPYC-Genoa EPYC-Genoa-v2 EPYC-IBPB EPYC-Milan EPYC-Milan-v2 EPYC-Milan-v3 EPYC-Rome
    EPYC-Rome-v2 EPYC-Rome-v3 EPYC-Rome-v4 EPYC-Rome-v5 EPYC-Turin EPYC-v3 EPYC-v4 EPYC-v5
    GraniteRapids GraniteRapids-v2 GraniteRapids-v3 Haswell Haswell-IBRS Haswell-noTSX
    Haswell-noTSX-IBRS host Icelake-Client Icelake-Client-noTSX Icelake-Server
    Icelake-Server-noTSX Icelake-Server-v3 Icelake-Server-v4 Icelake-Server-v5 Icelake-Server-v6
    Icelake-Server-v7 IvyBridge IvyBridge-IBRS KnightsMill kvm32 kvm64 max Nehalem Nehalem-IBRS
    Opteron_G1 Opteron_G2 Opteron_G3 Opteron_G4 Opteron_G5 Penryn pentium pentium2 pentium3
    phenom qemu32 qemu64 SandyBridge SandyBridge-IBRS SapphireRapids SapphireRapids-v2
    SapphireRapids-v3 SapphireRapids-v4 SierraForest SierraForest-v2 SierraForest-v3
    Skylake-Client Skylake-Client-IBRS Skylake-Client-noTSX-IBRS Skylake-Client-v4
    Skylake-Server Skylake-Server-IBRS Skylake-Server-noTSX-IBRS Skylake-Server-v4
    Skylake-Server-v5 Westmere Westmere-IBRS x86-64-v2 x86-64-v2-AES x86-64-v3 x86-64-v4";

/// The flags that a VM may set.
const FLAGS: &str = "
    pcid spec-ctrl ibpb ssbd virt-ssbd amd-ssbd amd-no-ssb pdpe1gb md-clear hv-tlbflush hv-evmcs
    aes nested-virt";

/// Checks a `cpu`; the error is the text that Proxmox VE gives.
pub(super) fn check(text: &str) -> Result<(), String> {
    let parts = properties(text, "cputype", "cputype")?;
    let Some(kind) = parts.get("cputype") else {
        return Err("CPU is missing cputype".to_owned());
    };
    for (name, value) in &parts {
        match name.as_str() {
            "cputype" => {}
            "hidden" if boolean(value).is_some() => {}
            "hidden" => {
                return Err(format!(
                    "hidden: type check ('boolean') failed - got '{value}'"
                ));
            }
            "hv-vendor-id" if is_vendor(value) => {}
            "hv-vendor-id" => {
                return Err("hv-vendor-id: value does not match the regex pattern".to_owned());
            }
            "phys-bits" => bits(value, 8)?,
            "guest-phys-bits" => bits(value, 32)?,
            "flags" => flags(value)?,
            "reported-model" => {
                return Err(
                    "Property 'reported-model' not allowed in VM-specific CPU config.".to_owned(),
                );
            }
            _ => {
                return Err(format!(
                    "{name}: property is not defined in schema and the schema does not allow \
                     additional properties"
                ));
            }
        }
    }
    if let Some(own) = kind.strip_prefix("custom-") {
        // A simulated cluster defines none.
        return Err(format!("Custom cputype '{own}' not found"));
    }
    if words::has(TYPES, kind) {
        return Ok(());
    }
    Err(format!(
        "Built-in cputype '{kind}' is not defined (missing 'custom-' prefix?)"
    ))
}

fn flags(text: &str) -> Result<(), String> {
    let known = |flag: &str| {
        flag.strip_prefix(['+', '-'])
            .is_some_and(|name| words::has(FLAGS, name))
    };
    if text.split(';').all(known) {
        return Ok(());
    }
    Err(format!(
        "VM-specific CPU flags must be a subset of: {}",
        words::list(FLAGS)
    ))
}

fn bits(text: &str, least: u8) -> Result<(), String> {
    let fits = |bits: u8| (least..=64).contains(&bits);
    if text == "host" || text.parse().is_ok_and(fits) {
        return Ok(());
    }
    Err(format!(
        "value must be an integer between {least} and 64 or 'host'"
    ))
}

fn is_vendor(text: &str) -> bool {
    (1..=12).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_known() {
        for text in [
            "kvm64",
            "host",
            "cputype=x86-64-v2-AES",
            "x86-64-v2-AES,flags=+aes;-pcid",
            "cputype=host,hidden=1,phys-bits=host",
            "EPYC-Rome,hv-vendor-id=proxmox,phys-bits=40,",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_slip_is_told() {
        let told = |text: &str| check(text).unwrap_err();
        assert_eq!(
            told("no such,"),
            "Built-in cputype 'no such' is not defined (missing 'custom-' prefix?)"
        );
        assert_eq!(told("custom-mine"), "Custom cputype 'mine' not found");
        assert!(told("host,flags=+wings").starts_with("VM-specific CPU flags must be"));
        assert!(told("host,wings=1").starts_with("wings: property is not defined"));
        assert!(told("host,phys-bits=80").contains("between 8 and 64"));
        assert!(told("hidden=1").contains("missing cputype"));
        assert!(told("host,reported-model=kvm64").contains("reported-model"));
    }
}
