//! How the compiler's time grows with a program: generated programs of some hundred to some thousand instructions.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::compile;
use crate::programs::{Isa, Program};

/// How many tests and counters the programs have.
const SIZES: [u32; 5] = [17, 35, 69, 138, 276];

/// Prints a line for each size.
pub(crate) fn print() -> Result<(), String> {
    println!("{:>12} {:>8} {:>8} {:>20}", "instructions", "ms", "on cpu", "µs an instruction");
    for size in SIZES {
        let program = Program { name: format!("{size} counters"), text: text(size), c: PathBuf::new() };
        let instructions = compile::code(&program, Isa::V3)?.instructions;
        let time = compile::time(&program);
        let on_cpu = time.processor.unwrap_or(time.clock).as_secs_f64() * 1e3;
        println!(
            "{instructions:>12} {:>8.1} {on_cpu:>8.1} {:>20.1}",
            time.clock.as_secs_f64() * 1e3,
            on_cpu * 1e3 / instructions as f64
        );
    }
    Ok(())
}

/// A program that tests so many bit patterns of a packet's source, and counts each.
fn text(size: u32) -> String {
    let mut body = String::new();
    for number in 0..size {
        let mask = 0xff_u32.rotate_left(number % 25);
        let _ = writeln!(
            body,
            "(when (= (bitwise-and address {mask}) {})
               (map-increment! counts {number} (+ address {number})))",
            mask & number.wrapping_mul(0x9e37_79b9)
        );
    }
    format!(
        "(define-ebpf-program curve
           (license \"GPL\")
           (program-type :xdp)
           (define-map counts :hash (key-type :u32) (value-type :u64) (max-entries 4096))
           (define (xdp-main ctx)
             (let* ((eth (parse-eth-header ctx))
                    (ip (and eth (parse-ipv4-header (eth-payload eth)))))
               (when ip
                 (let ((address (the u64 (the u32 (ipv4-src ip)))))
                   {body}))
               :xdp-pass)))"
    )
}
