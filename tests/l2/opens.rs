//! How often the files of a lab are opened.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};

use super::stage::{Stage, sealed};

/// Counts opens of `files` while `work` is done.
fn opens<'f>(files: &[&'f Path], work: impl FnOnce()) -> BTreeMap<&'f Path, usize> {
    let notices = init(CreateFlags::NONBLOCK).unwrap();
    let watches: BTreeMap<i32, &Path> = files
        .iter()
        .map(|file| (add_watch(&notices, *file, WatchFlags::OPEN).unwrap(), *file))
        .collect();
    work();
    let mut counts: BTreeMap<&Path, usize> = files.iter().map(|file| (*file, 0)).collect();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(&notices, &mut buffer);
    // It ends with EAGAIN, when all has been read.
    while let Ok(event) = reader.next() {
        *counts.get_mut(watches[&event.wd()]).unwrap() += 1;
    }
    counts
}

#[test]
fn a_recipe_reads_each_definition_once() {
    if !sealed("opens::a_recipe_reads_each_definition_once", "tofu") {
        return;
    }
    let stage = Stage::new();
    stage.lab.write("config/settings.env", "dry_run=false\n");
    stage.lab.write(".env", "SOMETHING=1\n");
    let files: Vec<_> = ["hl.toml", ".env", "config/settings.env"]
        .into_iter()
        .map(|name| stage.lab.path(name))
        .chain(
            std::fs::read_dir(stage.lab.path("layers"))
                .unwrap()
                .map(|layer| layer.unwrap().path().join("layer.toml")),
        )
        .collect();
    let files: Vec<&Path> = files.iter().map(std::path::PathBuf::as_path).collect();
    let counts = opens(&files, || {
        stage.hl("l2-apply dev --yes").exits(0);
    });
    let more: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(more.is_empty(), "{more:?}");
}
