//! How one service's programs are run: its environment, user and directories,
//! as systemd.exec(5) says, as far as a sandbox can follow.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::unit::{Exec, Unit, assignments};

/// Where services' output goes.
pub(super) const LOGS: &str = "/run/hl/log";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A user as `/etc/passwd` has it.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

fn account(wanted: &str) -> Option<Account> {
    fs::read_to_string("/etc/passwd")
        .ok()?
        .lines()
        .find_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, shell] = f.as_slice() else {
                return None;
            };
            (*name == wanted || *uid == wanted).then(|| {
                Some(Account {
                    name: (*name).to_owned(),
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                    home: (*home).to_owned(),
                    shell: (*shell).to_owned(),
                })
            })?
        })
}

fn group(wanted: &str) -> Option<u32> {
    fs::read_to_string("/etc/group")
        .ok()?
        .lines()
        .find_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            (f.first() == Some(&wanted) || f.get(2) == Some(&wanted))
                .then(|| f.get(2)?.parse().ok())?
        })
}

/// The environment of a service. `mark` is its invocation id.
pub(super) fn environment(unit: &Unit, mark: &str) -> Result<BTreeMap<String, String>, String> {
    let mut env: BTreeMap<String, String> = [
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        ("INVOCATION_ID", mark),
        ("SYSTEMD_EXEC_PID", "1"),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .collect();
    if let Some(user) = unit.last("Service", "User")
        && let Some(account) = account(&unit.specifiers(user))
    {
        env.insert("USER".to_owned(), account.name.clone());
        env.insert("LOGNAME".to_owned(), account.name);
        env.insert("HOME".to_owned(), account.home);
        env.insert("SHELL".to_owned(), account.shell);
    }
    for (kind, base) in [
        ("Runtime", "/run"),
        ("State", "/var/lib"),
        ("Logs", "/var/log"),
    ] {
        let names = unit.words("Service", &format!("{kind}Directory"));
        if let Some(first) = names.first() {
            env.insert(
                format!("{}_DIRECTORY", kind.to_uppercase()),
                format!("{base}/{first}"),
            );
        }
    }
    for value in unit.all("Service", "Environment") {
        env.extend(assignments(&unit.specifiers(value)));
    }
    for file in unit.all("Service", "EnvironmentFile") {
        let file = unit.specifiers(file);
        let optional = file.strip_prefix('-');
        match fs::read_to_string(optional.unwrap_or(&file)) {
            Ok(text) => {
                for line in text.lines().map(str::trim) {
                    if let Some((key, _)) = line.split_once('=')
                        && !line.starts_with(['#', ';'])
                    {
                        // One line is one assignment, blanks of the value included.
                        let value = assignments(line);
                        let whole = match value.as_slice() {
                            [(_, value)] => value.clone(),
                            _ => line
                                .split_once('=')
                                .map(|(_, v)| v.trim_matches(['"', '\'']).to_owned())
                                .unwrap_or_default(),
                        };
                        env.insert(key.trim().to_owned(), whole);
                    }
                }
            }
            Err(_) if optional.is_some() => {}
            Err(error) => return Err(format!("cannot read `{file}`: {error}")),
        }
    }
    Ok(env)
}

/// The runtime, state, cache, log and configuration directories of a service.
pub(super) fn directories(unit: &Unit) -> Result<(), String> {
    let owner = unit
        .last("Service", "User")
        .and_then(|u| account(&unit.specifiers(u)))
        .map(|a| (a.uid, gid_of(unit).unwrap_or(a.gid)));
    for (kind, base) in [
        ("Runtime", "/run"),
        ("State", "/var/lib"),
        ("Cache", "/var/cache"),
        ("Logs", "/var/log"),
        ("Configuration", "/etc"),
    ] {
        let mode = unit
            .last("Service", &format!("{kind}DirectoryMode"))
            .and_then(|m| u32::from_str_radix(m, 8).ok())
            .unwrap_or(0o755);
        for name in unit.words("Service", &format!("{kind}Directory")) {
            let name = name.split(':').next().unwrap_or(&name);
            let path = Path::new(base).join(name);
            let existed = path.exists();
            fs::create_dir_all(&path)
                .map_err(|e| format!("cannot create `{}`: {e}", path.display()))?;
            if kind == "Configuration" && existed {
                continue;
            }
            fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(|e| e.to_string())?;
            if let Some((uid, gid)) = owner.filter(|_| kind != "Configuration") {
                chown(&path, Some(uid), Some(gid)).map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(())
}

fn gid_of(unit: &Unit) -> Option<u32> {
    unit.last("Service", "Group")
        .and_then(|g| group(&unit.specifiers(g)))
}

/// Removes the runtime directories when a service has stopped.
pub(super) fn remove_runtime(unit: &Unit) {
    let keep = unit.last("Service", "RuntimeDirectoryPreserve");
    if keep.is_some_and(|k| k == "yes" || k == "true" || k == "1") {
        return;
    }
    for name in unit.words("Service", "RuntimeDirectory") {
        fs::remove_dir_all(Path::new("/run").join(name)).ok();
    }
}

/// The log of a unit, opened for appending.
pub(super) fn log(name: &str) -> Result<File, String> {
    fs::create_dir_all(LOGS).map_err(|e| e.to_string())?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(PathBuf::from(LOGS).join(format!("{name}.log")))
        .map_err(|e| format!("cannot open the log of `{name}`: {e}"))
}

/// The program of one `Exec...=` line, ready to be started.
pub(super) fn command(
    unit: &Unit,
    exec: &Exec,
    env: &BTreeMap<String, String>,
) -> Result<Command, String> {
    let Some((program, args)) = exec.argv.split_first() else {
        return Err(format!("`{}` has an empty command", unit.name));
    };
    let user = unit
        .last("Service", "User")
        .map(|u| unit.specifiers(u))
        .filter(|u| !exec.as_root && u != "root" && u != "0");
    let mut command = if let Some(user) = user {
        let account = account(&user).ok_or_else(|| format!("`{}`: no user `{user}`", unit.name))?;
        let gid = gid_of(unit).unwrap_or(account.gid);
        let mut command = Command::new("/usr/bin/setpriv");
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={gid}"))
            .args(["--init-groups", "--", program]);
        command
    } else {
        let mut command = Command::new(program);
        if let Some(name) = &exec.argv0 {
            command.arg0(name);
        }
        command
    };
    let dir = unit
        .last("Service", "WorkingDirectory")
        .map(|d| unit.specifiers(d));
    let dir = dir.as_deref().map_or("/", |d| d.trim_start_matches('-'));
    let output = log(&unit.name)?;
    let errors = output.try_clone().map_err(|e| e.to_string())?;
    command
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(if Path::new(dir).is_dir() { dir } else { "/" })
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    Ok(command)
}

/// Whether the unit's `Condition...=` lines hold; the first that does not.
pub(super) fn unmet_condition(unit: &Unit) -> Option<String> {
    type Check = fn(&str) -> bool;
    let checks: [(&str, Check); 8] = [
        ("PathExists", |p| Path::new(p).exists()),
        ("PathIsDirectory", |p| Path::new(p).is_dir()),
        ("FileNotEmpty", |p| {
            fs::metadata(p).is_ok_and(|m| m.len() > 0)
        }),
        ("FileIsExecutable", |p| {
            fs::metadata(p).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        }),
        ("DirectoryNotEmpty", |p| {
            fs::read_dir(p).is_ok_and(|mut d| d.next().is_some())
        }),
        ("PathIsSymbolicLink", |p| Path::new(p).is_symlink()),
        ("Capability", has_capability),
        // A guest says that it is a machine of its own.
        ("Virtualization", |v| v != "container"),
    ];
    for (name, check) in checks {
        for kind in ["Condition", "Assert"] {
            for value in unit.all("Unit", &format!("{kind}{name}")) {
                let value = unit.specifiers(value);
                let value = value.trim_start_matches('|');
                let holds = match value.strip_prefix('!') {
                    Some(inverse) => !check(inverse),
                    None => check(value),
                };
                if !holds {
                    return Some(format!("{kind}{name}={value}"));
                }
            }
        }
    }
    None
}

/// Whether programs started here can have a capability; unknown names cannot.
fn has_capability(name: &str) -> bool {
    super::capabilities::by_name(name)
        .is_some_and(|c| rustix::thread::capability_is_in_bounding_set(c).unwrap_or(false))
}
