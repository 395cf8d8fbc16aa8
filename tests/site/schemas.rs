//! The JSON Schemas of a site-config judge as `hl site check` does, as far as
//! a schema can see.

use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::faults::FAULTS;
use super::stage::Stage;
use crate::support::Hl;

/// Directory and the name of its files' schema.
const DIRS: [(&str, &str); 10] = [
    ("nodes", "node"),
    ("hosts", "host"),
    ("envs", "env"),
    ("vms", "template"),
    ("vms/presets", "preset"),
    ("v2/presets", "preset"),
    ("postures", "posture"),
    ("v2/postures", "spec-posture"),
    ("v2/specs", "spec"),
    ("manifests", "manifest"),
];

struct Judge {
    schemas: Schemas,
    known: Vec<(&'static str, SchemaIndex)>,
}

impl Judge {
    fn new(stage: &Stage) -> Self {
        let mut schemas = Schemas::new();
        let mut known = Vec::new();
        for name in hl::site::SCHEMAS {
            let ran = Hl::new(&stage.beside("")).cmd("schema").arg(name).exits(0);
            let mut compiler = Compiler::new();
            compiler.enable_format_assertions();
            let url = format!("{name}.json");
            compiler.add_resource(&url, ran.json()).unwrap();
            known.push((name, compiler.compile(&url, &mut schemas).unwrap()));
        }
        Self { schemas, known }
    }

    fn takes(&self, stage: &Stage, file: &str) -> bool {
        let (dir, stem) = file.rsplit_once('/').unwrap_or(("", file));
        let name = match DIRS.iter().find(|(known, _)| *known == dir) {
            Some((_, name)) => name,
            None => stem.strip_suffix(".yaml").unwrap(),
        };
        let (_, index) = self.known.iter().find(|(known, _)| *known == name).unwrap();
        let text = fs::read_to_string(stage.path(file)).unwrap();
        let Ok(value) = serde_saphyr::from_str::<Value>(&text) else {
            return false;
        };
        self.schemas.validate(&value, *index).is_ok()
    }
}

#[test]
fn the_example_is_as_the_schemas_say() {
    let stage = Stage::example();
    let judge = Judge::new(&stage);
    let mut files = vec!["site.yaml".to_owned(), "secrets.yaml".to_owned()];
    for (dir, _) in DIRS {
        for entry in fs::read_dir(stage.path(dir)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                files.push(format!("{dir}/{}", entry.file_name().to_str().unwrap()));
            }
        }
    }
    assert_eq!(files.len(), 43);
    for file in files {
        assert!(judge.takes(&stage, &file), "{file}");
    }
}

#[test]
fn faults_that_one_file_shows_are_refused() {
    for (file, old, new, _, message) in FAULTS {
        let stage = Stage::example();
        stage.edit(file, old, new);
        // What another file or another line would have to say.
        let beyond = ["there is no", "is taken by"];
        let valid = beyond.iter().any(|words| message.contains(words));
        assert_eq!(
            Judge::new(&stage).takes(&stage, file),
            valid,
            "{file}: {message}"
        );
    }
}
