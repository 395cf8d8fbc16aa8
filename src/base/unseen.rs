//! What a terminal does not show: escape sequences, control characters, and
//! characters without width or that reorder text.
//!
//! Terminals differ in where an escape sequence ends, and a tool may write the
//! beginning of one without its end. So two answers are given: the character
//! alone, and the whole sequence where it is complete.

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const BEL: u8 = 0x07;

/// A sequence longer than this is text: a terminal gives up on it, too.
const LONGEST: usize = 4096;

/// Something at the head of some bytes that is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unseen {
    /// Bytes of its first character.
    pub character: usize,
    /// Bytes of the whole escape sequence, where that character begins one.
    pub sequence: Option<usize>,
    /// Bytes of what only introduces one, and of that with its parameters: the
    /// rest may be missing, and what follows be text.
    pub introducers: [Option<usize>; 2],
    /// The bytes end before it is clear how long the sequence or the character is.
    pub is_open: bool,
}

impl Unseen {
    fn character(bytes: usize) -> Self {
        Self {
            character: bytes,
            sequence: None,
            introducers: [None; 2],
            is_open: false,
        }
    }

    /// Bytes of the sequence, else of the character.
    pub fn bytes(self) -> usize {
        self.sequence.unwrap_or(self.character)
    }
}

/// What is not shown at the head of `bytes`; `None` when the first character is
/// shown, or is a tab or a newline. Bytes that are not UTF-8 are not shown.
pub fn unseen(bytes: &[u8]) -> Option<Unseen> {
    match *bytes.first()? {
        b'\t' | b'\n' | 0x20..0x7f => None,
        ESC => Some(escape(bytes)),
        0..0x20 | 0x7f => Some(Unseen::character(1)),
        0x80.. => beyond_ascii(bytes),
    }
}

/// Whether something in `bytes`, which are UTF-8, is not shown.
pub fn has_unseen(bytes: &[u8]) -> bool {
    // Without a branch for each byte: this looks at every line of every tool.
    let is_plain = |chunk: &[u8]| !chunk.iter().fold(false, |any, byte| any | may_begin(*byte));
    if bytes.chunks(64).all(is_plain) {
        return false;
    }
    let starts = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| may_begin(**byte));
    starts.into_iter().any(|(at, byte)| {
        let second = bytes.get(at + 1).copied().unwrap_or_default();
        let may_be = match byte {
            0xc2 => second < 0xa0 || second == 0xad,
            // Much that is drawn with begins with the same byte.
            0xe2 => matches!(second, 0x80 | 0x81),
            _ => true,
        };
        may_be && bytes.get(at..).and_then(unseen).is_some()
    })
}

/// Whether this byte can be the first of something that is not shown.
fn may_begin(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t' && byte != b'\n')
        || matches!(
            byte,
            0x7f | 0xc2 | 0xcd | 0xd8 | 0xe1..=0xe3 | 0xef | 0xf0 | 0xf3
        )
}

/// Whether a character is not shown, or begins what is not.
fn is_unseen(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        '\0'..' ' | '\u{7f}'..='\u{9f}' | '\u{fffd}' => true,
        c if c < '\u{ad}' => false,
        c => is_invisible(c) || is_variation(c),
    }
}

/// Bytes of the first character, which is shown.
pub fn width(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(0xc0..0xe0) => 2,
        Some(0xe0..0xf0) => 3,
        Some(0xf0..) => 4,
        _ => 1,
    }
}

/// Characters without a look of their own: Unicode's `Default_Ignorable` ones,
/// those that order text, and separators of lines.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Chooses how the character before it looks.
pub(super) fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

fn beyond_ascii(bytes: &[u8]) -> Option<Unseen> {
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let c = match std::str::from_utf8(head) {
        Ok(text) => text.chars().next()?,
        Err(error) if error.valid_up_to() > 0 => {
            let (valid, _) = head.split_at(error.valid_up_to());
            std::str::from_utf8(valid).ok()?.chars().next()?
        }
        // Cut off in the middle of a character.
        Err(error) if error.error_len().is_none() && head.len() == bytes.len() => {
            return Some(Unseen {
                is_open: true,
                ..Unseen::character(head.len())
            });
        }
        Err(_) => return Some(Unseen::character(1)),
    };
    match c {
        '\u{9b}' => Some(control(bytes, 2, 2)),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => Some(string(bytes, 2, 2)),
        // U+FFFD stands for bytes that could not be decoded.
        c => is_unseen(c).then(|| Unseen::character(c.len_utf8())),
    }
}

/// What terminals skip inside of a sequence.
fn is_skipped(byte: u8) -> bool {
    matches!(byte, 0x7f | 0..0x20) && !matches!(byte, ESC | CAN | SUB | b'\t' | b'\n' | b'\r')
}

/// The first byte that is not skipped, at or behind `from`.
fn next(bytes: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = bytes.iter().copied().enumerate().skip(from).take(LONGEST);
    rest.into_iter().find(|(_, byte)| !is_skipped(*byte))
}

