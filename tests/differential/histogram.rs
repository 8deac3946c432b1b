//! Histograms, told apart from the checker, which makes other expressions of `update-histogram`: what has been counted is computed here, from what the
//! language says of buckets and nothing else, and compared with what the evaluator, the simulator and the kernel have in the map.
//!
//! By powers of two, the bucket of a number is how many bits it has; linear, the number divided by the step. The last bucket takes all that is
//! past it, too; in a family, each key has as many buckets as it needs until the map is full. A number below zero counts as the one with the
//! same 64 bits.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use eshkol_core::Endianness;
use eshkol_core::evaluate::{self, Input, World};
use eshkol_core::kernel::KernelVersion;
use eshkol_test_support::{Loaded, Privilege, Runner, Simulated, require_root, stay_on_first_processor};

use crate::arithmetic::{Integer, TYPES};
use crate::choices::Random;
use crate::trial::{self, ways_since};

/// Numbers that each program counts.
const NUMBERS: usize = 150;

/// What is made of the number before it is counted, so that more is known of it.
#[derive(Copy, Clone, Debug)]
enum Known {
    Nothing,
    /// Its lowest bits alone.
    Masked(u64),
    /// It is counted only where it is not above.
    AtMost(u64),
    /// It is counted only where it is above.
    Above(u64),
}

/// A histogram, and what is counted in it.
#[derive(Debug)]
struct Histogram {
    number: Integer,
    key: Integer,
    /// What a family's are told apart by.
    by: Option<Integer>,
    step: Option<u64>,
    entries: usize,
    known: Known,
}

/// By key, and that of a histogram alone, by bucket: how many numbers.
type Counts = BTreeMap<Vec<u8>, u64>;

/// The 64 bits of a number of a type, of which these are the lowest.
fn extended(bits: u64, (_, width, signed): Integer) -> u64 {
    let shift = 64 - width;
    let high = bits << shift;
    if signed { (high.cast_signed() >> shift).cast_unsigned() } else { high >> shift }
}

/// Whether a number of a type is above another, which is not below zero.
fn is_above(number: u64, limit: u64, (_, _, signed): Integer) -> bool {
    number > limit && !(signed && number.cast_signed() < 0)
}

impl Histogram {
    fn generate(random: &mut Random) -> Self {
        let mut any = || TYPES[random.below(TYPES.len())];
        let (number, key, by) = (any(), any(), any());
        let by = if random.below(3) == 0 { Some(by) } else { None };
        let steps = [1, 2, 3, 7, 10, 100, 1000, 1 << 16, (1 << 32) - 1, 1 << 32, 1 << 62];
        let step = if random.below(2) == 0 { Some(steps[random.below(steps.len())]) } else { None };
        let sizes = [1, 2, 3, 8, 16, 33, 63, 64, 65, 66, 200];
        let entries = if by.is_some() { [8, 512][random.below(2)] } else { sizes[random.below(sizes.len())] };
        let limit = edge(random, step, entries) & ((1 << (number.1 - 1)) - 1);
        let known = match random.below(5) {
            0 => Known::Masked(limit),
            1 => Known::AtMost(limit),
            2 => Known::Above(limit),
            _ => Known::Nothing,
        };
        Self { number, key, by, step, entries, known }
    }

    fn text(&self, kernel: KernelVersion) -> String {
        let mut clauses = String::new();
        if let Some((by, ..)) = self.by {
            let _ = write!(clauses, " (by :{by})");
        }
        if let Some(step) = self.step {
            let _ = write!(clauses, " (buckets :linear {step})");
        }
        let number = match self.known {
            Known::Masked(mask) => format!("(bitwise-and (input-number in) {mask})"),
            _ => "(input-number in)".to_owned(),
        };
        let key = if self.by.is_some() { " (input-key in)" } else { "" };
        let mut update = format!("(update-histogram counted{key} number)");
        match self.known {
            Known::AtMost(limit) => update = format!("(unless (> number {limit}) {update})"),
            Known::Above(limit) => update = format!("(when (> number {limit}) {update})"),
            Known::Nothing | Known::Masked(_) => {}
        }
        let (Self { entries, .. }, (number_type, ..), (key_type, ..)) = (self, self.number, self.key);
        format!(
            "(define-ebpf-program counts (license \"GPL\") (min-kernel \"{kernel}\") (program-type :xdp)
  (define-header input (number :{number_type}) (key :{key_type}))
  (define-map counted :histogram{clauses} (max-entries {entries}))
  (define (start ctx)
    (let ((in (parse-header input ctx)))
      (if in
          (let ((number {number}))
            {update}
            :xdp-drop)
          :xdp-pass))))"
        )
    }

    /// Counts a number under a key, each of which has these lowest bits.
    fn count(&self, counts: &mut Counts, number: u64, key: u64) {
        let mut number = extended(number, self.number);
        match self.known {
            Known::Nothing => {}
            Known::Masked(mask) => number &= mask,
            Known::AtMost(limit) if is_above(number, limit, self.number) => return,
            Known::Above(limit) if !is_above(number, limit, self.number) => return,
            Known::AtMost(_) | Known::Above(_) => {}
        }
        let bucket = match self.step {
            None => u64::from(u64::BITS - number.leading_zeros()),
            Some(step) => number / step,
        };
        let place = match self.by {
            Some(by) => [extended(extended(key, self.key), by), bucket].map(u64::to_le_bytes).concat(),
            None => {
                let last = self.entries - 1;
                u32::try_from(bucket.min(last as u64)).unwrap().to_le_bytes().to_vec()
            }
        };
        if counts.contains_key(&place) || self.by.is_none() || counts.len() < self.entries {
            *counts.entry(place).or_default() += 1;
        }
    }

    /// A packet that brings a number and a key, and has a length that every kernel takes.
    fn packet(&self, number: u64, key: u64) -> Vec<u8> {
        const LENGTH: usize = 64;
        let part = |bits: u64, (_, width, _): Integer| bits.to_le_bytes()[..width as usize / 8].to_vec();
        let mut packet = [part(number, self.number), part(key, self.key)].concat();
        packet.resize(LENGTH, 0);
        packet
    }
}

