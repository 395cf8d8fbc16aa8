//! What a template is made of, in one number: SHA-256 over the names, modes and
//! contents of its files and the pin of its image.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use sha2::{Digest, Sha256};

use super::pin::Pin;
use super::source::Template;
use crate::base::hex;

/// The digest, hex.
///
/// # Errors
/// A file cannot be read.
pub fn inputs_digest(template: &Template, pin: Option<&Pin>) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // Lengths keep `ab` + `c` apart from `a` + `bc`.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    };
    for (name, path) in template.files()? {
        let executable = fs::metadata(&path)?.permissions().mode() & 0o100 != 0;
        add(name.as_bytes());
        add(&[u8::from(executable)]);
        add(&fs::read(&path)?);
    }
    if let Some(pin) = pin {
        add(pin.checksum().as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Paths;
    use camino::Utf8Path;

    #[test]
    fn every_input_counts_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let folder = root.join("layers/l1-templates/x");
        fs::create_dir_all(&folder).unwrap();
        let toml = "description='x'\nguest_user='u'\n[iso]\nname='i'\n[machine]\ncores=1\nmemory=1\ndisk='1G'\n";
        fs::write(folder.join("template.toml"), toml).unwrap();
        fs::write(folder.join("a.sh"), "a").unwrap();
        let template = Template::read(&Paths::live(root), "x").unwrap();
        let pin = Pin::simulated("https://x/y");
        let digest = |pin| inputs_digest(&template, pin).unwrap();
        let before = digest(None);
        assert_eq!(before.len(), 64);
        assert_eq!(digest(None), before);
        assert_ne!(digest(Some(&pin)), before);
        fs::write(folder.join(".a.sh.swp"), "editor").unwrap();
        assert_eq!(digest(None), before);
        fs::set_permissions(folder.join("a.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        let executable = digest(None);
        assert_ne!(executable, before);
        fs::write(folder.join("a.sh"), "b").unwrap();
        assert_ne!(digest(None), executable);
        fs::write(folder.join("new"), "").unwrap();
        assert_ne!(digest(None), before);
    }
}
