//! The variables of each client.

use camino::Utf8Path;

use super::access::Access;
use super::args::Client;
use super::place::Place;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};

/// What L0 wants to find free, on loopback as all of `hl sim`. Builds go on in
/// a rehearsal only.
const BUILD_ADDRESS: &str = "127.76.0.9/8,gw=127.0.0.1";

/// Its value is the content of a file.
const KEY: &str = "PROXMOX_VE_SSH_PRIVATE_KEY";

type Variable = (&'static str, String);

/// `hl sim export`
pub(super) fn export(
    session: &Session,
    world: &Utf8Path,
    clients: &[Client],
) -> Result<Exit, Failure> {
    let dir = session.caller.cwd.join(world);
    let Some(access) = Place::served(&dir) else {
        let message = format!("`{world}` is not being served");
        return Err(Failure::message(Exit::Unknown, message)
            .help(format!("serve it: `hl sim --world {world}`")));
    };
    print(session, &access, clients)?;
    Ok(Exit::Ok)
}

/// Prints the lines for a shell.
pub(super) fn print(session: &Session, access: &Access, clients: &[Client]) -> Result<(), Failure> {
    let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
    let lines: Vec<String> = variables(access, clients)
        .into_iter()
        .map(|(name, value)| match name {
            KEY => format!("export {name}=\"$(cat {})\"", quoted(&value)),
            _ => format!("export {name}={}", quoted(&value)),
        })
        .collect();
    session.data(&lines.join("\n"))
}

/// The variables of these clients, each once; of none, a lab's.
fn variables(access: &Access, clients: &[Client]) -> Vec<Variable> {
    let each = [
        Client::Bpg,
        Client::Telmate,
        Client::Packer,
        Client::Ansible,
        Client::Proxmoxer,
    ];
    let all = clients.contains(&Client::All);
    let wanted = each.iter().filter(|one| all || clients.contains(one));
    let mut found: Vec<Variable> = Vec::new();
    for client in wanted {
        for variable in of(*client, access) {
            // Of two meanings of one name, the first client's.
            if !found.iter().any(|(name, _)| *name == variable.0) {
                found.push(variable);
            }
        }
    }
    let password = access.admin.as_ref().map(|admin| &admin.password);
    let password = password.map(|password| ("PROXMOX_ROOT_PASSWORD", password.clone()));
    if clients.is_empty() {
        // A reader of these lines knows the last one.
        return password.into_iter().chain(lab(access)).collect();
    }
    found.extend(password);
    found
}

fn lab(access: &Access) -> Vec<Variable> {
    let (id, secret) = access.token();
    let objects = &access.objects;
    vec![
        ("PVE_ACCESS_HOST", access.url.clone()),
        ("PVE_CA_FILE", access.ca_file.to_string()),
        ("PM_TOKEN_ID", id.to_owned()),
        ("PM_TOKEN_SECRET", secret.to_owned()),
        ("PVE_NODE", objects.node.clone()),
        ("PVE_STORAGE_VM", objects.storage_vm.clone()),
        ("PVE_STORAGE_ISO", objects.storage_iso.clone()),
        ("PVE_STORAGE_IMPORT", objects.storage_import.clone()),
        ("PVE_BRIDGE", objects.bridge.clone()),
        ("PVE_BUILD_ADDRESS", BUILD_ADDRESS.to_owned()),
        ("DOPPLER", "0".to_owned()),
    ]
}

/// The names are those that each client reads, or documents for its users.
fn of(client: Client, access: &Access) -> Vec<Variable> {
    let (id, secret) = access.token();
    let (user, name) = id.split_once('!').unwrap_or((id, ""));
    let address = access.url.trim_start_matches("https://");
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "8006"));
    let api = format!("{}/api2/json", access.url);
    let go_trusts = ("SSL_CERT_FILE", access.ca_file.to_string());
    let python_trusts = ("REQUESTS_CA_BUNDLE", access.ca_file.to_string());
    match client {
        Client::Bpg => {
            let ssh = access.ssh.iter().flat_map(|ssh| {
                [
                    ("PROXMOX_VE_SSH_USERNAME", ssh.user.clone()),
                    (KEY, ssh.identity.to_string()),
                    // No variable of the provider says it.
                    ("TF_VAR_pve_ssh_address", ssh.address.clone()),
                ]
            });
            let endpoint = ("PROXMOX_VE_ENDPOINT", format!("{}/", access.url));
            let token = ("PROXMOX_VE_API_TOKEN", format!("{id}={secret}"));
            [endpoint, token, go_trusts]
                .into_iter()
                .chain(ssh)
                .collect()
        }
        Client::Telmate => vec![
            ("PM_API_URL", api),
            ("PM_API_TOKEN_ID", id.to_owned()),
            ("PM_API_TOKEN_SECRET", secret.to_owned()),
            go_trusts,
        ],
        Client::Packer => vec![
            ("PROXMOX_URL", api),
            ("PROXMOX_USERNAME", id.to_owned()),
            ("PROXMOX_TOKEN", secret.to_owned()),
            go_trusts,
        ],
        Client::Ansible => vec![
            ("PROXMOX_HOST", host.to_owned()),
            ("PROXMOX_PORT", port.to_owned()),
            ("PROXMOX_USER", user.to_owned()),
            ("PROXMOX_TOKEN_ID", name.to_owned()),
            ("PROXMOX_TOKEN_SECRET", secret.to_owned()),
            ("PROXMOX_VALIDATE_CERTS", "true".to_owned()),
            // Of its inventory plugin; of packer's the API's path is in it.
            ("PROXMOX_URL", access.url.clone()),
            python_trusts,
        ],
        Client::Proxmoxer => vec![
            ("PROXMOX_HOST", host.to_owned()),
            ("PROXMOX_PORT", port.to_owned()),
            ("PROXMOX_USER", user.to_owned()),
            ("PROXMOX_TOKEN_NAME", name.to_owned()),
            ("PROXMOX_TOKEN_VALUE", secret.to_owned()),
            python_trusts,
        ],
        Client::All => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::{Admin, SshAccess};
    use super::*;
    use crate::pve::rights::Objects;

    fn access() -> Access {
        Access {
            url: "https://127.0.0.1:8006".to_owned(),
            ca_file: "/w/ca.pem".into(),
            token_id: "hl@pve!hl".to_owned(),
            secret: "1111".to_owned(),
            objects: Objects::default(),
            admin: None,
            ssh: None,
        }
    }

    fn value<'v>(all: &'v [Variable], name: &str) -> Option<&'v str> {
        let mut found = all.iter().filter(|(own, _)| *own == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        first
    }

    #[test]
    fn each_client_has_its_names() {
        let access = access();
        let bpg = variables(&access, &[Client::Bpg]);
        assert_eq!(
            value(&bpg, "PROXMOX_VE_ENDPOINT"),
            Some("https://127.0.0.1:8006/")
        );
        assert_eq!(value(&bpg, "PROXMOX_VE_API_TOKEN"), Some("hl@pve!hl=1111"));
        assert_eq!(value(&bpg, "PVE_NODE"), None);
        let ansible = variables(&access, &[Client::Ansible]);
        assert_eq!(value(&ansible, "PROXMOX_USER"), Some("hl@pve"));
        assert_eq!(value(&ansible, "PROXMOX_TOKEN_ID"), Some("hl"));
        assert_eq!(
            value(&ansible, "PROXMOX_URL"),
            Some("https://127.0.0.1:8006")
        );
        let all = variables(&access, &[Client::All]);
        for name in [
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
            "PM_API_URL",
            "PROXMOX_TOKEN_VALUE",
        ] {
            assert!(value(&all, name).is_some(), "{name}");
        }
        assert_eq!(
            value(&all, "PROXMOX_URL"),
            Some("https://127.0.0.1:8006/api2/json")
        );
    }

    #[test]
    fn nodes_are_reached_with_a_key_and_at_an_address() {
        let mut access = access();
        assert_eq!(value(&variables(&access, &[Client::Bpg]), KEY), None);
        access.ssh = Some(SshAccess {
            user: "root".to_owned(),
            identity: "/w/ssh/id_ed25519".into(),
            address: "127.77.0.1".to_owned(),
        });
        let bpg = variables(&access, &[Client::Bpg]);
        assert_eq!(value(&bpg, KEY), Some("/w/ssh/id_ed25519"));
        assert_eq!(value(&bpg, "TF_VAR_pve_ssh_address"), Some("127.77.0.1"));
    }

    #[test]
    fn an_administrator_is_used_where_there_is_one() {
        let mut access = access();
        access.admin = Some(Admin::invent());
        let lab = variables(&access, &[]);
        assert_eq!(value(&lab, "PM_TOKEN_ID"), Some("root@pam!admin"));
        assert!(value(&lab, "PROXMOX_ROOT_PASSWORD").is_some());
        assert_eq!(lab.last().unwrap().0, "DOPPLER");
        let bpg = variables(&access, &[Client::Bpg]);
        assert!(
            value(&bpg, "PROXMOX_VE_API_TOKEN")
                .unwrap()
                .starts_with("root@pam!admin=")
        );
    }
}
