//! Damage: what happens to texts.

/// A deterministic generator of numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// What is put in where it may not belong.
const PIECES: [&str; 32] = [
    "(",
    ")",
    "()",
    "#(",
    "'",
    "`",
    ",",
    ",@",
    "\"",
    "#|",
    "|#",
    "#;",
    ";",
    ".",
    "...",
    "#t",
    "-1",
    "0",
    "64",
    "18446744073709551616",
    "-9223372036854775808",
    "0x8000000000000000",
    "#\\a",
    ":u8",
    "ctx",
    "_",
    "\u{0}",
    "é",
    "\n",
    "define",
    "lambda",
    "1.5",
];

/// One of the texts, with parts of it taken out, doubled, exchanged with parts of others, or put in.
pub(crate) fn text(texts: &[String], random: &mut Random) -> String {
    let mut tokens = tokens(random.of::<String>(texts));
    for _ in 0..1 + random.below(6) {
        let start = random.below(tokens.len());
        let longest = *random.of(&[2, 8, 40]);
        let end = (start + 1 + random.below(longest)).min(tokens.len());
        match random.below(6) {
            0 => drop(tokens.drain(start..end)),
            1 => {
                let part = tokens[start..end].to_vec();
                let at = random.below(tokens.len() + 1);
                tokens.splice(at..at, part);
            }
            2 => {
                let other = self::tokens(random.of::<String>(texts));
                let from = random.below(other.len());
                let part = other[from..(from + end - start).min(other.len())].to_vec();
                tokens.splice(start..end, part);
            }
            3 => tokens.insert(start, (*random.of(&PIECES)).to_owned()),
            4 if start < tokens.len() => tokens[start] = (*random.of(&PIECES)).to_owned(),
            _ => {
                let other = random.below(tokens.len());
                if start < tokens.len() {
                    tokens.swap(start, other);
                }
            }
        }
        if tokens.is_empty() {
            tokens.push(String::new());
        }
    }
    tokens.concat()
}

/// Parentheses, words, and what is between them.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = vec![];
    let mut in_word = false;
    for character in text.chars() {
        let word = !character.is_whitespace() && !"()[]{}'`,\"".contains(character);
        match tokens.last_mut() {
            Some(last) if word && in_word => last.push(character),
            _ => tokens.push(character.to_string()),
        }
        in_word = word;
    }
    tokens
}
