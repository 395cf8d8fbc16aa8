//! Variables that decide which code a program loads or starts. From a lab's
//! files and from Doppler they are taken only when `hl.toml` names them: a line
//! in a file of values must not be able to run anything.
//!
//! What the tools of a lab are told (`TF_*`, `ANSIBLE_*`, `PKR_VAR_*`, ...) is
//! not among them: that is what such files are for.

use std::collections::BTreeMap;

use crate::diag::Diagnostic;

/// The list: names, where `NAME_*` is all that begin so, and what they decide.
pub const LOADERS: &[(&str, &str)] = &[
    (
        "LD_* GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH",
        "what the dynamic linker and the C library load into every program",
    ),
    (
        "OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES",
        "which modules OpenSSL loads",
    ),
    (
        "PATH SHELL BASH_* BASHOPTS ENV SHELLOPTS PS4 PROMPT_COMMAND IFS CDPATH ZDOTDIR",
        "which programs are found, and what a shell runs before its script",
    ),
    ("HOME XDG_*", "whose settings every program reads"),
    ("PYTHON*", "which modules Python loads"),
    ("PERL*", "which modules Perl loads"),
    ("RUBY* GEM_* BUNDLE_*", "which files Ruby loads"),
    ("NODE_OPTIONS NODE_PATH", "which modules Node.js loads"),
    (
        "JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH",
        "which classes and agents Java loads",
    ),
    (
        "LUA_* PHPRC PHP_INI_SCAN_DIR AWKPATH AWKLIBPATH",
        "what Lua, PHP and awk load",
    ),
    (
        "GIT_*",
        "which programs git starts, and on which repository",
    ),
    (
        "SSH_ASKPASS SSH_ASKPASS_REQUIRE SUDO_ASKPASS",
        "which program ssh and sudo start for a password",
    ),
    (
        "EDITOR VISUAL PAGER MANPAGER LESSOPEN LESSCLOSE BROWSER",
        "which program is started to edit or to show something",
    ),
];

/// Whether a variable is on the list.
pub fn is_loader(name: &str) -> bool {
    let mut names = LOADERS.iter().flat_map(|(names, _)| names.split(' '));
    names.any(|pattern| match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin) && !name.ends_with('*'),
        None => name == pattern,
    })
}

/// Lets variables in, and remembers what it left out.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    allowed: &'a [String],
    left_out: BTreeMap<String, Vec<String>>,
}

impl<'a> Gate<'a> {
    /// A gate that lets these loaders in.
    pub(super) fn new(allowed: &'a [String]) -> Self {
        Self {
            allowed,
            left_out: BTreeMap::new(),
        }
    }

    /// Whether a variable from that source is taken. `matters` says whether it
    /// would have been the value: then it is worth a word.
    pub(super) fn admits(&mut self, name: &str, from: &str, matters: bool) -> bool {
        if !is_loader(name) || self.allowed.iter().any(|allowed| allowed == name) {
            return true;
        }
        if matters {
            let names = self.left_out.entry(from.to_owned()).or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        false
    }

    /// One warning for each source that something was left out of.
    pub(super) fn warnings(self) -> impl Iterator<Item = Diagnostic> {
        self.left_out.into_iter().map(|(from, names)| {
            let list = |quote: &str| {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| format!("{quote}{name}{quote}"))
                    .collect();
                names.join(", ")
            };
            let (named, toml) = (list("`"), list("\""));
            Diagnostic::warning(format!(
                "{named} of {from} is left out: it can change what programs load and run"
            ))
            .help(format!(
                "if the lab needs it, write `allow_variables = [{toml}]` in `[lab]` of `hl.toml`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_what_loads_code_and_not_what_tools_are_told() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "BASH_ENV",
            "BASH_FUNC_id%%",
            "ENV",
            "PATH",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5LIB",
            "PERL5OPT",
            "RUBYOPT",
            "NODE_OPTIONS",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
            "XDG_CONFIG_HOME",
            "HOME",
        ] {
            assert!(is_loader(name), "{name}");
        }
        for name in [
            "ENVIRONMENT",
            "NODE_NAME",
            "PVE_NODE",
            "TF_VAR_path",
            "ANSIBLE_CONFIG",
            "PKR_VAR_x",
            "PM_TOKEN_SECRET",
            "HTTPS_PROXY",
            "TZ",
            "LANG",
            "DOPPLER",
            "KUBECONFIG",
            "GITHUB_TOKEN",
        ] {
            assert!(!is_loader(name), "{name}");
        }
        for variable in crate::lab::variables::ALL {
            assert!(!is_loader(variable.name), "{}", variable.name);
        }
    }

    #[test]
    fn what_is_left_out_is_said_once_a_source() {
        let allowed = ["PYTHONPATH".to_owned()];
        let mut gate = Gate::new(&allowed);
        assert!(gate.admits("PVE_NODE", "`.env`", true));
        assert!(gate.admits("PYTHONPATH", "`.env`", true));
        for (name, matters) in [
            ("LD_PRELOAD", true),
            ("LD_PRELOAD", true),
            ("ENV", true),
            ("PATH", false),
        ] {
            assert!(!gate.admits(name, "`.env`", matters));
        }
        let said: Vec<Diagnostic> = gate.warnings().collect();
        assert_eq!(said.len(), 1);
        assert!(
            said[0]
                .message
                .starts_with("`LD_PRELOAD`, `ENV` of `.env` is left out")
        );
        assert!(said[0].help[0].contains("allow_variables = [\"LD_PRELOAD\", \"ENV\"]"));
    }
}
