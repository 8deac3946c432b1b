//! Codes of faults in the compiler itself, `ESK09xx`.

super::codes! { ALL_INTERNAL:
    INTERNAL = 901, "a fault in the compiler", "The compiler made something it then found wrong. Please report it with the program that shows it.";
}
