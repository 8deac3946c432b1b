//! The choices that make a program: drawn at random, recorded, replayed, and shrunk.
//!
//! A generator asks for numbers; what it makes is a function of the numbers it got. A program is made smaller by making
//! its list of choices shorter or its choices smaller, so that shrinking needs to know nothing of programs but one thing:
//! generators take 0 for the simplest there is, and say where the choices of each part begin and end.

use std::ops::Range;

/// A deterministic generator of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// The choices of one program.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    /// Where further choices come from; without, they are 0.
    random: Option<Random>,
    /// What to replay first, then what was chosen.
    made: Vec<u32>,
    position: usize,
    /// The choices of each part, inner ones before outer ones.
    parts: Vec<Range<usize>>,
}

/// A part that has begun.
#[must_use = "a part must end"]
pub(crate) struct Part(usize);

impl Choices {
    pub(crate) fn random(seed: u64) -> Self {
        Self { random: Some(Random::new(seed)), made: vec![], position: 0, parts: vec![] }
    }

    pub(crate) fn replay(made: Vec<u32>) -> Self {
        Self { random: None, made, position: 0, parts: vec![] }
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if self.position == self.made.len() {
            let choice = self.random.as_mut().map_or(0, |random| random.below(1 << 30));
            self.made.push(u32::try_from(choice).unwrap());
        }
        let choice = self.made[self.position] as usize % end;
        self.position += 1;
        choice
    }

    pub(crate) fn begin(&mut self) -> Part {
        Part(self.position)
    }

    pub(crate) fn end(&mut self, part: Part) {
        self.parts.push(part.0..self.position);
    }

    /// What was chosen, without what was not asked for.
    fn used(&self) -> Vec<u32> {
        self.made[..self.position].to_vec()
    }
}

/// Makes a program that fails smaller, as long as what is smaller fails, too. `fails` makes the program of the choices it
/// is given, and says whether it fails in the same way.
pub(crate) fn shrink(mut best: Choices, fails: &mut dyn FnMut(&mut Choices) -> bool) -> Choices {
    loop {
        let before = best.used();
        let mut index = 0;
        while index < best.parts.len() {
            // Outer parts first.
            let part = best.parts[best.parts.len() - 1 - index].clone();
            index += 1;
            for candidate in candidates(&best, &part) {
                if smaller(&candidate, &best.used()) {
                    let mut choices = Choices::replay(candidate);
                    if fails(&mut choices) && smaller(&choices.used(), &best.used()) {
                        best = choices;
                        index = index.saturating_sub(2);
                        break;
                    }
                }
            }
        }
        for position in 0..before.len() {
            for value in [0, 1, 2] {
                let mut candidate = best.used();
                let Some(choice) = candidate.get_mut(position) else { continue };
                *choice = value;
                if smaller(&candidate, &best.used()) {
                    let mut choices = Choices::replay(candidate);
                    if fails(&mut choices) && smaller(&choices.used(), &best.used()) {
                        best = choices;
                    }
                }
            }
        }
        if best.used() == before {
            return best;
        }
    }
}

/// Other choices, with the part replaced by the simplest one or by a part of itself.
fn candidates(choices: &Choices, part: &Range<usize>) -> Vec<Vec<u32>> {
    let all = choices.used();
    let replaced = |by: &[u32]| [&all[..part.start], by, &all[part.end..]].concat();
    let inner = choices.parts.iter().filter(|inner| part.start < inner.start && inner.end <= part.end);
    let mut candidates = vec![replaced(&[0]), replaced(&[])];
    candidates.extend(inner.rev().take(12).map(|inner| replaced(&all[inner.clone()])));
    candidates
}

fn smaller(a: &[u32], b: &[u32]) -> bool {
    (a.len(), a) < (b.len(), b)
}
