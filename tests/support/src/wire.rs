//! Frames in and out of an interface.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A raw socket on one interface: it sends frames out of it, and sees those that come in.
///
/// Made in a [`Namespace`](crate::Namespace), it stays in it: `namespace.run(|| Wire::open("a"))`.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
}

impl Wire {
    /// Opens the interface with this name.
    pub fn open(interface: &str) -> io::Result<Self> {
        let every_protocol = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be();
        // SAFETY: no addresses.
        let fd = unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::c_int::from(every_protocol))
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let name = CString::new(interface)?;
        // SAFETY: a NUL-terminated string, alive for the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::other(format!("no interface {interface}")));
        }
        // SAFETY: a struct of integers, for which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_protocol = every_protocol;
        address.sll_ifindex = index.cast_signed();
        // SAFETY: the address of a live `sockaddr_ll`, and its size.
        check(unsafe { libc::bind(fd, (&raw const address).cast(), size(&address)) })?;
        let on: libc::c_int = 1;
        // SAFETY: the address of a live integer, and its size.
        check(unsafe {
            libc::setsockopt(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, (&raw const on).cast(), size(&on))
        })?;
        Ok(Self { socket })
    }

    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the address of live bytes, and how many.
        let sent = unsafe { libc::send(self.fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        if sent.cast_unsigned() == frame.len() {
            Ok(())
        } else {
            Err(io::Error::other("sent only a part of the frame"))
        }
    }

    /// The next frame that comes in, or `None` when none does in time. A VLAN tag that the kernel has taken out is put back.
    pub fn receive(&self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let milliseconds = libc::c_int::try_from(left.as_millis()).unwrap_or(libc::c_int::MAX);
            let mut poll = libc::pollfd { fd: self.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: the address of one live `pollfd`.
            if check(unsafe { libc::poll(&raw mut poll, 1, milliseconds) })? == 0 {
                return Ok(None);
            }
            if let Some(frame) = self.read()? {
                return Ok(Some(frame));
            }
        }
    }

    /// Everything that has come in by now.
    pub fn drain(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        while let Some(frame) = self.receive(Duration::ZERO)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Reads a frame that is there. `None`: one that goes out, which such a socket sees too.
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0_u8; 65536];
        let mut control = [0_u64; 16];
        // SAFETY: structs of integers and addresses, for which zero is a value.
        let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { std::mem::zeroed() };
        let mut buffer = libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = size(&from);
        message.msg_iov = &raw mut buffer;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: all addresses in `message` are of live buffers of the sizes given.
        let length = unsafe { libc::recvmsg(self.fd(), &raw mut message, 0) };
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        frame.truncate(length.cast_unsigned());
        if from.sll_pkttype == libc::PACKET_OUTGOING {
            return Ok(None);
        }
        if let Some([a, b, c, d]) = vlan_tag(&message) {
            frame.splice(12..12, [a, b, c, d]);
        }
        Ok(Some(frame))
    }

    fn fd(&self) -> libc::c_int {
        self.socket.as_fd().as_raw_fd()
    }
}

/// The tag that the kernel keeps beside the frame, as it was in it.
fn vlan_tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: a message that `recvmsg` has filled in, with its control buffer alive.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    if header.is_null() {
        return None;
    }
    // SAFETY: not null, in the control buffer, which is aligned for it.
    let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
    if (level, kind) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: a message of this level and type holds this struct of integers.
    let auxiliary = unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() };
    if auxiliary.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let [a, b] = auxiliary.tp_vlan_tpid.to_be_bytes();
    let [c, d] = auxiliary.tp_vlan_tci.to_be_bytes();
    Some([a, b, c, d])
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn size<T>(value: &T) -> libc::socklen_t {
    // No more than a few hundred bytes.
    libc::socklen_t::try_from(size_of_val(value)).unwrap_or(libc::socklen_t::MAX)
}
