//! What can go wrong, and what to do about it.
//!
//! Every message says what was being done, to what, why it failed, and what to try. `Debug` prints the same text, so that an `Error` that leaves
//! `main` can be read by the person it reaches.

mod advice;
mod privilege;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) use advice::suggestions;
pub(crate) use privilege::Need;

use crate::kernel_version::KernelVersion;
use crate::plain::InvalidValue;
use crate::program::XdpMode;
#[cfg(feature = "sim")]
use crate::sim::SimulatorError;
use crate::verifier::VerifierError;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[non_exhaustive]
pub enum Error {
    /// The kernel refused for want of privilege.
    Permission {
        /// What was being done, as "attach program `a` to `b`".
        action: String,
        /// What this process lacks, as far as can be seen.
        advice: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The verifier refused a program.
    Verifier(Box<VerifierError>),
    /// The running kernel is older than what is asked of it.
    KernelTooOld {
        /// What was being done.
        action: String,
        /// The oldest kernel that can do it.
        needed: KernelVersion,
        /// The kernel that runs.
        running: KernelVersion,
    },
    /// There is no such network interface in this network namespace.
    UnknownInterface {
        /// What was being done.
        action: String,
        /// The interface that was asked for.
        interface: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The interface has an XDP program already.
    InterfaceBusy {
        /// The program that was to be attached.
        program: String,
        /// The interface.
        interface: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The interface cannot run XDP programs in this mode.
    UnsupportedMode {
        /// The program that was to be attached.
        program: String,
        /// The interface.
        interface: String,
        /// The mode.
        mode: XdpMode,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program names no `(attach-point …)` to attach it to.
    NoAttachPoint {
        /// The program.
        program: String,
    },
    /// The map holds as many elements as it can.
    MapFull {
        /// The map.
        map: String,
        /// How many that is.
        max_entries: u32,
    },
    /// An index past the end of an array.
    IndexOutOfRange {
        /// The map.
        map: String,
        /// The index that was asked for.
        index: u32,
        /// How many elements there are.
        len: u32,
    },
    /// A prefix longer than the key.
    PrefixTooLong {
        /// The map.
        map: String,
        /// The prefix's length in bits.
        prefix_len: u32,
        /// The key's.
        max: u32,
    },
    /// Another number of values than the machine has CPUs.
    CpuCount {
        /// The map.
        map: String,
        /// How many values were given.
        given: usize,
        /// How many CPUs are possible.
        possible: usize,
    },
    /// What was read is no value of its type.
    InvalidValue {
        /// Where it was read, as "map `a`".
        place: String,
        /// The type and what was found.
        source: InvalidValue,
    },
    /// The map in the kernel is not what it was declared as.
    MapMismatch {
        /// The map.
        map: String,
        /// In what they differ.
        differences: Vec<String>,
    },
    /// A map of that name is pinned already, and is not the same kind of map.
    IncompatiblePin {
        /// The map.
        map: String,
        /// Where it is pinned.
        path: PathBuf,
        /// In what they differ.
        differences: Vec<String>,
    },
    /// The unit has nothing of that name.
    UnknownName {
        /// `map`, `program`, `global`.
        what: &'static str,
        /// The name.
        name: String,
        /// The unit.
        unit: String,
    },
    /// A global was set to a value of another size.
    GlobalSize {
        /// The global.
        global: String,
        /// Its size in bytes.
        size: usize,
        /// That of the value.
        given: usize,
    },
    /// The compiled object is damaged, or not for this machine.
    Object {
        /// The unit.
        unit: String,
        /// What is wrong with it.
        reason: String,
        /// What said so, where something else did.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The simulator stopped a program, or can't do what it was asked.
    #[cfg(feature = "sim")]
    Simulator(SimulatorError),
    /// Any other refusal of the kernel.
    System {
        /// What was being done.
        action: String,
        /// What that error means here and what to try, where it is known.
        advice: Option<String>,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// The error for a system call that failed while doing `action`, which `need`s these capabilities.
    pub(crate) fn system(action: impl Into<String>, need: Need, source: io::Error) -> Self {
        let action = action.into();
        if source.raw_os_error() == Some(libc::EPERM) {
            return Self::Permission { action, advice: privilege::missing(need), source };
        }
        let advice = advice::for_errno(&source);
        Self::System { action, advice, source }
    }

    /// The error for a system call that failed, with advice of the caller's own.
    pub(crate) fn with_advice(action: impl Into<String>, advice: impl Into<String>, source: io::Error) -> Self {
        Self::System { action: action.into(), advice: Some(advice.into()), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission { action, advice, .. } => {
                write!(f, "cannot {action}: the kernel refuses for want of privilege. {advice}")
            }
            Self::Verifier(error) => error.fmt(f),
            #[cfg(feature = "sim")]
            Self::Simulator(error) => error.fmt(f),
            Self::KernelTooOld { action, needed, running } => write!(
                f,
                "cannot {action}: that needs Linux {needed} or newer, and this is {running}. Where the source says so, \
                 `(min-kernel \"{running}\")` compiles for this kernel"
            ),
            Self::UnknownInterface { action, interface, known } => {
                write!(f, "cannot {action}: there is no network interface `{interface}` here. ")?;
                advice::known_interfaces(f, interface, known)
            }
            Self::InterfaceBusy { program, interface, .. } => write!(
                f,
                "cannot attach program `{program}` to interface `{interface}`: another XDP program is attached there. \
                 `ip link show dev {interface}` shows it; `ip link set dev {interface} xdp off` removes it, unless a process or a pin \
                 holds its link (`bpftool link` lists those)"
            ),
            Self::UnsupportedMode { program, interface, mode, .. } => {
                write!(f, "cannot attach program `{program}` to interface `{interface}` in {mode} mode: ")?;
                f.write_str(match mode {
                    XdpMode::Offload => {
                        "its driver does not take XDP programs into the card. Try `XdpMode::Native`, or `XdpMode::Default`"
                    }
                    XdpMode::Native => {
                        "its driver does not run XDP programs, or not with its present settings (MTU, queues, offloads). \
                         Try `XdpMode::Generic`, which runs everywhere, or `XdpMode::Default`, which takes the best there is"
                    }
                    XdpMode::Generic | XdpMode::Default => "this kind of interface does not run XDP programs",
                })
            }
            Self::NoAttachPoint { program } => write!(
                f,
                "cannot attach program `{program}` where its source says: it says nothing. Add an `(attach-point \"…\")` to it, or name the \
                 place in Rust"
            ),
            Self::MapFull { map, max_entries } => write!(
                f,
                "cannot insert into map `{map}`: it is full, with its {max_entries} entries. Raise `(max-entries …)` in the source or with the \
                 loader, or make it an `:lru-hash`, which drops the entry used least recently"
            ),
            Self::IndexOutOfRange { map, index, len } => {
                write!(f, "map `{map}` has no element {index}: it has {len}, counted from 0")
            }
            Self::PrefixTooLong { map, prefix_len, max } => {
                write!(f, "map `{map}` has no prefixes of {prefix_len} bits: its keys have {max}")
            }
            Self::CpuCount { map, given, possible } => write!(
                f,
                "map `{map}` wants one value for each of the {possible} CPUs this machine can have (`possible_cpus()`), and was given {given}"
            ),
            Self::InvalidValue { place, source } => write!(
                f,
                "{place} holds what is no value of its type: {source}. A program or process that takes it for another type wrote it"
            ),
            Self::MapMismatch { map, differences } => {
                write!(f, "map `{map}` in the kernel is not the one that was declared: {}", differences.join(", "))
            }
            Self::IncompatiblePin { map, path, differences } => write!(
                f,
                "cannot take up map `{map}` from where it is pinned, {path}: that map differs in {differences}. It was probably left by \
                 another version of the program; if nothing needs it any more, remove it (`rm {path}`), else pin to another directory",
                path = path.display(),
                differences = differences.join(", "),
            ),
            Self::UnknownName { what, name, unit } => write!(f, "unit `{unit}` has no {what} `{name}`"),
            Self::GlobalSize { global, size, given } => {
                write!(f, "global `{global}` takes a value of {size} bytes, and was given one of {given}")
            }
            Self::Object { unit, reason, .. } => {
                write!(f, "the compiled object of `{unit}` cannot be loaded: {reason}")
            }
            Self::System { action, advice, source } => {
                write!(f, "cannot {action}: {source}")?;
                match advice {
                    Some(advice) => write!(f, ". {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        // `System` has it in its text.
        if !matches!(self, Self::System { .. }) {
            let mut cause = self.source();
            while let Some(error) = cause {
                write!(f, "\n  caused by: {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Permission { source, .. }
            | Self::InterfaceBusy { source, .. }
            | Self::UnsupportedMode { source, .. }
            | Self::System { source, .. } => Some(source),
            Self::Verifier(error) => error.source(),
            Self::InvalidValue { source, .. } => Some(source),
            Self::Object { source, .. } => source.as_deref().map(|e| e as &(dyn StdError + 'static)),
            #[cfg(feature = "sim")]
            Self::Simulator(error) => error.source(),
            Self::KernelTooOld { .. }
            | Self::UnknownInterface { .. }
            | Self::NoAttachPoint { .. }
            | Self::MapFull { .. }
            | Self::IndexOutOfRange { .. }
            | Self::PrefixTooLong { .. }
            | Self::CpuCount { .. }
            | Self::MapMismatch { .. }
            | Self::IncompatiblePin { .. }
            | Self::UnknownName { .. }
            | Self::GlobalSize { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_leaves_main_reads_like_its_message() {
        let error = Error::MapFull { map: "blocklist".into(), max_entries: 3 };
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().starts_with("cannot insert into map `blocklist`: it is full, with its 3 entries."));
    }

    #[test]
    fn the_chain_of_causes_is_kept() {
        let error = Error::system("do it", Need::Maps, io::Error::from_raw_os_error(libc::EPERM));
        assert!(matches!(error, Error::Permission { .. }));
        let source = error.source().and_then(|e| e.downcast_ref::<io::Error>()).and_then(io::Error::raw_os_error);
        assert_eq!(source, Some(libc::EPERM));
        assert!(format!("{error:?}").contains("caused by: Operation not permitted"));
    }

    #[test]
    fn a_missing_interface_suggests_the_one_meant() {
        let known = ["lo", "enp0s3", "wlan0"].map(String::from).to_vec();
        let error = Error::UnknownInterface { action: "attach".into(), interface: "enp0s8".into(), known };
        assert_eq!(
            error.to_string(),
            "cannot attach: there is no network interface `enp0s8` here. Did you mean `enp0s3`? There are also `lo`, `wlan0`"
        );
        let none = Error::UnknownInterface { action: "attach".into(), interface: "a".into(), known: vec![] };
        assert!(none.to_string().ends_with("There is none at all: a network namespace of its own?"));
    }
}
