//! From here to an accepted token: the connection, the certificate, the token.

use crate::action::{Done, StepContext};
use crate::base::ticked;
use crate::diag::StepError;
use crate::pve::{Policy, Settings, TlsProblem, handshake};

/// The oldest version whose storages take cloud images (`import`).
const OLDEST: (u32, u32) = (8, 2);

/// Somebody listens there.
pub(super) fn endpoint(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let settings = Settings::read(ctx.env, &ctx.lab.paths)?;
    handshake::reach(&settings.endpoint)?;
    Ok(Done::new(format!("`{}` answers", settings.endpoint)))
}

/// The certificate is trusted, by `hl` and by the tools it starts.
pub(super) fn tls(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let settings = Settings::read(ctx.env, &ctx.lab.paths)?;
    let shown = handshake::inspect(&settings)?;
    let print = shown.fingerprint;
    if let Some(objection) = shown.objection {
        return Err(objected(settings.endpoint.host(), &objection));
    }
    Ok(match settings.policy {
        Policy::Roots => Done::new("the certificate is trusted"),
        Policy::Pinned(_) => Done::new("the certificate is the pinned one"),
        Policy::Insecure => Done::new("the certificate was not verified").warn(format!(
            "`PVE_TLS_INSECURE=1`: no certificate is verified, anybody between here and the node can read the token; set `PVE_FINGERPRINT={print}` instead"
        )),
    })
}

/// What packer and tofu would say of a pinned certificate.
fn objected(host: &str, objection: &TlsProblem) -> StepError {
    let error = StepError::new(format!(
        "the pinned certificate would be refused by packer and tofu: {objection}"
    ));
    let renew = "or renew it on the node with the name in it: `pvecm updatecerts --force`, then `systemctl restart pveproxy`, and pin the new one";
    match objection {
        TlsProblem::WrongName { presented } => {
            let error = if presented.is_empty() {
                error
            } else {
                error.help(format!(
                    "set `PVE_ACCESS_HOST` to a name it is for instead of `{host}`: {} (`/etc/hosts` can give the name its address)",
                    ticked(presented)
                ))
            };
            error.help(renew)
        }
        TlsProblem::NotYetValid => error.help("compare the clocks: `date -u` here and on the node"),
        TlsProblem::UnknownIssuer
        | TlsProblem::Expired
        | TlsProblem::NotThePinned { .. }
        | TlsProblem::Protocol(_)
        | TlsProblem::Other(_) => error.help(renew),
    }
}

/// The token is accepted, and the version is one that the layers know.
pub(super) fn token(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let client = ctx.pve()?;
    let version = client.version()?;
    let done = Done::new(format!(
        "the token is accepted, Proxmox VE {}",
        version.version
    ))
    .output("version", version.version.clone());
    Ok(if version.major_minor() < OLDEST {
        done.warn(format!(
            "Proxmox VE {} is older than {}.{}: its storages do not take cloud images, so the shipped templates cannot be built; upgrade the node",
            version.version, OLDEST.0, OLDEST.1
        ))
    } else {
        done
    })
}
