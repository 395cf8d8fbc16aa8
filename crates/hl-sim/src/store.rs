//! The file that a world is kept in between two starts.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::world::{Begun, FORMAT, World};

impl World {
    /// Reads a world that a server saved.
    ///
    /// # Errors
    /// The file cannot be read, is no world, or was written by a newer version.
    pub fn load(path: &Path) -> io::Result<Self> {
        let text = fs::read(path)?;
        let mut world: Self = serde_json::from_slice(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if world.format > FORMAT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the world is of format {}, this version reads {FORMAT}",
                    world.format
                ),
            ));
        }
        // The workers died with the process that saved it.
        let now = world.now();
        for task in world.tasks.iter_mut().filter(|task| task.exit.is_none()) {
            world.begun.push(Begun {
                kind: task.kind.clone(),
                id: task.id.clone(),
            });
            task.exit = Some("unexpected status".to_owned());
            task.endtime = Some(now);
        }
        Ok(world)
    }
}

/// Writes a world beside the path and moves it there, so that a reader sees the
/// old one or the new one. The file holds token secrets: only its owner reads it.
pub(super) fn save(world: &World, path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(world)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, SeedToken};
    use crate::task::Task;

    #[test]
    fn a_world_comes_back_and_its_workers_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        let mut seed = Seed::default();
        seed.tokens
            .push(SeedToken::administrator("hl@pve!hl", "secret"));
        let mut world = World::seeded(&seed);
        save(&world, &path).unwrap();
        assert_eq!(World::load(&path).unwrap(), world);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "it holds secrets");
        world
            .tasks
            .push(Task::new("pve", 1, 1, "qmclone", "9000", "hl@pve!hl"));
        save(&world, &path).unwrap();
        let loaded = World::load(&path).unwrap();
        assert_eq!(loaded.tasks[0].exit.as_deref(), Some("unexpected status"));
    }

    #[test]
    fn a_newer_world_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        let mut world = World::seeded(&Seed::default());
        world.format = FORMAT + 1;
        save(&world, &path).unwrap();
        let error = World::load(&path).unwrap_err();
        assert!(error.to_string().contains("format"), "{error}");
        fs::write(&path, "{").unwrap();
        assert!(World::load(&path).is_err());
    }
}
