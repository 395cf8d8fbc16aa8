//! Keeps `state/cache/templates/manifest.json` beside the records: which
//! templates and images there are, for other tools.

use std::collections::BTreeMap;

use crate::action::StepContext;
use crate::diag::StepError;
use crate::handoff::{Catalog, Image};
use crate::lab::Paths;
use crate::templates::TemplateStore;
use crate::templates::pin;
use crate::templates::{IsoManifest, Manifest, Record};

/// Writes the catalog again from the records.
pub(super) fn refresh(ctx: &StepContext<'_>) -> Result<(), StepError> {
    let paths = &ctx.lab.paths;
    Ok(Catalog::of(images(paths)?, pin::now()).write(paths)?)
}

/// Of each template and image the stable build, else the newest.
fn images(paths: &Paths) -> Result<BTreeMap<String, Image>, StepError> {
    let mut images = BTreeMap::new();
    let Ok(entries) = paths.templates().read_dir_utf8() else {
        return Ok(images);
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_owned();
        let store = TemplateStore::new(entry.path());
        if let Some(built) = chosen::<Manifest>(&store)? {
            images.insert(name.clone(), template(paths, &store, built));
        }
        if let Some(brought) = chosen::<IsoManifest>(&store)? {
            images.insert(name, iso(paths, &store, brought));
        }
    }
    Ok(images)
}

fn chosen<R: Record>(store: &TemplateStore) -> Result<Option<R>, StepError> {
    let stable = store.stable::<R>()?;
    let mut records = store.records::<R>()?;
    let at = records
        .iter()
        .position(|record| Some(record.stamp()) == stable.as_ref());
    Ok(match at {
        Some(at) => Some(records.swap_remove(at)),
        None => records.pop(),
    })
}

fn template(paths: &Paths, store: &TemplateStore, built: Manifest) -> Image {
    let source = built.image.map(|pin| pin.url);
    Image {
        kind: "vm".to_owned(),
        filename: source.as_deref().map(file_name),
        source,
        path: paths.show(&store.path::<Manifest>(&built.stamp)).into(),
        proxmox_template_id: Some(built.vmid),
        volume: None,
        node: built.node,
        stamp: built.stamp.into(),
    }
}

fn iso(paths: &Paths, store: &TemplateStore, brought: IsoManifest) -> Image {
    Image {
        kind: "iso".to_owned(),
        filename: Some(file_name(&brought.volid)),
        source: Some(brought.image.url),
        path: paths
            .show(&store.path::<IsoManifest>(&brought.stamp))
            .into(),
        proxmox_template_id: None,
        volume: Some(brought.volid),
        node: brought.node,
        stamp: brought.stamp.into(),
    }
}

fn file_name(place: &str) -> String {
    place.rsplit('/').next().unwrap_or(place).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::sample;
    use camino::Utf8Path;

    #[test]
    fn the_stable_build_is_listed_and_without_one_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        assert!(images(&paths).unwrap().is_empty());
        let store = TemplateStore::new(paths.template("debian-13"));
        let (old, new) = (
            sample("20260101-120000", 100),
            sample("20260102-120000", 101),
        );
        for record in [&old, &new] {
            store.write(record).unwrap();
        }
        let listed = || images(&paths).unwrap()["debian-13"].clone();
        assert_eq!(listed().proxmox_template_id, Some(101));
        store.point::<Manifest>(&old.stamp).unwrap();
        assert_eq!(listed().proxmox_template_id, Some(100));
        assert_eq!(
            listed().path,
            "templates/debian-13/artifacts/vm-template-20260101-120000.json"
        );
    }
}
