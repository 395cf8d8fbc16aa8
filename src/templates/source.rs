//! What a lab says of its templates and ISOs: `NAME/template.toml` and
//! `isos/NAME.toml` in the folder of the layer that has any.

use std::collections::BTreeMap;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::table;
use crate::base::if_there;
use crate::diag::{Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::lab::Paths;
use crate::shape::{self, Node};

/// The file that makes a folder a template.
const FILE: &str = "template.toml";
/// The folder of ISO definitions.
const ISOS: &str = "isos";

/// `template.toml`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// One line for people; the first line of the template's notes.
    pub description: String,
    /// User that packer logs in as; cloud-init makes it.
    pub guest_user: String,
    /// Folder of the packer files, relative to the template's; its own when absent.
    pub packer: Option<String>,
    /// Made from a vendor's cloud image.
    pub image: Option<ImageSpec>,
    /// Or from an installer.
    pub iso: Option<IsoUse>,
    /// The machine that is built on.
    pub machine: MachineSpec,
}

/// `[image]`: where the cloud image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsoUse {
    /// Name of an ISO definition.
    pub name: String,
}

/// `[machine]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsoSpec {
    /// One line for people.
    pub description: String,
    /// `https://...`; a `*` in the last part stands for what the sums file names.
    pub url: Option<String>,
    /// The vendor's list of checksums, `https://...`.
    pub sums: Option<String>,
    /// A local file instead, relative to the lab.
    pub file: Option<String>,
    /// What its checksum must be: `sha256:...` or `sha512:...`.
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
    templates_in(&folder(paths))
}

/// Names of the lab's ISOs, sorted.
pub fn isos(paths: &Paths) -> Vec<String> {
    entries(&folder(paths).join(ISOS), |path| {
        (path.extension() == Some("toml")).then(|| path.file_stem())?
    })
}

impl Template {
    /// Reads a template of the lab.
    ///
    /// # Errors
    /// There is none of that name (66), or its file is invalid (65).
    pub fn read(paths: &Paths, name: &str) -> Result<Self, Failure> {
        is_known(paths, "template", name, &templates(paths))?;
        let dir = folder(paths).join(name);
        let source = open(paths, &dir.join(FILE))?;
        let spec = shape::read(&source, &table::TEMPLATE, |root, findings| {
            let iso = root.map().and_then(|map| map.entry("iso"));
            let wrong = match (root.get("image"), iso) {
                (Some(_), Some(iso)) => Some(("both", iso.key_mark)),
                (None, None) => Some(("neither", root.mark)),
                _ => None,
            };
            if let Some((which, mark)) = wrong {
                let message =
                    format!("`{FILE}` has {which} of `[image]` and `[iso]`, expected one of them");
                findings.push(Diagnostic::error(message).at(mark.place(&source, "")));
            }
            let packer = root.get("packer");
            let folder = packer_dir(&dir, packer.and_then(Node::text));
            if !folder.is_dir() {
                let wrong =
                    Diagnostic::error(format!("there is no folder `{}`", paths.show(&folder)));
                let mark = packer.map_or(root.mark, |packer| packer.mark);
                findings.push(wrong.at(mark.place(&source, "")));
            }
        })?;
        Ok(Self {
            name: name.to_owned(),
            dir,
            spec,
        })
    }

    /// The folder that its packer files are in.
    pub fn packer_dir(&self) -> Utf8PathBuf {
        packer_dir(&self.dir, self.spec.packer.as_deref())
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
        is_known(paths, "ISO", name, &isos(paths))?;
        let file = folder(paths).join(ISOS).join(format!("{name}.toml"));
        let source = open(paths, &file)?;
        let spec = shape::read(&source, &table::ISO, |root, findings| {
            let given = ["url", "sums", "file"].map(|key| root.get(key));
            if !matches!(given, [Some(_), Some(_), None] | [None, None, Some(_)]) {
                let wrong = Diagnostic::error("expected either `url` and `sums`, or `file`");
                let first = given.into_iter().flatten().next().unwrap_or(root);
                findings.push(wrong.at(first.mark.place(&source, "")));
            }
        })?;
        Ok(Self {
            name: name.to_owned(),
            spec,
        })
    }
}

