//! The site-config that a verb works on, and its secrets.

use camino::Utf8Path;

use crate::cli::session::Session;
use crate::diag::{Diagnostic, Failure};
use crate::site::Tree;
use crate::site::secrets::{Loaded, Secrets, Vault};

/// What the verbs work on.
pub(in crate::cli) struct OpenSite {
    /// The site-config.
    pub(in crate::cli) tree: Tree,
}

impl OpenSite {
    /// The site-config in a directory.
    pub(in crate::cli) fn new(session: &Session, root: &Utf8Path) -> Self {
        Self {
            tree: Tree::new(root, shown(session, root)),
        }
    }

    /// Its directory as it is said.
    pub(in crate::cli) fn shown(&self) -> &str {
        match self.tree.shown_root().as_str() {
            "" => ".",
            shown => shown,
        }
    }

    /// Its secrets, opened as far as they can be read, with what is wrong.
    pub(super) fn opened(
        &self,
        session: &Session,
    ) -> Result<Option<(Loaded, Vec<Diagnostic>)>, Failure> {
        self.vault(session).load_partly()
    }

    /// Its secrets, opened; warnings go to stderr.
    pub(super) fn secrets(&self, session: &Session) -> Result<Option<Secrets>, Failure> {
        let Some(loaded) = self.vault(session).load()? else {
            return Ok(None);
        };
        session.warn(&loaded.warnings);
        Ok(Some(loaded.secrets))
    }

    /// The files of its secrets.
    pub(super) fn vault<'a>(&'a self, session: &'a Session) -> Vault<'a> {
        Vault::new(
            self.tree.root(),
            self.tree.shown_root(),
            &session.caller.process,
        )
    }
}

/// A directory as the user would type it: from here when it is below, else whole.
pub(super) fn shown<'d>(session: &Session, dir: &'d Utf8Path) -> &'d Utf8Path {
    dir.strip_prefix(&session.caller.cwd).unwrap_or(dir)
}
