//! For tests: small platforms.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8PathBuf;

use super::artifact::{Artifact, of_artifacts};
use super::lock::Lock;
use super::pipeline::Pipeline;
use super::render::{Rendered, pipeline_hash};
use crate::lab::Paths;

/// A platform of two files with this text.
pub(super) fn rendered(text: &str) -> Rendered {
    let file = |name: &str| {
        let artifact = Artifact {
            adapter: "a".to_owned(),
            mode: 0o644,
            data: format!("{name} {text}\n").into_bytes(),
        };
        (Utf8PathBuf::from(name), artifact)
    };
    let files: BTreeMap<_, _> = [file("a/x"), file(&format!("a/{text}"))].into();
    let pipeline = Pipeline {
        mode: text.to_owned(),
        ..Pipeline::default()
    };
    let mut lock = Lock::new("production");
    lock.artifacts_hash = of_artifacts(&files);
    lock.pipeline_hash = pipeline_hash(&pipeline).unwrap();
    Rendered {
        files,
        pipeline,
        lock,
    }
}

/// All that is in `platform/` but for what is in between.
pub(super) fn platform_of(paths: &Paths) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![paths.platform()];
    while let Some(dir) = dirs.pop() {
        for entry in dir.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                all.insert(path.into_string(), text);
            }
        }
    }
    all
}
