//! packet(7) and the filters of socket(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `ETH_P_ALL` of include/uapi/linux/if_ether.h: every packet.
const EVERY_PROTOCOL: u16 = 3;

/// Attaches a program to a socket, in place of what is attached there.
pub(crate) fn attach_filter(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SO_ATTACH_BPF, program.as_raw_fd())
}

/// Takes the program off a socket.
pub(crate) fn detach_filter(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SO_DETACH_BPF, 0)
}

fn set_option(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or_default();
    // SAFETY: the option's value is a live integer of the size given.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), size) };
    done(result)
}

/// A raw packet socket that gets nothing yet.
pub(crate) fn open() -> io::Result<OwnedFd> {
    // SAFETY: no addresses.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    done(fd)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Has it get every packet of an interface, in both directions.
pub(crate) fn bind(socket: BorrowedFd<'_>, interface: u32) -> io::Result<()> {
    // SAFETY: integers, for which zeros are values.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    address.sll_protocol = EVERY_PROTOCOL.to_be();
    address.sll_ifindex = interface.cast_signed();
    let size = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
    // SAFETY: a live address of the size given.
    done(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) })
}

/// Waits for a packet at most so many milliseconds, or for ever with a negative number; what of it fits into the buffer is put there. Gives how
/// many bytes the socket was given; `None` where none came.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    milliseconds: libc::c_int,
) -> io::Result<Option<usize>> {
    let mut poll = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live entry, exclusively ours.
    match unsafe { libc::poll(&raw mut poll, 1, milliseconds) } {
        0 => return Ok(None),
        result => done(result)?,
    }
    // With `MSG_TRUNC`, the length of the whole packet is given, whatever fits.
    let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: a live buffer of the size given, exclusively ours.
    let result = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
    match usize::try_from(result) {
        Ok(length) => Ok(Some(length)),
        Err(_) => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            error => Err(error),
        },
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
