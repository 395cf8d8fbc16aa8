//! What a lab says of its templates and ISOs: `layers/l1-templates/NAME/template.toml`
//! and `layers/l1-templates/isos/NAME.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::lab::Paths;

/// The folder of L1, relative to the lab's layers.
const FOLDER: &str = "l1-templates";
/// The file that makes a folder a template.
const FILE: &str = "template.toml";
/// The folder of ISO definitions.
const ISOS: &str = "isos";

/// `template.toml`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// One line for people; the first line of the template's notes.
    pub description: String,
    /// User that packer logs in as; cloud-init makes it.
    pub guest_user: String,
    /// Folder of the packer files, relative to the template's; its own when absent.
    #[serde(default)]
    pub packer: Option<String>,
    /// Made from a vendor's cloud image.
    #[serde(default)]
    pub image: Option<ImageSpec>,
    /// Or from an installer.
    #[serde(default)]
    pub iso: Option<IsoUse>,
    /// The machine that is built on.
    pub machine: MachineSpec,
}

/// `[image]`: where the cloud image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// `https://...`; a `*` in the last part stands for what the sums file names.
    pub url: String,
    /// The vendor's list of checksums, `https://...`.
    pub sums: String,
    /// Name on the node; ends in `.qcow2`, `.raw` or `.vmdk`.
    pub stored_as: String,
}

/// `[iso]`: which installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsoUse {
    /// Name of an ISO definition.
    pub name: String,
}

/// `[machine]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineSpec {
    /// Cores.
    pub cores: u32,
    /// In MB.
    pub memory: u32,
    /// Size of the template's disk: `6G`. Clones can be larger, never smaller.
    pub disk: String,
}

/// `isos/NAME.toml`: `url` and `sums`, or `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsoSpec {
    /// One line for people.
    pub description: String,
    /// `https://...`; a `*` in the last part stands for what the sums file names.
    #[serde(default)]
    pub url: Option<String>,
    /// The vendor's list of checksums, `https://...`.
    #[serde(default)]
    pub sums: Option<String>,
    /// A local file instead, relative to the lab.
    #[serde(default)]
    pub file: Option<String>,
    /// What its checksum must be: `sha256:...` or `sha512:...`.
    #[serde(default)]
    pub checksum: Option<String>,
    /// Name on the node; ends in `.iso`.
    pub stored_as: String,
}

/// A template of the lab.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name: that of its folder.
    pub name: String,
    /// Its folder.
    pub dir: Utf8PathBuf,
    /// What `template.toml` says.
    pub spec: TemplateSpec,
}

/// An ISO of the lab.
#[derive(Debug, Clone)]
pub struct Iso {
    /// Its name: that of its file.
    pub name: String,
    /// What the file says.
    pub spec: IsoSpec,
}

/// Names of the lab's templates, sorted.
pub fn templates(paths: &Paths) -> Vec<String> {
    let mut names = entries(&folder(paths), |path| {
        path.join(FILE).is_file().then(|| path.file_name())?
    });
    names.sort();
    names
}

/// Names of the lab's ISOs, sorted.
pub fn isos(paths: &Paths) -> Vec<String> {
    let mut names = entries(&folder(paths).join(ISOS), |path| {
        (path.extension() == Some("toml")).then(|| path.file_stem())?
    });
    names.sort();
    names
}

impl Template {
    /// Reads a template of the lab.
    ///
    /// # Errors
    /// There is none of that name (66), or its file is invalid (65).
    pub fn read(paths: &Paths, name: &str) -> Result<Self, Failure> {
        let known = templates(paths);
        is_known("template", name, &known)?;
        let dir = folder(paths).join(name);
        let (source, spec) = parse::<TemplateSpec>(paths, &dir.join(FILE))?;
        let wrong = |message: &str| {
            Failure::message(Exit::Definition, format!("`{}`: {message}", source.path))
        };
        if spec.image.is_some() == spec.iso.is_some() {
            return Err(wrong("expected either `[image]` or `[iso]`"));
        }
        if let Some(image) = &spec.image {
            https(&image.url).map_err(|why| wrong(&why))?;
            https(&image.sums).map_err(|why| wrong(&why))?;
            stored(&image.stored_as, &[".qcow2", ".raw", ".vmdk"]).map_err(|why| wrong(&why))?;
        }
        if !is_size(&spec.machine.disk) {
            return Err(wrong(&format!(
                "`disk` cannot be `{}`, expected a size such as `6G`",
                spec.machine.disk
            )));
        }
        let template = Self {
            name: name.to_owned(),
            dir,
            spec,
        };
        if !template.packer_dir().is_dir() {
            let shown = paths.show(&template.packer_dir());
            return Err(wrong(&format!("there is no folder `{shown}`")));
        }
        Ok(template)
    }

