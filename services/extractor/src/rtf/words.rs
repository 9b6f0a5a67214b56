//! RTF as a stream: groups, control words and bytes (Rich Text Format specification 1.9.1, "Conventions of an RTF Reader").

/// One item of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Open,
    Close,
    /// `\name` or `\name12`.
    Word {
        name: &'a [u8],
        number: Option<i32>,
    },
    /// `\` before something that is no letter: `\~`, `\*`, …
    Symbol(u8),
    /// A byte of text, written as itself or as `\'hh`.
    Byte(u8),
}

/// Reads items one after the other.
pub(super) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn control(&mut self) -> Option<Item<'a>> {
        let (&first, after) = self.rest.split_first()?;
        if first == b'\'' {
            let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            self.rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
            return Some(Item::Byte(byte.unwrap_or(b'?')));
        }
        if !first.is_ascii_alphabetic() {
            self.rest = after;
            return Some(Item::Symbol(first));
        }
        let letters = self.rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(letters);
        let number = after.iter().enumerate();
        let length = number.take_while(|(at, byte)| byte.is_ascii_digit() || (*at == 0 && **byte == b'-')).count();
        let (digits, after) = after.split_at(length);
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        self.rest = after.strip_prefix(b" ").unwrap_or(after);
        if name == b"bin" {
            let skipped = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
            self.rest = self.rest.get(skipped..).unwrap_or_default();
        }
        Some(Item::Word { name, number })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            self.rest = after;
            match first {
                b'{' => return Some(Item::Open),
                b'}' => return Some(Item::Close),
                b'\\' => return self.control(),
                b'\r' | b'\n' | 0 => {}
                byte => return Some(Item::Byte(byte)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_symbols_and_bytes() {
        let items: Vec<Item<'_>> = Items::new(b"{\\b0 a\\'e9\\u-10179?\\~\r\n\\bin3 {}{x}").collect();
        let word = |name: &'static str, number| Item::Word { name: name.as_bytes(), number };
        assert_eq!(
            items,
            [
                Item::Open,
                word("b", Some(0)),
                Item::Byte(b'a'),
                Item::Byte(0xE9),
                word("u", Some(-10179)),
                Item::Byte(b'?'),
                Item::Symbol(b'~'),
                word("bin", Some(3)),
                Item::Byte(b'x'),
                Item::Close,
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Items::new(&bytes).count() <= bytes.len());
        }
    }
}
