//! The own system of a node: what it has more than a guest. Its `qm`, `pvesm` and so on
//! ask the simulator at a socket that knows this node of this world.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::boot;
use super::init::BOOT_ID;
use super::own_world::{self, Wish};
use super::skeleton::{copy, write};
use hl_sim::{ANSWER_LIMIT, CommandReply, CommandRequest, GuestSpec, PROGRAMS};

/// Where a node finds the simulator.
pub(super) const SOCKET: &str = "/run/hl/node.sock";
/// The option of `qm` that names a file of the node with public keys.
const KEY_FILES: [&str; 2] = ["--sshkeys", "-sshkeys"];

/// Adds it to a new disk: programs, the host key that others know already, and the
/// identity with which the first start finds that key right.
pub(super) fn install(disk: &Path, node: &GuestSpec, host_key: &Path) -> Result<(), String> {
    for (name, path) in PROGRAMS {
        let below = path.trim_start_matches("/usr/");
        let text = format!("#!/bin/sh\nexec /run/hl/hl __node {name} \"$@\"\n");
        write(&disk.join("usr-upper").join(below), 0o755, &text)?;
    }
    for end in ["", ".pub"] {
        let mut from = host_key.as_os_str().to_owned();
        from.push(end);
        let name = format!("etc/ssh/ssh_host_ed25519_key{end}");
        copy(Path::new(&from), &disk.join(name))?;
    }
    let instance = boot::instance(node.vmid, &boot::hostname(node));
    write(
        &disk.join("var/lib/cloud/data/instance-id"),
        0o644,
        &format!("{instance}\n"),
    )
}

/// `hl __node PROGRAM ARGS...`
pub(in crate::rehearse) fn main(args: &[OsString]) -> ExitCode {
    let words = args.iter().map(|a| a.to_string_lossy().into_owned());
    let cwd = std::env::current_dir().unwrap_or_default();
    let cwd = cwd.to_string_lossy().into_owned();
    let reply = with_keys(words.collect()).and_then(|argv| ask(&CommandRequest { argv, cwd }));
    let reply = reply.unwrap_or_else(CommandReply::failed);
    io::stdout().write_all(reply.out.as_bytes()).ok();
    io::stderr().write_all(reply.err.as_bytes()).ok();
    ExitCode::from(reply.code)
}

fn ask(request: &CommandRequest) -> Result<CommandReply, String> {
    let gone = |error: io::Error| format!("ipcc_send_rec failed: {error}");
    let own = Path::new(own_world::DIR).join(own_world::COMMANDS);
    let mut stream = UnixStream::connect(SOCKET)
        .or_else(|_| UnixStream::connect(own))
        .map_err(gone)?;
    let text = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    // One that is refused is told so before all is read.
    stream.write_all(&text).ok();
    stream.shutdown(Shutdown::Write).ok();
    let most = u64::try_from(ANSWER_LIMIT).unwrap_or(u64::MAX);
    let mut reply = Vec::new();
    stream.take(most).read_to_end(&mut reply).map_err(gone)?;
    serde_json::from_slice(&reply).map_err(|error| format!("no answer: {error}"))
}

/// Where the version of `pve-manager` stands, and which it is.
const MANAGER: &str = "/usr/share/hl-stand-ins/pve-manager";
/// The end of a rehearsal without guests that have a network each.
const NO_WORLD: &str = "guests share one network here (this kernel has no veth pairs), so none \
    of them can be a Proxmox VE";

/// `hl __node-world`, what `pve-cluster` of a guest runs: asks for the world of the node.
pub(in crate::rehearse) fn wish_main() -> ExitCode {
    match wish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "pve-cluster: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn wish() -> Result<(), String> {
    let read = |path: &str| {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| format!("cannot read `{path}`: {error}"))?;
        Ok::<_, String>(text.trim().to_owned())
    };
    let wish = Wish {
        node: read("/proc/sys/kernel/hostname")?,
        // Its package may come after that of this unit.
        version: read(MANAGER).or_else(|_| release())?,
        boot: read(BOOT_ID)?,
    };
    let socket = Path::new(own_world::DIR).join(own_world::WISH);
    if !socket.exists() {
        return Err(NO_WORLD.to_owned());
    }
    let failed = |error: io::Error| format!("nobody answers: {error}");
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let text = serde_json::to_vec(&wish).map_err(|error| error.to_string())?;
    stream.write_all(&text).map_err(failed)?;
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    let mut said = String::new();
    stream.read_to_string(&mut said).map_err(failed)?;
    if said.is_empty() { Ok(()) } else { Err(said) }
}

/// The Proxmox VE that belongs to this Debian.
fn release() -> Result<String, String> {
    let text = fs::read_to_string("/etc/os-release").map_err(|error| error.to_string())?;
    let debian = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_ID="));
    match debian.map(|id| id.trim_matches('"')) {
        Some("12") => Ok("8".to_owned()),
        Some("13") => Ok("9".to_owned()),
        other => Err(format!("there is no Proxmox VE for Debian {other:?}")),
    }
}

/// Puts the keys themselves where a file with them is named, as a config holds them.
fn with_keys(mut argv: Vec<String>) -> Result<Vec<String>, String> {
    let encoded = |path: &str| {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| format!("can't open '{path}' - {error}"))?;
        Ok::<_, String>(utf8_percent_encode(text.trim_end(), NON_ALPHANUMERIC).to_string())
    };
    if argv.first().is_none_or(|program| program != "qm") {
        return Ok(argv);
    }
    let mut is_file = false;
    for word in &mut argv {
        if is_file {
            *word = encoded(word)?;
        } else if let Some((name, path)) = word.split_once('=')
            && KEY_FILES.contains(&name)
        {
            *word = format!("{name}={}", encoded(path)?);
            continue;
        }
        is_file = KEY_FILES.contains(&word.as_str());
    }
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_where_their_file_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        fs::write(&file, "ssh-ed25519 AA me\n").unwrap();
        let file = file.to_str().unwrap();
        let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let told = with_keys(words(format!("qm set 100 --sshkeys {file} --name x"))).unwrap();
        assert_eq!(told[4], "ssh%2Ded25519%20AA%20me");
        let told = with_keys(words(format!("qm set 100 -sshkeys={file}"))).unwrap();
        assert_eq!(told[3], "-sshkeys=ssh%2Ded25519%20AA%20me");
        assert!(with_keys(words("qm set 100 --sshkeys /no/such".to_owned())).is_err());
        let other = words("pvesh get /version --sshkeys x".to_owned());
        assert_eq!(with_keys(other.clone()).unwrap(), other);
    }
}
