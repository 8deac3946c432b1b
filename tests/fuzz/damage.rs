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

/// One of the objects, with some of its bytes changed, and sometimes cut short.
pub(crate) fn object(objects: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut object = random.of(objects).clone();
    for _ in 0..=random.below(4) {
        // Fields are aligned, and the headers of sections at the end.
        let size = [1, 2, 4, 8][random.below(4)];
        let from = if random.below(3) == 0 { object.len() - object.len() / 4 } else { 0 };
        let at = (from + random.below(object.len() - from)) / size * size;
        let number = match random.below(3) {
            0 => random.next(),
            1 => [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 63][random.below(6)],
            _ => random.below(256) as u64,
        };
        let end = (at + size).min(object.len());
        object[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
    }
    if random.below(8) == 0 {
        object.truncate(random.below(object.len()));
    }
    object
}