    /// The folder that its packer files are in.
    pub fn packer_dir(&self) -> Utf8PathBuf {
        let mut dir = self.dir.clone();
        for part in Utf8Path::new(self.spec.packer.as_deref().unwrap_or(".")).components() {
            match part.as_str() {
                "." => {}
                ".." => {
                    dir.pop();
                }
                part => dir.push(part),
            }
        }
        dir
    }

    /// All files that make the template, by their name in packer's working
    /// directory: those of the packer folder, and over them the template's own.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn files(&self) -> std::io::Result<BTreeMap<String, Utf8PathBuf>> {
        let mut files = BTreeMap::new();
        walk(&self.packer_dir(), "", &mut files)?;
        walk(&self.dir, "", &mut files)?;
        Ok(files)
    }
}

impl Iso {
    /// Reads an ISO definition of the lab.
    ///
    /// # Errors
    /// There is none of that name (66), or its file is invalid (65).
    pub fn read(paths: &Paths, name: &str) -> Result<Self, Failure> {
        is_known("ISO", name, &isos(paths))?;
        let file = folder(paths).join(ISOS).join(format!("{name}.toml"));
        let (source, spec) = parse::<IsoSpec>(paths, &file)?;
        let wrong = |message: &str| {
            Failure::message(Exit::Definition, format!("`{}`: {message}", source.path))
        };
        match (&spec.url, &spec.sums, &spec.file) {
            (Some(url), Some(sums), None) => {
                https(url).map_err(|why| wrong(&why))?;
                https(sums).map_err(|why| wrong(&why))?;
            }
            (None, None, Some(_)) => {}
            _ => return Err(wrong("expected either `url` and `sums`, or `file`")),
        }
        stored(&spec.stored_as, &[".iso"]).map_err(|why| wrong(&why))?;
        Ok(Self {
            name: name.to_owned(),
            spec,
        })
    }
}

fn folder(paths: &Paths) -> Utf8PathBuf {
    paths.layers().join(FOLDER)
}

fn entries(dir: &Utf8Path, name: impl Fn(&Utf8Path) -> Option<&str>) -> Vec<String> {
    let Ok(entries) = dir.read_dir_utf8() else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| name(entry.path()).map(str::to_owned))
        .collect()
}

fn is_known(what: &str, name: &str, known: &[String]) -> Result<(), Failure> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let failure = Failure::message(Exit::Unknown, format!("there is no {what} `{name}`"));
    Err(match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(help) => failure.help(help),
        None => failure.help(format!("add it to `layers/{FOLDER}`")),
    })
}

/// Reads a file as `T`, with the place of what is wrong.
fn parse<T: DeserializeOwned>(paths: &Paths, file: &Utf8Path) -> Result<(Source, T), Failure> {
    let shown = paths.show(file);
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::message(Exit::Definition, format!("cannot read `{shown}`: {error}"))
    })?;
    let source = Source::new(shown, text);
    match toml::from_str(&source.text) {
        Ok(spec) => Ok((source, spec)),
        Err(error) => Err(Failure::new(Exit::Definition, finding(&source, &error))),
    }
}

fn finding(source: &Source, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim_end_matches('.').to_owned();
    let place = source.at(error.span().unwrap_or(0..0), "");
    // serde's words: unknown field `x`, expected one of `a`, `b`
    let mut words = message.split('`').skip(1).step_by(2);
    let help = match (message.starts_with("unknown field"), words.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, words),
        _ => None,
    };
    let finding = Diagnostic::error(message.clone()).at(place);
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn https(url: &str) -> Result<(), String> {
    match url.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ => Err(format!("`{url}` is not an https URL")),
    }
}

fn stored(name: &str, endings: &[&str]) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.chars().all(plain)
        && endings.iter().any(|ending| {
            name.strip_suffix(ending)
                .is_some_and(|stem| !stem.is_empty())
        })
    {
        return Ok(());
    }
    Err(format!(
        "`stored_as` cannot be `{name}`, expected letters, digits, `.`, `_`, `-` and an ending of {}",
        endings.join(", ")
    ))
}

