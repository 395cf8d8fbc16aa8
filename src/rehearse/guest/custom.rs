//! `cicustom`: what a snippet wants of a guest, as cloud-init does it: users with keys,
//! files, packages, commands. What goes wrong is in the guest's log, and it boots.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::boot::Boot;
use super::cloud_init::{self, home_of};
use super::services::Services;

/// The order in which the parts count: the user's word is the last.
const PARTS: [&str; 2] = ["vendor", "user"];
/// The user that an image makes when nobody names another.
const DEFAULT_USER: &str = "debian";
/// What is done here, and what needs no doing.
const KNOWN: &str = "
    bootcmd disable_root final_message fqdn groups hostname manage_etc_hosts package_reboot_if_required
    package_update package_upgrade packages preserve_hostname runcmd ssh_authorized_keys ssh_pwauth
    timezone user users write_files";

/// Names, users, files: before services start.
pub(super) fn prepare(boot: &Boot, services: &Services) {
    for config in configs(boot) {
        let keys = config.as_object().into_iter().flatten().map(|(key, _)| key);
        for key in keys.filter(|key| !KNOWN.split_whitespace().any(|known| known == *key)) {
            warn(&format!("`{key}` of cloud-config is not simulated"));
        }
        note(hostname(&config));
        note(timezone(&config));
        for item in items(&config, "bootcmd") {
            note(command(item, services));
        }
        note(users(&config, boot, services));
        for file in items(&config, "write_files") {
            note(write_file(file, services));
        }
    }
}

/// Packages, commands, scripts: when services run.
pub(super) fn finish(boot: &Boot, services: &Services) {
    for config in configs(boot) {
        note(packages(&config, services));
        for item in items(&config, "runcmd") {
            note(command(item, services));
        }
    }
    for text in PARTS.iter().filter_map(|part| boot.custom.get(*part)) {
        if text.starts_with("#!") {
            note(script(text, services));
        }
    }
}

fn warn(text: &str) {
    writeln!(io::stderr(), "warning: cloud-init: {text}").ok();
}

fn note(result: Result<(), String>) {
    if let Err(error) = result {
        warn(&error);
    }
}

/// The parts that are cloud-config.
fn configs(boot: &Boot) -> Vec<Value> {
    let texts = PARTS.iter().filter_map(|part| boot.custom.get(*part));
    let texts = texts.filter(|text| text.starts_with("#cloud-config"));
    texts
        .filter_map(|text| match serde_saphyr::from_str::<Value>(text) {
            Ok(config) => Some(config),
            Err(error) => {
                warn(&format!("this is no cloud-config: {error}"));
                None
            }
        })
        .collect()
}

fn items<'v>(config: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    config
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'v>(config: &'v Value, key: &str) -> Option<&'v str> {
    config.get(key)?.as_str()
}

/// A list, or words between commas.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

fn hostname(config: &Value) -> Result<(), String> {
    let Some(name) = text(config, "hostname").or_else(|| text(config, "fqdn")) else {
        return Ok(());
    };
    let short = name.split('.').next().unwrap_or(name);
    cloud_init::write("/etc/hostname", &format!("{short}\n"), 0o644)?;
    rustix::system::sethostname(short.as_bytes())
        .map_err(|error| format!("cannot set the hostname: {error}"))
}

fn timezone(config: &Value) -> Result<(), String> {
    let Some(zone) = text(config, "timezone") else {
        return Ok(());
    };
    let file = Path::new("/usr/share/zoneinfo").join(zone.trim_start_matches('/'));
    if !file.is_file() {
        return Err(format!("there is no time zone `{zone}`"));
    }
    let failed = |error: io::Error| format!("cannot set the time zone: {error}");
    fs::remove_file("/etc/localtime").ok();
    symlink(file, "/etc/localtime").map_err(failed)?;
    fs::write("/etc/timezone", format!("{zone}\n")).map_err(failed)
}

fn command(item: &Value, services: &Services) -> Result<(), String> {
    let words = match item.as_str() {
        Some(line) => vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()],
        None => texts(Some(item)),
    };
    let Some((program, args)) = words.split_first() else {
        return Err(format!("this is no command: {item}"));
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    services.children.run(program, &args)
}

fn users(config: &Value, boot: &Boot, services: &Services) -> Result<(), String> {
    let named = config.get("user");
    let name = named.and_then(|user| user.as_str().or_else(|| text(user, "name")));
    let default = name.unwrap_or(DEFAULT_USER);
    let keys = texts(config.get("ssh_authorized_keys"));
    match config.get("users").and_then(Value::as_array) {
        None if keys.is_empty() && named.is_none() => Ok(()),
        None => default_user(default, &keys, boot, services),
        Some(users) => users.iter().try_for_each(|user| {
            if user.as_str() == Some("default") {
                default_user(default, &keys, boot, services)
            } else {
                one_user(user, boot, services)
            }
        }),
    }
}

fn default_user(
    name: &str,
    keys: &[String],
    boot: &Boot,
    services: &Services,
) -> Result<(), String> {
    cloud_init::sudo(boot, services)?;
    cloud_init::account(name, services)?;
    cloud_init::keys(name, keys)
}

