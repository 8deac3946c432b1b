//! Histograms: each number is counted in its bucket, in the simulator as in the kernel.

use eshkol::eshkol;
use eshkol_test_support::{Privilege, require_root};

eshkol! {
    (define-ebpf-object sizes
      (license "GPL"))

    ;;; By bits.
    (define-map by-bits :histogram)
    (define-map few :histogram (max-entries 4))
    (define-map by-ten :histogram (buckets :linear 10) (max-entries 5))
    (define-map of-each :histogram (by :i32) (max-entries 256))
    (define-map ten-of-each :histogram (by :u8) (buckets :linear 10) (max-entries 256))
    (define-map wanted :array (key-type :u32) (value-type :u64) (max-entries 2))

    (define-ebpf-program counter
      (program-type :xdp)
      (define (count ctx)
        (let ((number (or (map-lookup wanted 0) 0))
              (whose (or (map-lookup wanted 1) 0)))
          (update-histogram by-bits number)
          (update-histogram few number)
          (update-histogram by-ten number)
          (update-histogram of-each whose number)
          (update-histogram ten-of-each whose number)
          :xdp-pass)))
}

/// The edges of every bucket, and some more.
fn numbers() -> Vec<u64> {
    let mut numbers = vec![0, 9, 10, 11, 39, 40, 1_000_000];
    for bits in 0..64 {
        let power = 1_u64 << bits;
        numbers.extend([power - 1, power, power + power / 2]);
    }
    numbers.push(u64::MAX);
    numbers
}

/// Counts all numbers, and compares what came of each.
fn check(unit: &Sizes) {
    let bucket = |counts: &eshkol::Counts| {
        let buckets: Vec<_> = counts.buckets().collect();
        assert_eq!(buckets.len(), 1);
        assert_eq!(buckets[0].count, 1);
        (buckets[0].first, buckets[0].last)
    };
    for number in numbers() {
        let whose = i32::try_from(number % 5).unwrap() - 2;
        unit.wanted.set(0, number).unwrap();
        unit.wanted.set(1, i64::from(whose).cast_unsigned()).unwrap();
        unit.count.test_run(&[0; 64]).unwrap();
        let by_bits = match number {
            0 => (0, 0),
            _ => {
                let power = 1_u64 << number.ilog2();
                (power, power + (power - 1))
            }
        };
        assert_eq!(bucket(&unit.by_bits.read().unwrap()), by_bits, "{number}");
        let few = if number >= 4 { (4, u64::MAX) } else { by_bits };
        assert_eq!(bucket(&unit.few.read().unwrap()), few, "{number}");
        let ten = number / 10 * 10;
        let by_ten = if number >= 40 { (40, u64::MAX) } else { (ten, ten + 9) };
        assert_eq!(bucket(&unit.by_ten.read().unwrap()), by_ten, "{number}");
        let of_each = unit.of_each.read().unwrap();
        assert_eq!(of_each.keys().copied().collect::<Vec<_>>(), [whose]);
        assert_eq!(bucket(&of_each[&whose]), by_bits, "{number}");
        let low = whose.cast_unsigned().to_le_bytes()[0];
        assert_eq!(bucket(&unit.ten_of_each.get(low).unwrap()), (ten, ten.saturating_add(9)), "{number}");
        for histogram in [&unit.by_bits, &unit.few, &unit.by_ten] {
            histogram.reset().unwrap();
        }
        unit.of_each.remove(whose).unwrap();
        unit.ten_of_each.reset().unwrap();
        assert!(unit.of_each.read().unwrap().is_empty());
    }
    for number in [1, 2, 2, 3] {
        unit.wanted.set(0, number).unwrap();
        unit.count.test_run(&[0; 64]).unwrap();
    }
    let counts = unit.by_bits.read().unwrap();
    assert_eq!((counts.total(), counts.buckets().map(|bucket| bucket.count).collect::<Vec<_>>()), (4, vec![1, 3]));
}

#[test]
fn every_number_is_counted_in_its_bucket_in_the_simulator() {
    check(&Sizes::test().unwrap());
}

#[test]
fn every_number_is_counted_in_its_bucket_in_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    check(&Sizes::load().unwrap());
}
