//! Traffic control through rtnetlink(7): the queueing discipline `clsact`, and programs as its filters.
//!
//! Sources: include/uapi/linux/{rtnetlink,pkt_sched,pkt_cls}.h.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

// Kinds and flags of messages.
const NEW_QDISC: u16 = 36;
const NEW_FILTER: u16 = 44;
const DELETE_FILTER: u16 = 45;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const ECHO: u16 = 8;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

// Attributes.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_FD: u16 = 6;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;

/// `TCA_BPF_FLAG_ACT_DIRECT`: what the program returns is what is done.
const DIRECT_ACTION: u32 = 1;
/// `TC_H_CLSACT`, and its two hooks.
const CLSACT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// `ETH_P_ALL`.
const EVERY_PROTOCOL: u16 = 3;

/// Bytes of `struct nlmsghdr` and `struct tcmsg`.
const HEADER: usize = 16;
const MESSAGE: usize = 20;

/// A filter that is there.
#[derive(Debug)]
pub(crate) struct Filter {
    /// In the network namespace that the filter is in.
    socket: Socket,
    message: Message,
}

/// `struct tcmsg`.
#[derive(Copy, Clone, Debug)]
struct Message {
    interface: u32,
    handle: u32,
    parent: u32,
    /// Priority in the upper, protocol in the lower half.
    info: u32,
}

impl Message {
    fn bytes(self) -> Vec<u8> {
        let family = 0_u32;
        [family, self.interface, self.handle, self.parent, self.info].into_iter().flat_map(u32::to_ne_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.get(..MESSAGE)?.chunks(4).map(|word| word.try_into().map_or(0, u32::from_ne_bytes));
        words.next()?;
        let [interface, handle, parent, info] = [words.next()?, words.next()?, words.next()?, words.next()?];
        Some(Self { interface, handle, parent, info })
    }
}

/// Makes a program a filter of an interface, with the discipline for it where that is not there yet. The kernel gives it a priority of its own,
/// before those that came earlier.
pub(crate) fn add_filter(interface: u32, egress: bool, program: &impl AsRawFd, name: &str) -> io::Result<Filter> {
    let socket = Socket::open()?;
    let discipline = Message { interface, handle: CLSACT & 0xffff_0000, parent: CLSACT, info: 0 };
    let kind = attribute(KIND, b"clsact\0");
    match socket.request(NEW_QDISC, CREATE | EXCLUSIVE, discipline, &kind) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => return Err(error),
        _ => {}
    }
    let options = [
        attribute(BPF_FD, &program.as_raw_fd().to_ne_bytes()),
        attribute(BPF_NAME, &[name.as_bytes(), b"\0"].concat()),
        attribute(BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes()),
    ];
    let attributes = [attribute(KIND, b"bpf\0"), attribute(OPTIONS, &options.concat())].concat();
    let parent = if egress { EGRESS } else { INGRESS };
    let wanted = Message { interface, handle: 0, parent, info: EVERY_PROTOCOL.to_be().into() };
    let made = socket.request(NEW_FILTER, CREATE | EXCLUSIVE | ECHO, wanted, &attributes)?;
    let message =
        made.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel did not say which filter it made"))?;
    Ok(Filter { socket, message })
}

impl Filter {
    /// Removes it. That it is gone already, with its interface or by somebody else, is no error.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match self.socket.request(DELETE_FILTER, 0, self.message, &attribute(KIND, b"bpf\0")) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// An attribute: its length, its type, its bytes, and zeros up to a multiple of four.
fn attribute(kind: u16, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
    let mut attribute = [&length.to_ne_bytes(), &kind.to_ne_bytes(), bytes].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// A socket of `NETLINK_ROUTE`.
#[derive(Debug)]
struct Socket(OwnedFd);

impl Socket {
    fn open() -> io::Result<Self> {
        // SAFETY: no addresses.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a message and waits until the kernel has done what it says. With `ECHO`, what it has made.
    fn request(&self, kind: u16, flags: u16, message: Message, attributes: &[u8]) -> io::Result<Option<Message>> {
        const SEQUENCE: u32 = 1;
        const KERNEL: u32 = 0;
        let body = [message.bytes(), attributes.to_vec()].concat();
        let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
        let flags = flags | REQUEST | ACKNOWLEDGE;
        let request = [
            &length.to_ne_bytes()[..],
            &kind.to_ne_bytes(),
            &flags.to_ne_bytes(),
            &SEQUENCE.to_ne_bytes(),
            &KERNEL.to_ne_bytes(),
            &body,
        ]
        .concat();
        // SAFETY: a live buffer of the size given.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut made = None;
        loop {
            let answer = self.receive()?;
            let mut rest = answer.as_slice();
            while let Some((kind, body, next)) = split(rest) {
                match kind {
                    ERROR => {
                        let errno = body.get(..4).and_then(|word| word.try_into().ok()).map_or(0, i32::from_ne_bytes);
                        return if errno == 0 { Ok(made) } else { Err(io::Error::from_raw_os_error(-errno)) };
                    }
                    _ => made = Message::read(body).or(made),
                }
                rest = next;
            }
        }
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 1 << 15];
        // SAFETY: a live buffer of the size given, exclusively ours.
        let length = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// The first message of several: its kind, what is in it, and those after it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}
