//! States of TCP connections.

use std::fmt;

use crate::plain::InvalidValue;

/// A state of a TCP connection, as the kernel counts them (include/net/tcp_states.h) and `tcp-flags->state` gives them.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum TcpState {
    /// Data can go both ways.
    Established = 1,
    /// A connection was asked for.
    SynSent = 2,
    /// It was asked for and answered.
    SynRecv = 3,
    /// This side has ended it.
    FinWait1 = 4,
    /// The other side knows that.
    FinWait2 = 5,
    /// Both sides have ended it; late segments may still come.
    TimeWait = 6,
    /// There is none (any more).
    Close = 7,
    /// The other side has ended it.
    CloseWait = 8,
    /// So has this one.
    LastAck = 9,
    /// Connections may be asked for.
    Listen = 10,
    /// Both sides have ended it at once.
    Closing = 11,
    /// It was asked for and answered, and there is no socket yet.
    NewSynRecv = 12,
}

impl TryFrom<u8> for TcpState {
    type Error = InvalidValue;

    fn try_from(number: u8) -> Result<Self, InvalidValue> {
        Ok(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynRecv,
            _ => return Err(InvalidValue::new("TcpState", number.into())),
        })
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Established => "established",
            Self::SynSent => "syn-sent",
            Self::SynRecv => "syn-recv",
            Self::FinWait1 => "fin-wait-1",
            Self::FinWait2 => "fin-wait-2",
            Self::TimeWait => "time-wait",
            Self::Close => "close",
            Self::CloseWait => "close-wait",
            Self::LastAck => "last-ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
            Self::NewSynRecv => "new-syn-recv",
        })
    }
}
