//! Anything at all as the compiler's input: no panic, and an end.
//!
//! The texts are those of the language cases and of the book, damaged at random; the functions are those that `fuzz/` gives to cargo-fuzz.
//! `ESHKOL_FUZZ=100000` tries so many, and others each time; `ESHKOL_SEED` is the first one's seed.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own as well")]
mod targets;

mod corpus;
mod damage;

use std::panic::{RefUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use damage::Random;
use eshkol_test_support::Simulated;

/// No text takes near as long, not even on a busy machine: what does, grows faster than its text.
const LONGEST: Duration = Duration::from_secs(60);

/// The seeds to try, `count` of them unless the environment says otherwise.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is to be a number")))
    };
    let seed = number("ESHKOL_SEED");
    match number("ESHKOL_FUZZ") {
        None => seed.unwrap_or(1)..seed.unwrap_or(1) + count,
        Some(count) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() << 20);
            seed.unwrap_or(now)..seed.unwrap_or(now) + count
        }
    }
}

/// Does `work` with what a seed gives. A panic is told with the seed and the input.
fn holds(seed: u64, input: &str, work: impl Fn(&str) + RefUnwindSafe) {
    let start = Instant::now();
    let ended = catch_unwind(|| work(input)).is_ok();
    assert!(ended, "seed {seed}: panics with {input:?}");
    assert!(start.elapsed() < LONGEST, "seed {seed}: takes {:?} with {input:?}", start.elapsed());
}

#[test]
fn any_text_is_read() {
    let texts = corpus::texts();
    for seed in seeds(2000) {
        holds(seed, &damage::text(&texts, &mut Random::new(seed)), targets::read);
    }
}

#[test]
fn any_text_is_checked() {
    let texts = corpus::texts();
    for seed in seeds(1000) {
        holds(seed, &damage::text(&texts, &mut Random::new(seed)), targets::check);
    }
}

/// A damaged object is loaded, or refused with a reason.
#[test]
fn any_object_is_read() {
    let objects: Vec<Vec<u8>> = corpus::texts().iter().filter_map(|text| targets::object(text)).take(12).collect();
    for seed in seeds(2000) {
        let object = damage::object(&objects, &mut Random::new(seed));
        let ended =
            catch_unwind(|| Simulated::load(&object, "main").map(drop).map_err(|reason| assert!(!reason.is_empty())));
        assert!(ended.is_ok(), "seed {seed}: panics");
    }
}

#[test]
fn any_text_is_compiled() {
    let texts = corpus::texts();
    for seed in seeds(500) {
        holds(seed, &damage::text(&texts, &mut Random::new(seed)), targets::compile);
    }
}