fn packer_dir(dir: &Utf8Path, packer: Option<&str>) -> Utf8PathBuf {
    let mut dir = dir.to_owned();
    for part in Utf8Path::new(packer.unwrap_or(".")).components() {
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

/// The folder of the layer that defines templates or ISOs.
fn folder(paths: &Paths) -> Utf8PathBuf {
    let layers = paths.layers();
    let folders = entries(&layers, Utf8Path::file_name);
    let defines = |dir: &Utf8PathBuf| dir.join(ISOS).is_dir() || !templates_in(dir).is_empty();
    let mut folders = folders.iter().map(|name| layers.join(name));
    folders.find(defines).unwrap_or_else(|| layers.clone())
}

fn templates_in(folder: &Utf8Path) -> Vec<String> {
    entries(folder, |path| {
        path.join(FILE).is_file().then(|| path.file_name())?
    })
}

/// Names that entries of a directory stand for, sorted.
fn entries(dir: &Utf8Path, name: impl Fn(&Utf8Path) -> Option<&str>) -> Vec<String> {
    let Ok(entries) = dir.read_dir_utf8() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| name(entry.path()).map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn is_known(paths: &Paths, what: &str, name: &str, known: &[String]) -> Result<(), Failure> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let failure = Failure::message(Exit::Unknown, format!("there is no {what} `{name}`"));
    Err(match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(help) => failure.help(help),
        None => failure.help(format!("add it to `{}`", paths.show(&folder(paths)))),
    })
}

fn open(paths: &Paths, file: &Utf8Path) -> Result<Source, Failure> {
    let shown = paths.show(file);
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::message(Exit::Definition, format!("cannot read `{shown}`: {error}"))
    })?;
    Ok(Source::new(shown, text))
}

fn walk(
    dir: &Utf8Path,
    prefix: &str,
    files: &mut BTreeMap<String, Utf8PathBuf>,
) -> std::io::Result<()> {
    for entry in if_there(dir.read_dir_utf8())?.into_iter().flatten() {
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

    fn faults(failure: &Failure) -> Vec<((usize, usize), &str)> {
        assert_eq!(failure.exit, Exit::Definition);
        let place = |finding: &Diagnostic| finding.place.as_ref().unwrap().line_column();
        let faults = failure.diagnostics.iter();
        faults
            .map(|finding| (place(finding), finding.message.as_str()))
            .collect()
    }

    #[test]
    fn all_that_is_wrong_with_a_template_is_told_at_once() {
        let text = "description = 3\npacker = \"../nowhere\"\n[image]\nurl = \"http://x\"\n\
                    stored_as = \"x.img\"\n[iso]\nnmae = \"x\"\n[machine]\ncores = 0\nmemory = \"1G\"\ndisk = \"4\"\n";
        let (_guard, paths) = lab(text);
        assert_eq!(
            faults(&Template::read(&paths, "x").unwrap_err()),
            [
                ((1, 1), "`template.toml` has no `guest_user`"),
                ((1, 15), "`description` is a number, expected text"),
                ((2, 10), "there is no folder `layers/l1-templates/nowhere`"),
                ((3, 1), "`[image]` has no `sums`"),
                ((4, 7), "`url` `http://x` is not an https URL"),
                (
                    (5, 13),
                    "`stored_as` cannot be `x.img`, expected letters, digits, `.`, `_`, `-` and an ending of .qcow2, .raw, .vmdk"
                ),
                (
                    (6, 2),
                    "`template.toml` has both of `[image]` and `[iso]`, expected one of them"
                ),
                ((7, 1), "unknown key `nmae`"),
                ((9, 9), "`cores` is 0, expected 1 to 512"),
                ((10, 10), "`memory` is text, expected a whole number"),
                (
                    (11, 8),
                    "`disk` cannot be `4`, expected a size such as `6G`"
                ),
            ]
        );
        let (_guard, paths) = lab("description = \"x\"\nguest_user = \" \"\n[machine\n");
        let failure = Template::read(&paths, "x").unwrap_err();
        assert_eq!(failure.diagnostics.len(), 1, "{failure}");
        assert_eq!(faults(&failure)[0].0.0, 3);
    }

    #[test]
    fn all_that_is_wrong_with_an_iso_is_told_at_once() {
        let (_guard, paths) = lab(GOOD);
        let file = folder(&paths).join(ISOS).join("own.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(
            &file,
            "url = \"ftp://x\"\nfile = true\nstored = \"x.iso\"\n",
        )
        .unwrap();
        assert_eq!(
            faults(&Iso::read(&paths, "own").unwrap_err()),
            [
                ((1, 1), "an ISO definition has no `description`"),
                ((1, 7), "`url` `ftp://x` is not an https URL"),
                ((1, 7), "expected either `url` and `sums`, or `file`"),
                ((2, 8), "`file` is true or false, expected text"),
                ((3, 1), "unknown key `stored`"),
            ]
        );
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
