//! A secret as shells, Python and HTML write it.

use std::fmt::Write as _;

/// In single quotes, in double quotes, behind backslashes, and between the
/// quotes of Python's `repr` and `ascii`.
pub(super) fn of(text: &str) -> Vec<String> {
    let mut forms = Vec::new();
    if text.contains('\'') {
        for quote in [r"'\''", r#"'"'"'"#, r"\'", "''"] {
            forms.push(text.replace('\'', quote));
        }
    }
    forms.push(behind_backslashes(text, |c| "\\\"$`".contains(c)));
    forms.push(behind_backslashes(text, |c| {
        c.is_ascii() && !c.is_ascii_alphanumeric() && !"_-./:=@%+,".contains(c)
    }));
    for quote in ["'", r"\'"] {
        let doubled = text.replace('\\', r"\\").replace('\'', quote);
        forms.push(escaped(&doubled, python));
        forms.push(escaped(&doubled, |out, c| {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                put(out, format_args!("\\x{byte:02x}"));
            }
        }));
        forms.push(escaped(&doubled, |out, c| {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                put(out, format_args!("\\{byte:03o}"));
            }
        }));
        forms.push(doubled);
    }
    forms
}

/// Entities for the characters that HTML and XML need them for, as different
/// libraries choose them.
pub(super) fn html(text: &str) -> Vec<String> {
    let whole = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut forms = vec![whole.replace("&gt;", ">"), whole];
    for (c, entities) in [
        ('"', &["&quot;", "&#34;"][..]),
        ('\'', &["&#39;", "&#x27;", "&apos;", "&#039;"]),
    ] {
        let plain = forms.clone();
        for entity in entities {
            forms.extend(plain.iter().map(|form| form.replace(c, entity)));
        }
    }
    forms.sort_unstable();
    forms.dedup();
    let further: Vec<String> = forms.iter().flat_map(|form| beyond(form)).collect();
    forms.extend(further);
    forms
}

/// What only some libraries replace, too.
fn beyond(form: &str) -> [String; 6] {
    [
        escaped(form, |out, c| put(out, format_args!("&#{};", u32::from(c)))),
        escaped(form, |out, c| {
            put(out, format_args!("&#x{:X};", u32::from(c)));
        }),
        form.replace('/', "&#x2f;"),
        form.replace('/', "&#x2F;"),
        form.replace('/', "&#x2F;")
            .replace('`', "&#x60;")
            .replace('=', "&#x3D;"),
        form.replace('+', "&#43;"),
    ]
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

fn behind_backslashes(text: &str, escape: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if escape(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What is not ASCII, said otherwise.
fn escaped(text: &str, mut say: impl FnMut(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            say(&mut out, c);
        }
    }
    out
}

fn python(out: &mut String, c: char) {
    match u32::from(c) {
        code @ ..0x100 => push_escape(out, 'x', 2, code),
        code @ ..0x1_0000 => push_escape(out, 'u', 4, code),
        code => push_escape(out, 'U', 8, code),
    }
}

/// `\u00e9`, `\xe9`: a letter and a number of so many digits.
pub(super) fn push_escape(out: &mut String, letter: char, digits: usize, code: u32) {
    // Writing to a String cannot fail.
    write!(out, "\\{letter}{code:0digits$x}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(forms: &[String], form: &str) {
        assert!(forms.iter().any(|f| f == form), "{form} not in {forms:?}");
    }

    #[test]
    fn shells_and_python_are_known() {
        let forms = of(r"it's\ü€😀 a$b");
        for form in [
            r"it'\''s\ü€😀 a$b",
            r#"it'"'"'s\ü€😀 a$b"#,
            r"it''s\ü€😀 a$b",
            r"it's\\ü€😀 a\$b",
            r"it\'s\\ü€😀\ a\$b",
            r"it's\\ü€😀 a$b",
            r"it\'s\\ü€😀 a$b",
            r"it's\\\xfc\u20ac\U0001f600 a$b",
            r"it's\\\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80 a$b",
            r"it's\\\303\274\342\202\254\360\237\230\200 a$b",
        ] {
            has(&forms, form);
        }
    }

    #[test]
    fn html_is_known_as_libraries_write_it() {
        let forms = html(r#"a&<'>"/+é"#);
        for form in [
            // Python, Go, PHP, XML, JavaScript, Mustache.
            "a&amp;&lt;&#x27;&gt;&quot;/+é",
            "a&amp;&lt;&#39;&gt;&#34;/&#43;é",
            "a&amp;&lt;&#039;&gt;&quot;/+é",
            "a&amp;&lt;&apos;&gt;&quot;/+é",
            "a&amp;&lt;'&gt;\"/+é",
            "a&amp;&lt;&#39;&gt;&quot;&#x2F;+é",
            "a&amp;&lt;&#39;&gt;&quot;/+&#233;",
            "a&amp;&lt;&#39;&gt;&quot;/+&#xE9;",
        ] {
            has(&forms, form);
        }
    }
}
