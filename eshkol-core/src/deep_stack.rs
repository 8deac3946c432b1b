//! A stack on which deep programs have room.
//!
//! The stages recurse over expressions. How much stack a caller has is not known: rustc gives a procedural macro 8 MiB at most, a test
//! gets 2. So the compiler runs on a thread of its own, and how deep a program may nest is a matter of its text alone.

use std::thread;

/// Enough for the deepest program that the reader, the expander and the checker let through, in an unoptimised build.
/// Only what is used of it costs memory.
const BYTES: usize = 512 << 20;

/// Does `work` on a stack that is large enough for every stage of the compiler, and for printing and dropping what they make.
pub fn with_deep_stack<T: Send>(mut work: impl FnMut() -> T + Send) -> T {
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().name("eshkol".to_owned()).stack_size(BYTES);
        let running = thread.spawn_scoped(scope, &mut work)?;
        Ok::<T, std::io::Error>(running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    // Where there are no threads, as in WebAssembly, the caller's stack has to do.
    done.unwrap_or_else(|_| work())
}

#[cfg(test)]
mod tests;
