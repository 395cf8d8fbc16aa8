//! `hl serve --systemd`: a unit that runs the controller. Runs that it starts leave its
//! session, so stopping it stops none of them.

use camino::{Utf8Path, Utf8PathBuf};

use super::serve_args::ServeArgs;
use super::session::{Session, usage};
use crate::app::name_of_uid;
use crate::app::serving::PORT;
use crate::diag::{Exit, Failure};

/// What the unit calls its state directory and its own directory in `/etc`.
const NAME: &str = "hl-controller";

pub(super) fn print(session: &Session, args: &ServeArgs) -> Result<(), Failure> {
    if args.repo_token.is_some() {
        return Err(usage("a unit does not hold the repo token")
            .help("put it in a file and name that: `--repo-token-file FILE`"));
    }
    let exe = std::env::current_exe()
        .ok()
        .and_then(|exe| Utf8PathBuf::from_path_buf(exe).ok())
        .ok_or_else(|| Failure::message(Exit::Bug, "cannot tell where this `hl` lies"))?;
    session.data(&unit(session, args, &exe))
}

fn unit(session: &Session, args: &ServeArgs, exe: &Utf8Path) -> String {
    let cwd = &session.caller.cwd;
    let lab = session.lab().ok().map(|lab| lab.paths.root().to_owned());
    let token = args.repo_token_file.as_ref().map_or_else(
        || Utf8PathBuf::from(format!("/etc/{NAME}/repo-token")),
        |file| cwd.join(file),
    );
    let mut words = vec![quoted(exe.as_str()), "serve".to_owned()];
    let mut option = |name: &str, value: &str| words.push(format!("{name} {}", quoted(value)));
    if let Some(lab) = &lab {
        option("--lab", lab.as_str());
    }
    if args.port != PORT {
        option("--port", &args.port.to_string());
    }
    if !args.bind.is_unspecified() {
        option("--bind", &args.bind.to_string());
    }
    for (name, path) in [
        ("--cert", &args.cert),
        ("--key", &args.key),
        ("--cert-dir", &args.cert_dir),
        ("--repos-dir", &args.repos_dir),
    ] {
        if let Some(path) = path {
            option(name, cwd.join(path).as_str());
        }
    }
    for name in &args.exclude {
        option("--exclude", name);
    }
    if args.cert.is_none() && args.cert_dir.is_none() {
        // A specifier of systemd's: the directory that StateDirectory makes.
        words.push(format!("--cert-dir %S/{NAME}"));
    }
    let user = name_of_uid();
    let dir = lab.as_ref().unwrap_or(cwd).as_str().replace('%', "%%");
    let (command, token) = (words.join(" "), token.as_str().replace('%', "%%"));
    format!(
        "\
# /etc/systemd/system/{NAME}.service
[Unit]
Description=hl: specs, repositories and a page for the lab
Wants=network-online.target
After=network-online.target

[Service]
Type=notify-reload
# A reload ends when all repositories are looked through.
TimeoutStartSec=30min
User={user}
WorkingDirectory={dir}
ExecStart={command}
StateDirectory={NAME}
StateDirectoryMode=0700
LoadCredential=repo-token:{token}
# Runs that it started go on when it stops: only the controller is told to.
KillMode=process
SendSIGKILL=no
TimeoutStopSec=30
Restart=on-failure
RestartSec=5
LimitNOFILE=16384

[Install]
WantedBy=multi-user.target
"
    )
}

/// A word of a command line as systemd reads it.
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%$,=+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_systemd() {
        for (word, written) in [
            ("/srv/lab", "/srv/lab"),
            ("/srv/my lab", "\"/srv/my lab\""),
            ("50%", "50%%"),
            ("$HOME", "$$HOME"),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
