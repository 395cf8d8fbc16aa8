//! Archives that containers are unpacked from: `debian-13-standard_13.1-2_amd64.tar.zst`
//! is package, version and architecture.

use std::cmp::Ordering;

/// What a storage that holds archives calls them.
pub(super) const CONTENT: &str = "vztmpl";

/// What a package may be called beside the image's own name.
const KINDS: [&str; 3] = ["-standard", "-default", "-base"];

/// An archive by its file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Archive<'a> {
    file: &'a str,
    package: &'a str,
    version: &'a str,
}

impl<'a> Archive<'a> {
    /// Of a file's name.
    pub(super) fn of(file: &'a str) -> Self {
        let stem = file.split(".tar").next().unwrap_or(file);
        let mut parts = stem.split('_');
        let (package, version) = (parts.next(), parts.next());
        Self {
            file,
            package: package.unwrap_or(stem),
            version: version.unwrap_or_default(),
        }
    }

    /// Of a volume, `local:vztmpl/FILE`.
    pub(super) fn of_volume(volid: &'a str) -> Self {
        Self::of(volid.rsplit('/').next().unwrap_or(volid))
    }

    /// How well it is what `image` means: the file itself, a package of that name, one
    /// of its kinds; none: it is another one. Less is better.
    fn rank(&self, image: &str) -> Option<usize> {
        if self.file == image {
            return Some(0);
        }
        if self.package == image {
            return Some(1);
        }
        let kind = self.package.strip_prefix(image)?;
        Some(2 + KINDS.iter().position(|known| *known == kind)?)
    }
}

/// The best of these for an image: of one rank the newest.
pub(super) fn best<'a, T>(
    image: &str,
    all: &'a [T],
    archive: impl Fn(&'a T) -> Archive<'a>,
) -> Option<&'a T> {
    let ranked = all.iter().filter_map(|item| {
        let archive = archive(item);
        Some((archive.rank(image)?, archive, item))
    });
    let best = ranked.min_by(|a, b| a.0.cmp(&b.0).then_with(|| newer(b.1.version, a.1.version)));
    best.map(|(_, _, item)| item)
}

/// Versions by their numbers: `12.12-1` is newer than `12.7-1`.
fn newer(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    numbers(a).cmp(&numbers(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_the_best_kind_is_meant() {
        let files = [
            "debian-12-standard_12.7-1_amd64.tar.zst",
            "debian-12-standard_12.12-1_amd64.tar.zst",
            "debian-12-turnkey-x_18.1-1_amd64.tar.gz",
            "debian-13-standard_13.1-2_amd64.tar.zst",
            "alpine-3.22-default_20250617_amd64.tar.xz",
            "mine.tar.gz",
        ];
        let chosen = |image: &str| best(image, &files, |file| Archive::of(file)).copied();
        assert_eq!(chosen("debian-12"), Some(files[1]));
        assert_eq!(chosen("debian-12-standard"), Some(files[1]));
        assert_eq!(chosen(files[0]), Some(files[0]));
        assert_eq!(chosen("alpine-3.22"), Some(files[4]));
        assert_eq!(chosen("mine"), Some(files[5]));
        assert_eq!(chosen("debian-1"), None);
        assert_eq!(chosen("debian"), None);
        let volume = Archive::of_volume("local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst");
        assert_eq!(volume, Archive::of(files[0]));
    }
}
