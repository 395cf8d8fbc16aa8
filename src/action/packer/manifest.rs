//! packer's own manifest (post-processor `manifest`): which VM this very run
//! made. Format: <https://developer.hashicorp.com/packer/docs/post-processors/manifest>

use camino::Utf8Path;
use serde::Deserialize;

use crate::diag::StepError;

#[derive(Debug, Deserialize)]
struct File {
    builds: Vec<Entry>,
    last_run_uuid: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    artifact_id: String,
    packer_run_uuid: String,
    builder_type: String,
}

/// The VM of the last run.
pub(super) fn vmid(path: &Utf8Path) -> Result<u32, StepError> {
    let text = std::fs::read_to_string(path).map_err(|_| {
        StepError::new("packer ended well, but wrote no manifest").help(
            "the files of a template need `post-processor \"manifest\" { output = var.manifest }`",
        )
    })?;
    parse(&text).map_err(|why| StepError::new(format!("packer's manifest `{path}` {why}")))
}

fn parse(text: &str) -> Result<u32, String> {
    let file: File =
        serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))?;
    let mut ids: Vec<u32> = Vec::new();
    let of_this_run = file.builds.iter().filter(|build| {
        build.packer_run_uuid == file.last_run_uuid && build.builder_type.starts_with("proxmox")
    });
    for build in of_this_run {
        let id = build
            .artifact_id
            .parse()
            .map_err(|_| format!("names `{}`, expected the number of a VM", build.artifact_id))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.as_slice() {
        [id] => Ok(*id),
        [] => Err("names no VM of this run".to_owned()),
        more => Err(format!("names {} VMs, expected one", more.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(id: &str, run: &str) -> String {
        format!(
            r#"{{"name":"template","builder_type":"proxmox-clone","build_time":1795188830,"files":null,"artifact_id":"{id}","packer_run_uuid":"{run}","custom_data":null}}"#
        )
    }

    fn file(builds: &[String]) -> String {
        format!(r#"{{"builds":[{}],"last_run_uuid":"b"}}"#, builds.join(","))
    }

    #[test]
    fn only_this_run_counts() {
        assert_eq!(
            parse(&file(&[build("100", "a"), build("101", "b")])),
            Ok(101)
        );
        assert_eq!(
            parse(&file(&[build("101", "b"), build("101", "b")])),
            Ok(101)
        );
        assert!(
            parse(&file(&[build("100", "a")]))
                .unwrap_err()
                .contains("no VM")
        );
        assert!(
            parse(&file(&[build("100", "b"), build("101", "b")]))
                .unwrap_err()
                .contains("2 VMs")
        );
        assert!(
            parse(&file(&[build("x", "b")]))
                .unwrap_err()
                .contains("expected the number")
        );
        assert!(parse("{").is_err());
    }
}
