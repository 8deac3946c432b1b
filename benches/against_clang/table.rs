//! Tables: a row for each program, with the means of the ratios at the foot.

use std::fmt::Display;
use std::time::Duration;

use crate::programs::{self, Program};

/// A column: what it is called, how wide it is, and whether it is a ratio, whose mean is at the foot.
pub(crate) struct Column(pub(crate) &'static str, pub(crate) usize, pub(crate) bool);

/// A field of a row.
pub(crate) enum Field {
    Text(String),
    Ratio(f64),
}

impl Field {
    pub(crate) fn of(shown: impl Display) -> Self {
        Self::Text(shown.to_string())
    }

    pub(crate) fn milliseconds(time: Option<Duration>) -> Self {
        Self::Text(time.map_or_else(|| "?".to_owned(), |time| format!("{:.2}", time.as_secs_f64() * 1e3)))
    }

    pub(crate) fn nothing() -> Self {
        Self::Text("-".to_owned())
    }
}

/// Prints the rows of the programs with `wanted` in their names that have one, and the means of the ratios.
pub(crate) fn print(
    columns: &[Column],
    wanted: &str,
    row: impl Fn(&Program) -> Result<Option<Vec<Field>>, String>,
) -> Result<(), String> {
    print!("{:22}", "program");
    for Column(name, width, _) in columns {
        print!(" {name:>width$}");
    }
    println!();
    let mut sums = vec![(0.0, 0_u32); columns.len()];
    for program in programs::all()?.into_iter().filter(|program| program.name.contains(wanted)) {
        let Some(fields) = row(&program)? else { continue };
        print!("{:22}", program.name);
        for ((field, Column(_, width, _)), sum) in fields.iter().zip(columns).zip(&mut sums) {
            match field {
                Field::Text(text) => print!(" {text:>width$}"),
                Field::Ratio(ratio) => {
                    *sum = (sum.0 + ratio, sum.1 + 1);
                    print!(" {ratio:>width$.2}");
                }
            }
        }
        println!();
    }
    print!("{:22}", "mean");
    for (Column(_, width, is_ratio), (sum, rows)) in columns.iter().zip(sums) {
        if *is_ratio && rows > 0 {
            print!(" {:>width$.2}", sum / f64::from(rows));
        } else {
            print!(" {:width$}", "");
        }
    }
    println!();
    Ok(())
}