/// `6G`, `6144M`
fn is_size(text: &str) -> bool {
    text.strip_suffix(['M', 'G', 'T'])
        .and_then(|number| number.parse::<u32>().ok())
        .is_some_and(|number| number > 0)
}

fn walk(
    dir: &Utf8Path,
    prefix: &str,
    files: &mut BTreeMap<String, Utf8PathBuf>,
) -> std::io::Result<()> {
    let entries = match dir.read_dir_utf8() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        // What editors, packer and Finder leave behind.
        if name.starts_with('.')
            || name.ends_with('~')
            || ["crash.log", "packer_cache"].contains(&name)
        {
            continue;
        }
        let key = format!("{prefix}{name}");
        if entry.path().is_dir() {
            walk(entry.path(), &format!("{key}/"), files)?;
        } else {
            files.insert(key, entry.path().to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
description = "x"
guest_user = "debian"
packer = "../shared"
[image]
url = "https://vendor.example/x-*.qcow2"
sums = "https://vendor.example/SHA512SUMS"
stored_as = "x.qcow2"
[machine]
cores = 1
memory = 512
disk = "4G"
"#;

    fn lab(text: &str) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let layer = root.join("layers/l1-templates");
        for (file, text) in [
            ("x/template.toml", text),
            ("x/own.sh", "own"),
            ("x/crash.log", "no"),
            ("shared/build.pkr.hcl", "hcl"),
            ("shared/own.sh", "theirs"),
            ("shared/scripts/a.sh", "a"),
            ("shared/.hidden", "no"),
        ] {
            let path = layer.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let paths = Paths::live(root);
        (dir, paths)
    }

    #[test]
    fn a_template_is_its_packer_folder_and_its_own_over_it() {
        let (_guard, paths) = lab(GOOD);
        assert_eq!(templates(&paths), ["x"]);
        let template = Template::read(&paths, "x").unwrap();
        let files = template.files().unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["build.pkr.hcl", "own.sh", "scripts/a.sh", "template.toml"]
        );
        assert!(files["own.sh"].ends_with("x/own.sh"));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_closest() {
        let (_guard, paths) = lab(GOOD);
        let failure = Template::read(&paths, "y").unwrap_err();
        assert_eq!(failure.exit, Exit::Unknown);
        assert!(!failure.diagnostics[0].help.is_empty());
        assert_eq!(Iso::read(&paths, "y").unwrap_err().exit, Exit::Unknown);
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_suggestion() {
        let (_guard, paths) = lab(&GOOD.replace("guest_user", "guest_usr"));
        let failure = Template::read(&paths, "x").unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let finding = &failure.diagnostics[0];
        assert_eq!(finding.place.as_ref().unwrap().line_column().0, 3);
        assert_eq!(
            finding.help,
            [crate::diag::say("did you mean `guest_user`?")]
        );
        for (from, to, why) in [
            (
                "https://vendor.example/x",
                "http://vendor.example/x",
                "not an https URL",
            ),
            (
                "x.qcow2\"\n[m",
                "x.img\"\n[m",
                "`stored_as` cannot be `x.img`",
            ),
            ("x.qcow2\"\n[m", "../x.qcow2\"\n[m", "`stored_as` cannot be"),
            ("4G", "4", "expected a size such as"),
            ("../shared", "../nowhere", "there is no folder"),
        ] {
            let (_guard, paths) = lab(&GOOD.replace(from, to));
            let failure = Template::read(&paths, "x").unwrap_err();
            assert_eq!(failure.exit, Exit::Definition);
            assert!(failure.to_string().contains(why), "{failure}");
        }
    }

    #[test]
    fn the_shipped_ones_can_be_read() {
        let paths = Paths::live(env!("CARGO_MANIFEST_DIR"));
        let names = templates(&paths);
        assert_eq!(names, ["debian-13", "debian-13-installer", "ubuntu-24.04"]);
        for name in names {
            let template = Template::read(&paths, &name).unwrap();
            if let Some(iso) = template.spec.iso {
                Iso::read(&paths, &iso.name).unwrap();
            }
        }
        assert_eq!(isos(&paths), ["debian-13-netinst"]);
    }
}