/// A number where one bucket ends or another begins.
fn edge(random: &mut Random, step: Option<u64>, entries: usize) -> u64 {
    let near = match (random.below(6), step) {
        (0, _) => [0, u64::MAX, 1 << 63, (1 << 63) - 1][random.below(4)],
        (1, _) => random.next() >> random.below(64),
        (2, Some(step)) => step.wrapping_mul(entries as u64 - 1),
        (3 | 4, Some(step)) => step.wrapping_mul(random.below(entries + 1) as u64),
        _ => 1 << random.below(64),
    };
    near.wrapping_add([0, 1, u64::MAX][random.below(3)])
}

/// What is wrong with a histogram.
fn wrong(seed: u64, running: Option<KernelVersion>) -> Result<(), String> {
    let mut random = Random::new(seed);
    let histogram = Histogram::generate(&mut random);
    let mut wanted = Counts::new();
    let mut packets = Vec::new();
    for _ in 0..NUMBERS {
        let number = edge(&mut random, histogram.step, histogram.entries);
        let key = edge(&mut random, None, 1) & [3, u64::MAX][random.below(2)];
        histogram.count(&mut wanted, number, key);
        packets.push(histogram.packet(number, key));
    }
    for (kernel, optimisation) in ways_since(KernelVersion::OLDEST, running) {
        let text = histogram.text(kernel);
        let told = |what: String| format!("seed {seed}, for kernel {kernel}, {optimisation:?}: {what}, in\n{text}");
        let (compilation, sources) = trial::compiled(&text, optimisation).map_err(told)?;
        let reasons = || told(trial::reasons(&compilation.diagnostics, &sources).join(", "));
        let output = compilation.output.as_ref().ok_or_else(reasons)?;
        let same = |place: &str, mut found: Counts| {
            found.retain(|_, count| *count > 0);
            if found == wanted { Ok(()) } else { Err(told(format!("{place} has {found:?}, and not {wanted:?}"))) }
        };

        let unit = &output.unit;
        let mut world = World::new(unit, Endianness::Little);
        for packet in &packets {
            let input = Input { packet: packet.clone(), ..Input::default() };
            evaluate::run(unit, &unit.programs[0], Endianness::Little, &mut world, &input)
                .map_err(|violation| told(violation.what))?;
        }
        same("the evaluator", world.maps[0].iter().map(|(key, count)| (key.clone(), number_of(count))).collect())?;

        let simulated = Simulated::load(&output.object, "start").map_err(told)?;
        same("the simulator", counted(&simulated, &histogram, &packets).map_err(told)?)?;
        if running.is_some() {
            let loaded = Loaded::load(&output.object, "start").map_err(told)?;
            same("the kernel", counted(&loaded, &histogram, &packets).map_err(told)?)?;
        }
    }
    Ok(())
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// What is counted where a program runs on each packet.
fn counted(runner: &dyn Runner, histogram: &Histogram, packets: &[Vec<u8>]) -> Result<Counts, String> {
    packets.iter().try_for_each(|packet| runner.run(packet).map(drop))?;
    let found = trial::elements(runner, "counted", if histogram.by.is_some() { 16 } else { 4 }, 8)?;
    Ok(found.into_iter().map(|(key, count)| (key, number_of(&count))).collect())
}

#[test]
fn histograms_count_what_the_language_says() {
    let running = (require_root() == Privilege::Granted).then(crate::running_kernel);
    if running.is_some() {
        stay_on_first_processor().unwrap();
    }
    let crate::Wanted { small, seed, .. } = crate::Wanted::from_environment();
    // Each takes as long as several programs.
    let count = small / 4;
    let failures: Vec<String> = (seed..seed + count).filter_map(|seed| wrong(seed, running).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