fn one_user(user: &Value, boot: &Boot, services: &Services) -> Result<(), String> {
    let Some(name) = user.as_str().or_else(|| text(user, "name")) else {
        return Err(format!("a user has no name: {user}"));
    };
    let groups = texts(user.get("groups"));
    for group in &groups {
        services.children.run("groupadd", &["--force", group])?;
    }
    if home_of(name).is_none() {
        let shell = text(user, "shell").unwrap_or("/bin/bash");
        let args = [
            "--create-home",
            "--user-group",
            "--shell",
            shell,
            "--",
            name,
        ];
        services.children.run("useradd", &args)?;
    }
    if !groups.is_empty() {
        let args = ["--append", "--groups", &groups.join(","), "--", name];
        services.children.run("usermod", &args)?;
    }
    let rules = match user.get("sudo") {
        Some(Value::String(rule)) => vec![rule.clone()],
        other => texts(other),
    };
    if !rules.is_empty() {
        cloud_init::sudo(boot, services)?;
        let mut text = format!("# User rules for {name}\n");
        for rule in rules {
            writeln!(text, "{name} {rule}").ok();
        }
        cloud_init::sudo_rules(&text)?;
    }
    let listed = ["ssh_authorized_keys", "ssh-authorized-keys"];
    let keys: Vec<String> = listed
        .iter()
        .flat_map(|key| texts(user.get(*key)))
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    cloud_init::keys(name, &keys)
}

fn write_file(file: &Value, services: &Services) -> Result<(), String> {
    let Some(path) = text(file, "path") else {
        return Err("a file has no path".to_owned());
    };
    let content = text(file, "content").unwrap_or_default();
    let bytes = match text(file, "encoding") {
        None | Some("text/plain") => content.as_bytes().to_vec(),
        Some("b64" | "base64") => STANDARD
            .decode(content.split_whitespace().collect::<String>())
            .map_err(|error| format!("`{path}`: {error}"))?,
        Some(other) => return Err(format!("`{path}`: the encoding `{other}` is not simulated")),
    };
    let failed = |error: io::Error| format!("cannot write `{path}`: {error}");
    if let Some(dir) = Path::new(path).parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    let append = file.get("append").and_then(Value::as_bool).unwrap_or(false);
    let mut options = OpenOptions::new();
    options.create(true).write(true);
    if append {
        options.append(true);
    } else {
        options.truncate(true);
    }
    let mut opened = options.open(path).map_err(failed)?;
    opened.write_all(&bytes).map_err(failed)?;
    let mode = match file.get("permissions") {
        Some(Value::String(mode)) => u32::from_str_radix(mode.trim_start_matches("0o"), 8).ok(),
        // Without quotes it is a number whose digits are meant.
        Some(Value::Number(mode)) => u32::from_str_radix(&mode.to_string(), 8).ok(),
        _ => None,
    };
    let mode = Permissions::from_mode(mode.unwrap_or(0o644) & 0o7777);
    fs::set_permissions(path, mode).map_err(failed)?;
    match text(file, "owner") {
        None => Ok(()),
        Some(owner) => services.children.run("chown", &["--", owner, path]),
    }
}

fn packages(config: &Value, services: &Services) -> Result<(), String> {
    let wanted: Vec<String> = items(config, "packages")
        // With a version: `[NAME, VERSION]`.
        .filter_map(|item| item.as_str().or_else(|| item.get(0)?.as_str()))
        .map(str::to_owned)
        .collect();
    let update = config.get("package_update").and_then(Value::as_bool);
    if !wanted.is_empty() || update == Some(true) {
        services.children.run("apt-get", &["-q", "update"])?;
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut args = vec!["-q", "-y", "install", "--"];
    args.extend(wanted.iter().map(String::as_str));
    services.children.run("apt-get", &args)
}

fn script(text: &str, services: &Services) -> Result<(), String> {
    let path = "/var/lib/cloud/data/user-script";
    cloud_init::write(path, text, 0o700)?;
    services.children.run(path, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_spellings() {
        let config: Value = serde_saphyr::from_str(
            "#cloud-config\nusers:\n  - default\n  - name: ops\n    groups: sudo, adm\n    sudo: ALL=(ALL) NOPASSWD:ALL\nruncmd:\n  - [sh, -c, 'echo 1']\n  - echo 2\nwrite_files:\n  - path: /x\n    permissions: '0600'\n",
        )
        .unwrap();
        let users: Vec<&Value> = items(&config, "users").collect();
        assert_eq!(users[0], "default");
        assert_eq!(texts(users[1].get("groups")), ["sudo", "adm"]);
        let commands: Vec<&Value> = items(&config, "runcmd").collect();
        assert_eq!(texts(Some(commands[0])), ["sh", "-c", "echo 1"]);
        assert_eq!(commands[1], "echo 2");
        let file = items(&config, "write_files").next().unwrap();
        assert_eq!(text(file, "permissions"), Some("0600"));
    }
}
