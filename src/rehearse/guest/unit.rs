//! systemd unit files, as systemd.unit(5), systemd.service(5) and
//! systemd.exec(5) describe them: reading, drop-ins, command lines. Pure.

use std::collections::BTreeMap;

/// A unit file with its drop-ins merged: assignments in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Full name, e.g. `nginx.service`.
    pub(super) name: String,
    lines: Vec<(String, String, String)>,
}

impl Unit {
    /// An empty unit of that name.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: Vec::new(),
        }
    }

    /// Adds the assignments of a file, or of a drop-in.
    pub(super) fn merge(&mut self, text: &str) {
        let mut section = String::new();
        let mut pending = String::new();
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with('#') || line.starts_with(';') {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                pending.push_str(part);
                pending.push(' ');
                continue;
            }
            pending.push_str(line);
            let whole = std::mem::take(&mut pending);
            if let Some(name) = whole.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=') {
                self.lines.push((
                    section.clone(),
                    key.trim().to_owned(),
                    value.trim().to_owned(),
                ));
            }
        }
    }

    /// All values of a key; an empty assignment forgets the earlier ones.
    pub(super) fn all(&self, section: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (s, k, value) in &self.lines {
            if s == section && k == key {
                if value.is_empty() {
                    values.clear();
                } else {
                    values.push(value.as_str());
                }
            }
        }
        values
    }

    /// The last value of a key.
    pub(super) fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).pop()
    }

    /// The words of all values of a key.
    pub(super) fn words(&self, section: &str, key: &str) -> Vec<String> {
        self.all(section, key)
            .iter()
            .flat_map(|v| v.split_whitespace())
            .map(|w| self.specifiers(w))
            .collect()
    }

    /// A boolean of `[Service]` or `[Unit]`.
    pub(super) fn flag(&self, section: &str, key: &str) -> bool {
        matches!(self.last(section, key), Some("yes" | "true" | "on" | "1"))
    }

    /// Whether it has an `[Install]` section with anything in it.
    pub(super) fn installable(&self) -> bool {
        self.lines.iter().any(|(s, _, _)| s == "Install")
    }

    /// `foo@bar.service` gives `bar`.
    pub(super) fn instance(&self) -> &str {
        self.stem().split_once('@').map_or("", |(_, i)| i)
    }

    fn stem(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or(&self.name, |(stem, _)| stem)
    }

    /// Replaces `%` specifiers.
    pub(super) fn specifiers(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('i' | 'I') => out.push_str(self.instance()),
                Some('n') => out.push_str(&self.name),
                Some('N') => out.push_str(self.stem()),
                Some('p' | 'P') => {
                    out.push_str(self.stem().split_once('@').map_or(self.stem(), |(p, _)| p));
                }
                Some('t') => out.push_str("/run"),
                Some('S') => out.push_str("/var/lib"),
                Some('C') => out.push_str("/var/cache"),
                Some('L') => out.push_str("/var/log"),
                Some('E') => out.push_str("/etc"),
                Some('T') => out.push_str("/tmp"),
                Some('V') => out.push_str("/var/tmp"),
                Some('h') => out.push_str("/root"),
                Some('u') => out.push_str("root"),
                Some('U') => out.push('0'),
                Some('%') | None => out.push('%'),
                Some(other) => {
                    out.push('%');
                    out.push(other);
                }
            }
        }
        out
    }
}

/// One command of an `Exec...=` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exec {
    /// `-`: its failure does not matter.
    pub(super) may_fail: bool,
    /// `+`, `!`, `!!`: runs as root whatever `User=` says.
    pub(super) as_root: bool,
    /// Program and arguments.
    pub(super) argv: Vec<String>,
    /// `@`: what the program is told it is called.
    pub(super) argv0: Option<String>,
}

