//! Errors in a macro inside a macro stand at the tokens, wherever these came from.
macro_rules! program {
    ($name:ident, $($rest:tt)*) => {
        eshkol::eshkol! {
            (define-ebpf-program $name (license "GPL") (program-type :xdp)
              (define no-such-thing-here nor-this)
              $($rest)*)
        }
    };
}

program! { p, (define (main ctx) (map-lookup no-map 0)
    :xdp-pass) }

fn main() {}
