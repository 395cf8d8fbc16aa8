//! What a template's notes on the node say, so that manifests and pointer can
//! be written again without a build: below the description one line,
//! `hl-template v=1 name=... stamp=... digest=... stable=yes [promotion=N] created=... [image=... url=...]`.
//! While it is built, a machine says `hl-build ...`, and a base `hl-base ...`.

use std::collections::BTreeMap;

use super::manifest::{Manifest, Stamp};
use super::pin::Pin;

const TEMPLATE: &str = "hl-template";
const BUILD: &str = "hl-build";
const BASE: &str = "hl-base";
/// The version of the line that this program writes, and the newest it reads.
const VERSION: u32 = 1;

/// What `hl` wrote into a template's notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    /// One line for people.
    pub description: String,
    /// The template's name.
    pub name: String,
    /// When it was built.
    pub stamp: Stamp,
    /// Of its inputs.
    pub digest: String,
    /// Whether it is the promoted one.
    pub stable: bool,
    /// Number of the promotion on its node that made it stable, from 1: the
    /// history of stable, which rollback follows. Absent when it never was
    /// stable, and when it was rolled back from.
    pub promotion: Option<u32>,
    /// RFC 3339.
    pub created_at: String,
    /// The image it was made of.
    pub image: Option<Pin>,
}

impl Notes {
    /// The notes of a manifest whose promotions are not known.
    pub fn of(manifest: &Manifest, stable: bool) -> Self {
        Self {
            description: manifest.description.clone(),
            name: manifest.name.clone(),
            stamp: manifest.stamp.clone(),
            digest: manifest.inputs_digest.clone(),
            stable,
            promotion: None,
            created_at: manifest.created_at.clone(),
            image: manifest.image.clone(),
        }
    }

    /// The line in a VM's notes; nothing when there is none, or one of a newer
    /// version.
    pub fn parse(text: &str) -> Option<Self> {
        let (words, description) = line(text, TEMPLATE)?;
        let get = |key: &str| words.get(key).copied();
        let version: u32 = get("v")?.parse().ok()?;
        if version > VERSION {
            return None;
        }
        let created_at = get("created")?.to_owned();
        let image = get("image")
            .zip(get("url"))
            .and_then(|(checksum, url)| Pin::from_checksum(url, checksum, &created_at));
        Some(Self {
            description,
            name: get("name")?.to_owned(),
            stamp: Stamp::parse(get("stamp")?)?,
            digest: get("digest")?.to_owned(),
            stable: get("stable") == Some("yes"),
            promotion: get("promotion").and_then(|number| number.parse().ok()),
            created_at,
            image,
        })
    }

    /// As the node keeps it. Without a newline at the end: OpenTofu's provider
    /// would see a difference for ever.
    pub fn render(&self) -> String {
        format!("{}\n\n{}", self.description.trim(), self.line())
    }

    /// The same in place of our line in older notes; what people wrote stays.
    pub fn over(&self, old: &str) -> String {
        if line(old, TEMPLATE).is_none() {
            return self.render();
        }
        let lines: Vec<String> = old
            .trim_end()
            .lines()
            .map(|line| {
                if line.split_whitespace().next() == Some(TEMPLATE) {
                    self.line()
                } else {
                    line.to_owned()
                }
            })
            .collect();
        lines.join("\n")
    }

    fn line(&self) -> String {
        let stable = if self.stable { "yes" } else { "no" };
        let promotion = self
            .promotion
            .map_or_else(String::new, |number| format!(" promotion={number}"));
        let image = self.image.as_ref().map_or_else(String::new, |pin| {
            format!(" image={} url={}", pin.checksum(), pin.url)
        });
        format!(
            "{TEMPLATE} v={VERSION} name={} stamp={} digest={} stable={stable}{promotion} created={}{image}",
            self.name, self.stamp, self.digest, self.created_at
        )
    }
}

/// The notes of a machine while packer builds on it, and until it is proven.
pub fn build(name: &str, stamp: &Stamp) -> String {
    format!("{BUILD} name={name} stamp={stamp}")
}

/// Whether these are the notes of an unfinished build, and of which template.
pub fn is_build(text: &str) -> Option<String> {
    let (words, _) = line(text, BUILD)?;
    words.get("name").map(|name| (*name).to_owned())
}

/// The notes of the machine that packer clones.
pub fn base(name: &str) -> String {
    format!("made by hl for one build, removed after it\n\n{BASE} name={name}")
}

/// Whether these are the notes of a base, and of which template.
pub fn is_base(text: &str) -> Option<String> {
    let (words, _) = line(text, BASE)?;
    words.get("name").map(|name| (*name).to_owned())
}

/// The words `key=value` of the line that begins with `mark`, and the first
/// line of the rest.
fn line<'a>(text: &'a str, mark: &str) -> Option<(BTreeMap<&'a str, &'a str>, String)> {
    let is_ours = |line: &&str| line.split_whitespace().next() == Some(mark);
    let ours = text.lines().find(is_ours)?;
    let words = ours
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let description = text
        .lines()
        .find(|line| !line.trim().is_empty() && !is_ours(line));
    Some((
        words.collect(),
        description.unwrap_or_default().trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notes() -> Notes {
        Notes {
            description: "Debian 13".to_owned(),
            name: "debian-13".to_owned(),
            stamp: Stamp::parse("20260101-120000").unwrap(),
            digest: "ab".to_owned(),
            stable: true,
            promotion: Some(7),
            created_at: "2026-01-01T12:00:00Z".to_owned(),
            image: Pin::from_checksum(
                "https://x/y.qcow2",
                &format!("sha256:{}", "a".repeat(64)),
                "2026-01-01T12:00:00Z",
            ),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(Notes::parse(&notes().render()), Some(notes()));
        let bare = Notes {
            image: None,
            stable: false,
            promotion: None,
            ..notes()
        };
        assert_eq!(Notes::parse(&bare.render()), Some(bare));
        assert!(!notes().render().ends_with('\n'));
    }

    #[test]
    fn what_people_add_does_not_hurt() {
        let text = format!("{}\n\nhands off, Ann\n", notes().render());
        assert_eq!(Notes::parse(&text), Some(notes()));
        let unmarked = Notes {
            stable: false,
            ..notes()
        };
        assert_eq!(
            unmarked.over(&text),
            format!("{}\n\nhands off, Ann", unmarked.render())
        );
        assert_eq!(unmarked.over("rewritten"), unmarked.render());
        let above = notes().render().replace("Debian 13", "my own words");
        assert_eq!(Notes::parse(&above).unwrap().description, "my own words");
    }

    #[test]
    fn others_are_not_ours() {
        for text in [
            "",
            "hl-templates v=1 name=x",
            "see hl-template name=x",
            "hl-template v=2 name=x stamp=20260101-120000 digest=a stable=no created=t",
            "hl-template v=1 name=x stamp=2026 digest=a stable=no created=t",
        ] {
            assert_eq!(Notes::parse(text), None, "{text}");
        }
        let stamp = Stamp::parse("20260101-120000").unwrap();
        assert_eq!(is_build(&build("x", &stamp)).as_deref(), Some("x"));
        assert_eq!(is_base(&base("x")).as_deref(), Some("x"));
        assert_eq!(is_base(&build("x", &stamp)), None);
        assert_eq!(Notes::parse(&build("x", &stamp)), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,80}") {
            let hit = Notes::parse(&format!("hl-template {text}"));
            prop_assert!(hit.is_none() || text.contains("stamp="));
        }
    }
}
