//! Git repositories: which are served, their snapshots, and git's dumb protocol.
//!
//! git is never run in a repository that is served: its references are read, its
//! objects are borrowed by a bare repository of our own, and its work tree is written
//! there as one more commit. What its configuration names is so never run, and its
//! index, checkout and stash stay as they are.
//!
//! | file | what |
//! |---|---|
//! | `names` | names in URLs |
//! | `options` | what was asked for |
//! | `candidates` | which repositories are meant |
//! | `checkout` | a repository as it lies on disk, and whether it may be served |
//! | `refs` | its branches and tags |
//! | `excludes` | what its user has git ignore |
//! | `private_dir` | a directory that the next start removes if this one cannot |
//! | `git` | git, in a repository of our own, within limits |
//! | `work_tree` | the files of a work tree, opened through no link |
//! | `import` | those files as a commit |
//! | `snapshot` | a bare repository and the files beside it |
//! | `scan` | what must not be in what is served |
//! | `memory` | what a reload need not do again |
//! | `repositories` | what is served, refused and being prepared, by name |
//! | `prepare` | all of it, at the start and at each reload |
//! | `path` | what a path of a request asks for |
//! | `file` | a file as an answer |
//! | `answer` | a request and its answer |

mod answer;
mod candidates;
mod checkout;
mod excludes;
mod file;
mod git;
mod import;
mod memory;
mod names;
mod options;
mod path;
mod prepare;
mod private_dir;
mod refs;
mod repositories;
mod scan;
mod snapshot;
mod work_tree;

pub(in crate::serve) use answer::answer;
pub(in crate::serve) use options::Options;
pub(in crate::serve) use prepare::Wanted;
pub(in crate::serve) use private_dir::remove_left_behind;
pub(in crate::serve) use repositories::Repositories;
