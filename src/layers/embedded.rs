//! The shipped lab and its manual inside the binary, for `hl new`. Nothing else
//! reads them: a lab without layers of its own has none.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rust_embed::Embed;

use super::Book;
use super::justfile::justfile;
use super::parse::parse;
use crate::diag::{Exit, Failure, Source};
use crate::lab;

/// `layers/`, without what runs and tools leave there.
#[derive(Embed)]
#[folder = "layers/"]
#[exclude = "**/.terraform/**"]
#[exclude = "**/__pycache__/**"]
#[exclude = "**/packer_cache/**"]
#[exclude = "**/artifacts/**"]
#[exclude = "**/*.tfstate*"]
#[exclude = "**/crash.log"]
struct Layers;

/// `site/`
#[derive(Embed)]
#[folder = "site/"]
struct Site;

/// `scenarios/`
#[derive(Embed)]
#[folder = "scenarios/"]
struct Scenarios;

/// `docs/`: what the files of a lab refer to, without what is for those who
/// change `hl`.
#[derive(Embed)]
#[folder = "docs/"]
#[exclude = "architecture.md"]
#[exclude = "style.md"]
struct Docs;

const HL_TOML: &str = include_str!("../../hl.toml");
const ENV_EXAMPLE: &str = include_str!("../../env.example");
const INSTALL: &str = include_str!("../../scripts/install.sh");

/// What a lab's runs write and nobody commits.
const GITIGNORE: &str = "\
/.env
/.env.*
/site/secrets.yaml
/state/
/platform/.render.*/
/.states/
/.build/
/reports/
/templates/*/artifacts/
/templates/*/spec/
.terraform/
*.tfstate
*.tfstate.*
__pycache__/
crash.log
";

/// The files of a new lab by path, sorted.
pub fn files(name: &str) -> Vec<(Utf8PathBuf, Cow<'static, [u8]>)> {
    let text = |text: String| Cow::Owned(text.into_bytes());
    let mut files: Vec<(Utf8PathBuf, Cow<'static, [u8]>)> = vec![
        ("hl.toml".into(), text(named(name))),
        ("env.example".into(), Cow::Borrowed(ENV_EXAMPLE.as_bytes())),
        (
            "scripts/install.sh".into(),
            Cow::Borrowed(INSTALL.as_bytes()),
        ),
        (".gitignore".into(), Cow::Borrowed(GITIGNORE.as_bytes())),
        ("justfile".into(), text(justfile(&book()))),
    ];
    let layers = Layers::iter().filter_map(|path| Some(("layers", Layers::get(&path)?.data, path)));
    let site = Site::iter().filter_map(|path| Some(("site", Site::get(&path)?.data, path)));
    let docs = Docs::iter().filter_map(|path| Some(("docs", Docs::get(&path)?.data, path)));
    for (folder, data, path) in layers.chain(site).chain(docs) {
        files.push((Utf8Path::new(folder).join(path.as_ref()), data));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// The layers of the shipped lab.
pub fn book() -> Book {
    let mut names: Vec<_> = Layers::iter()
        .filter(|path| path.ends_with("/layer.toml"))
        .collect();
    names.sort();
    let layers = names
        .iter()
        .filter_map(|name| {
            let text = String::from_utf8(Layers::get(name)?.data.into_owned()).ok()?;
            let path = Utf8Path::new("layers").join(name.as_ref());
            let dir = path.parent()?.to_owned();
            Some(parse(Source::new(path, text), &dir).0)
        })
        .collect();
    Book::of(layers)
}

/// The shipped scenarios: name and text, sorted.
pub(super) fn scenarios() -> Vec<(String, String)> {
    let read = |path: Cow<'static, str>| {
        let name = path.strip_suffix(".toml")?.to_owned();
        let text = String::from_utf8(Scenarios::get(&path)?.data.into_owned()).ok()?;
        Some((name, text))
    };
    let mut all: Vec<_> = Scenarios::iter().filter_map(read).collect();
    all.sort();
    all
}

/// Writes a new lab into `dir`, which does not exist or is empty; gives the
/// paths written. Anything else is [`Exit::CannotWrite`].
pub fn write(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    match dir.read_dir_utf8() {
        Ok(mut entries) => {
            if let Some(Ok(entry)) = entries.next() {
                return Err(Failure::message(
                    Exit::CannotWrite,
                    format!("`{dir}` is not empty: it holds `{}`", entry.file_name()),
                )
                .help("name a directory that does not exist or is empty"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            return Err(Failure::message(
                Exit::CannotWrite,
                format!("cannot make a lab in `{dir}`: {error}"),
            ));
        }
    }
    lab::create_dir(dir)?;
    let real = dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned());
    let mut written = Vec::new();
    for (path, data) in files(real.file_name().unwrap_or_default()) {
        let target = dir.join(&path);
        if let Some(above) = target.parent() {
            lab::create_dir(above)?;
        }
        let cannot = |error: std::io::Error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write `{target}`: {error}"),
            )
        };
        fs::write(&target, &data).map_err(cannot)?;
        if data.starts_with(b"#!") {
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).map_err(cannot)?;
        }
        written.push(path);
    }
    Ok(written)
}

/// `hl.toml` with the lab's name, where that is a plain word.
fn named(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return HL_TOML.to_owned();
    }
    HL_TOML.replacen("name = \"homelab\"", &format!("name = \"{name}\""), 1)
}
