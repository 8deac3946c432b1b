//! What programs log by `log-info` and its kin: from a ring buffer to the `log` facade.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use log::Level;

use crate::error::{Error, Need, Result};
use crate::loader::Loaded;
use crate::map::{Event, RingBuf};
use crate::net::MacAddr;
use crate::plain::InvalidValue;
use crate::spec::{LogKind, LogPart, LogSpec, UnitSpec};

/// The global up to whose level programs log.
pub(crate) const LEVEL: &str = "eshkol_log_level";
/// The ring buffer, and the global that counts what it had no room for.
pub(crate) const BUFFER: &str = "eshkol_log";
pub(crate) const LOST: &str = "eshkol_lost_eshkol_log";

/// How long the thread of [`Log::forward`] waits before it looks whether it is to end.
const PATIENCE: Duration = Duration::from_millis(100);

/// The log of a unit's programs. A line that is taken is gone, whoever takes it.
#[derive(Debug)]
pub struct Log {
    unit: &'static UnitSpec,
    /// The module of the unit: the target of its lines.
    target: &'static str,
    buffer: RingBuf<Bytes>,
    /// How many lost lines were told of.
    told: AtomicU64,
}

/// A line that a program has logged.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LogLine {
    /// Its level.
    pub level: Level,
    /// The text.
    pub message: String,
    /// The file of the Scheme source.
    pub file: &'static str,
    /// The line there, from 1.
    pub line: u32,
}

/// A record as it comes.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Event for Bytes {
    // As many as the line takes.
    const SIZES: &'static [usize] = &[];

    fn decode_event(bytes: &[u8]) -> std::result::Result<Self, InvalidValue> {
        Ok(Self(bytes.to_vec()))
    }
}

impl Log {
    pub(crate) fn new(unit: &'static UnitSpec, target: &'static str, loaded: &Loaded) -> Result<Self> {
        Ok(Self { unit, target, buffer: loaded.ring_buffer(BUFFER, LOST)?, told: AtomicU64::new(0) })
    }

    /// The next line, where there is one.
    pub fn try_next(&self) -> Result<Option<LogLine>> {
        self.next_timeout(Duration::ZERO)
    }

    /// The next line, waiting for it at most this long.
    pub fn next_timeout(&self, timeout: Duration) -> Result<Option<LogLine>> {
        self.buffer.next_timeout(timeout)?.map(|record| self.line(&record.0)).transpose()
    }

    /// Hands every line that is there on to the `log` facade; gives how many there were. Lines for which there was no room are told of by a warning.
    pub fn drain(&self) -> Result<usize> {
        let mut count = 0;
        while let Some(line) = self.try_next()? {
            self.hand_on(&line);
            count += 1;
        }
        self.tell_of_lost()?;
        Ok(count)
    }

    /// Has a thread hand every line on to the `log` facade as it comes, until what this gives is dropped.
    pub fn forward(self) -> Result<LogForwarder> {
        let ended = Arc::new(AtomicBool::new(false));
        let unit = self.unit.name;
        let thread = thread::Builder::new().name(format!("log of {unit}")).spawn({
            let ended = Arc::clone(&ended);
            move || self.forward_until(&ended)
        });
        let action = format!("begin a thread for the log of `{unit}`");
        let thread = thread.map_err(|error| Error::system(action, Need::Maps, error))?;
        Ok(LogForwarder { ended, thread: Some(thread) })
    }

    fn forward_until(&self, ended: &AtomicBool) {
        // What comes after the end was asked for is not waited for; what is there by then is handed on.
        let mut last = false;
        while !last {
            last = ended.load(Ordering::Acquire);
            let waited = if last { Ok(None) } else { self.next_timeout(PATIENCE) };
            let handed_on =
                waited.map(|line| line.iter().for_each(|line| self.hand_on(line))).and_then(|()| self.drain());
            if let Err(error) = handed_on {
                log::error!(target: self.target, "the log of `{}` can't be read: {error}", self.unit.name);
            }
        }
    }

    fn hand_on(&self, line: &LogLine) {
        log::logger().log(
            &log::Record::builder()
                .level(line.level)
                .target(self.target)
                .module_path_static(Some(self.target))
                .file_static(Some(line.file))
                .line(Some(line.line))
                .args(format_args!("{}", line.message))
                .build(),
        );
    }

    fn tell_of_lost(&self) -> Result<()> {
        let lost = self.buffer.lost()?;
        let told = self.told.swap(lost, Ordering::Relaxed);
        if lost > told {
            let more = lost - told;
            log::warn!(target: self.target, "{more} lines of `{}` were lost: they came faster than they were read", self.unit.name);
        }
        Ok(())
    }

    fn line(&self, record: &[u8]) -> Result<LogLine> {
        let invalid = || Error::InvalidValue {
            place: format!("the log of `{}`", self.unit.name),
            source: InvalidValue::new("a line of the log", record.len() as u64),
        };
        let number = record.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        let spec: &'static LogSpec =
            number.and_then(|number| self.unit.log.get(number as usize)).ok_or_else(invalid)?;
        let level = Level::iter().nth(usize::from(spec.level).wrapping_sub(1)).ok_or_else(invalid)?;
        let mut message = String::new();
        for part in spec.parts {
            match part {
                LogPart::Text(text) => message.push_str(text),
                LogPart::Value { kind, offset } => {
                    let bytes = record.get(*offset as usize..).ok_or_else(invalid)?;
                    write_value(&mut message, *kind, bytes).ok_or_else(invalid)?;
                }
            }
        }
        Ok(LogLine { level, message, file: spec.file, line: spec.line })
    }
}

/// Writes a value that begins with these bytes; `None` where they are too few.
fn write_value(out: &mut String, kind: LogKind, bytes: &[u8]) -> Option<()> {
    let word = || bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
    // Writing to text does not fail.
    let _ = match kind {
        LogKind::Unsigned => write!(out, "{}", word()?),
        LogKind::Signed => write!(out, "{}", word()?.cast_signed()),
        LogKind::Hex => write!(out, "{:x}", word()?),
        LogKind::Bool => write!(out, "{}", word()? != 0),
        LogKind::Ipv4 => {
            let [.., a, b, c, d] = word()?.to_be_bytes();
            write!(out, "{}", Ipv4Addr::new(a, b, c, d))
        }
        LogKind::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(..16)?).ok()?)),
        LogKind::Mac => write!(out, "{}", MacAddr::from(<[u8; 6]>::try_from(bytes.get(..6)?).ok()?)),
        LogKind::Text(size) => {
            let text = bytes.get(..size as usize)?;
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            write!(out, "{}", String::from_utf8_lossy(&text[..end]))
        }
    };
    Some(())
}

/// The thread that [`Log::forward`] began. Dropping this ends it, once it has handed on what is there.
#[derive(Debug)]
#[must_use = "dropping it ends the forwarding"]
pub struct LogForwarder {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LogForwarder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It has told of its own errors.
            let _ = thread.join();
        }
    }
}