/// Behind an ESC.
fn escape(bytes: &[u8]) -> Unseen {
    let whole = |sequence| Unseen {
        sequence: Some(sequence),
        ..Unseen::character(1)
    };
    match next(bytes, 1) {
        None => open(1),
        Some((at, b'[')) => control(bytes, 1, at + 1),
        Some((at, b']' | b'P' | b'X' | b'^' | b'_')) => string(bytes, 1, at + 1),
        Some((mut at, 0x20..0x30)) => loop {
            match next(bytes, at + 1) {
                None => return open(1),
                Some((more, 0x20..0x30)) if more < LONGEST => at = more,
                Some((end, 0x30..0x7f)) => return whole(end + 1),
                Some(_) => return Unseen::character(1),
            }
        },
        Some((at, 0x30..0x7f)) => whole(at + 1),
        Some(_) => Unseen::character(1),
    }
}

/// A control sequence: parameters, then one final byte.
fn control(bytes: &[u8], character: usize, from: usize) -> Unseen {
    let rest = bytes.iter().copied().enumerate().skip(from).take(LONGEST);
    for (at, byte) in rest {
        match byte {
            0x20..0x40 => {}
            0x40..0x7f => {
                return Unseen {
                    sequence: Some(at + 1),
                    introducers: [Some(from), Some(at)],
                    ..Unseen::character(character)
                };
            }
            byte if is_skipped(byte) => {}
            _ => return introducer(character, from),
        }
    }
    undecided(bytes, character, from)
}

/// A string (a title, a link): up to BEL or ST.
fn string(bytes: &[u8], character: usize, from: usize) -> Unseen {
    let ends = |sequence| Unseen {
        sequence: Some(sequence),
        ..introducer(character, from)
    };
    let rest = bytes.iter().copied().enumerate().skip(from).take(LONGEST);
    for (at, byte) in rest {
        match byte {
            BEL => return ends(at + 1),
            ESC => {
                return match next(bytes, at + 1) {
                    None => open(character),
                    Some((end, b'\\')) => ends(end + 1),
                    Some(_) => introducer(character, from),
                };
            }
            0xc2 if bytes.get(at + 1) == Some(&0x9c) => return ends(at + 2),
            b'\n' | CAN | SUB => return introducer(character, from),
            _ => {}
        }
    }
    undecided(bytes, character, from)
}

/// Neither its end nor anything that breaks it off: more bytes may bring it,
/// unless it is too long by now.
fn undecided(bytes: &[u8], character: usize, from: usize) -> Unseen {
    Unseen {
        is_open: bytes.len().saturating_sub(from) < LONGEST,
        ..introducer(character, from)
    }
}

fn introducer(character: usize, bytes: usize) -> Unseen {
    Unseen {
        introducers: [Some(bytes), None],
        ..Unseen::character(character)
    }
}

fn open(character: usize) -> Unseen {
    Unseen {
        is_open: true,
        ..Unseen::character(character)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn len(text: &str) -> Option<usize> {
        unseen(text.as_bytes()).map(Unseen::bytes)
    }

    #[test]
    fn sequences_end_where_terminals_end_them() {
        for (text, wanted) in [
            ("\u{1b}[1;31mx", 7),
            ("\u{1b}[Kx", 3),
            ("\u{1b}]0;title\u{7}x", 10),
            ("\u{1b}]8;;http://a\u{1b}\\x", 15),
            ("\u{1b}(Bx", 3),
            ("\u{1b}7x", 2),
            ("\u{1b}\0[\u{0}3\u{0}1\u{0}mx", 9),
            ("\u{9b}31mx", 5),
            ("\u{9d}t\u{9c}x", 5),
            ("\0x", 1),
            ("\u{7f}x", 1),
            ("\u{200d}x", 3),
            ("\u{202e}x", 3),
            ("\u{e0041}x", 4),
            // Broken off: the character alone.
            ("\u{1b}[3\nm", 1),
            ("\u{1b}]0;t\u{1b}[31m", 1),
            ("\u{1b}é", 1),
        ] {
            assert_eq!(len(text), Some(wanted), "{text:?}");
        }
        for text in ["x", "\t", "\n", "é", "✓", " ", ""] {
            assert_eq!(len(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_open() {
        for text in [
            "\u{1b}",
            "\u{1b}[3",
            "\u{1b}]0;t",
            "\u{1b}]0;t\u{1b}",
            "\u{1b}(",
        ] {
            assert!(unseen(text.as_bytes()).unwrap().is_open, "{text:?}");
        }
        assert!(unseen(&[0xe2, 0x80]).unwrap().is_open);
        assert!(!unseen(&[0xe2, 0x41]).unwrap().is_open);
        let endless = format!("\u{1b}]{}", "x".repeat(2 * LONGEST));
        assert_eq!(unseen(endless.as_bytes()), Some(introducer(1, 2)));
    }

    #[test]
    fn the_quick_look_knows_every_character() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = format!("{}{c}", "x".repeat(63));
            assert_eq!(has_unseen(text.as_bytes()), is_unseen(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_look_sees_what_the_close_one_sees(text in "[a-zé✓\t\n \u{0}\u{1b}\u{9b}\u{200b}\u{202e}\\[m]{0,150}") {
            let close = text.char_indices().any(|(at, _)| unseen(&text.as_bytes()[at..]).is_some());
            prop_assert_eq!(has_unseen(text.as_bytes()), close);
        }

        #[test]
        fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(found) = unseen(&bytes) {
                prop_assert!(found.character >= 1 && found.bytes() <= bytes.len());
            }
            has_unseen(&bytes);
        }
    }
}