impl Exec {
    /// Reads a line. `env` is what `$NAME` and `${NAME}` become.
    pub(super) fn parse(unit: &Unit, line: &str, env: &BTreeMap<String, String>) -> Option<Self> {
        let mut exec = Self::default();
        let mut named = false;
        let mut literal = false;
        let rest = line.trim_start_matches(|c| {
            match c {
                '-' => exec.may_fail = true,
                '+' | '!' => exec.as_root = true,
                '@' => named = true,
                ':' => literal = true,
                '|' => {}
                _ => return false,
            }
            true
        });
        for word in split(rest) {
            let word = Word {
                text: unit.specifiers(&word.text),
                ..word
            };
            if literal {
                exec.argv.push(word.text);
                continue;
            }
            let bare = word
                .text
                .strip_prefix('$')
                .filter(|name| !word.quoted && !name.is_empty() && name.chars().all(is_name));
            if let Some(name) = bare {
                let value = env.get(name).map_or("", String::as_str);
                exec.argv.extend(split(value).into_iter().map(|w| w.text));
            } else {
                exec.argv.push(expand(&word.text, env));
            }
        }
        if named && exec.argv.len() > 1 {
            exec.argv0 = Some(exec.argv.remove(1));
        }
        (!exec.argv.is_empty()).then_some(exec)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Replaces `${NAME}` anywhere, and `$$` by `$`.
fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some((name, tail)) = after.strip_prefix('{').and_then(|t| t.split_once('}')) {
            out.push_str(env.get(name).map_or("", String::as_str));
            rest = tail;
        } else if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

struct Word {
    text: String,
    quoted: bool,
}

/// Splits as systemd does: blanks, both kinds of quotes, C escapes.
fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = line.chars();
    let mut current: Option<Word> = None;
    let mut quote = None;
    while let Some(c) = chars.next() {
        let blank = || Word {
            text: String::new(),
            quoted: false,
        };
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                current.get_or_insert_with(blank).quoted = true;
            }
            ('\\', _) => {
                let text = &mut current.get_or_insert_with(blank).text;
                match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('s') => text.push(' '),
                    Some(other) => text.push(other),
                    None => text.push('\\'),
                }
            }
            (c, None) if c.is_whitespace() => words.extend(current.take()),
            (c, _) => current.get_or_insert_with(blank).text.push(c),
        }
    }
    words.extend(current);
    words
}

/// The assignments of an `Environment=` value or a line of an environment file.
pub(super) fn assignments(text: &str) -> Vec<(String, String)> {
    split(text)
        .into_iter()
        .filter_map(|w| {
            w.text
                .split_once('=')
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        })
        .collect()
}

/// Seconds of a time span such as `5`, `1min 30s`, `500ms`; `None` for `infinity`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    for word in text.split_whitespace() {
        let digits: String = word
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let number: f64 = digits.parse().ok()?;
        total += number
            * match word.strip_prefix(digits.as_str()).unwrap_or_default() {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "ms" | "msec" => 0.001,
                "us" | "usec" => 0.000_001,
                "min" | "m" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86400.0,
                _ => return None,
            };
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, text: &str) -> Unit {
        let mut unit = Unit::new(name);
        unit.merge(text);
        unit
    }

    fn argv(unit: &Unit, line: &str, env: &[(&str, &str)]) -> Vec<String> {
        let env = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Exec::parse(unit, line, &env).unwrap().argv
    }

    #[test]
    fn a_drop_in_resets_lists_and_wins() {
        let mut u = unit(
            "a.service",
            "[Service]\nExecStart=/a \\\n  b\n# no\nExecStart=/c\nType=forking\n",
        );
        assert_eq!(u.all("Service", "ExecStart"), ["/a  b", "/c"]);
        u.merge("[Service]\nExecStart=\nExecStart=/d\nType=notify");
        assert_eq!(u.all("Service", "ExecStart"), ["/d"]);
        assert_eq!(u.last("Service", "Type"), Some("notify"));
    }

    #[test]
    fn commands_are_split_and_expanded() {
        let u = unit("web@7.service", "");
        assert_eq!(
            argv(
                &u,
                "/usr/sbin/nginx -g 'daemon on; master_process on;'",
                &[]
            ),
            ["/usr/sbin/nginx", "-g", "daemon on; master_process on;"]
        );
        assert_eq!(
            argv(&u, "/d $OPTS", &[("OPTS", "-F 1 -x")]),
            ["/d", "-F", "1", "-x"]
        );
        assert_eq!(argv(&u, "/d $NONE", &[]), ["/d"]);
        assert_eq!(
            argv(&u, "/d \"${A}-%i\" %p", &[("A", "x y")]),
            ["/d", "x y-7", "web"]
        );
        let exec = Exec::parse(&u, "-!@/bin/x name arg", &BTreeMap::new()).unwrap();
        assert!(exec.may_fail && exec.as_root);
        assert_eq!(exec.argv0.as_deref(), Some("name"));
        assert_eq!(exec.argv, ["/bin/x", "arg"]);
    }

    #[test]
    fn time_spans() {
        assert_eq!(seconds("1min 30s"), Some(90.0));
        assert_eq!(seconds("5"), Some(5.0));
        assert_eq!(seconds("infinity"), None);
    }
}
