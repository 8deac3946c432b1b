//! Memory that is shared with the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf(3) has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// A shared mapping of a descriptor. It is unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    address: *mut libc::c_void,
    len: usize,
}

// SAFETY: the memory belongs to no thread, and is read and written only by atomic operations, and read where the kernel has published something.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of a descriptor from `offset` on.
    pub(crate) fn new(fd: BorrowedFd<'_>, offset: usize, len: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let offset = libc::off_t::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd.as_raw_fd(), offset) };
        if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { address, len }) }
    }

    #[inline]
    fn check(&self, offset: usize, size: usize) {
        assert!(offset.is_multiple_of(size) && offset.checked_add(size).is_some_and(|end| end <= self.len));
    }

    /// The number at an offset, and with it everything that was written before the kernel put it there.
    #[inline]
    pub(crate) fn load_u64(&self, offset: usize) -> u64 {
        self.check(offset, size_of::<u64>());
        // SAFETY: aligned and in bounds, and only ever accessed atomically.
        unsafe { AtomicU64::from_ptr(self.address.cast::<u8>().add(offset).cast()) }.load(Ordering::Acquire)
    }

    /// The same for 32 bits.
    #[inline]
    pub(crate) fn load_u32(&self, offset: usize) -> u32 {
        self.check(offset, size_of::<u32>());
        // SAFETY: as above; reading is all that is done, which a read-only mapping allows for 32 bits.
        unsafe { AtomicU32::from_ptr(self.address.cast::<u8>().add(offset).cast()) }.load(Ordering::Acquire)
    }

    /// Tells the kernel a number, after everything that was read before. The mapping must be writable.
    #[inline]
    pub(crate) fn store_u64(&self, offset: usize, value: u64) {
        self.check(offset, size_of::<u64>());
        // SAFETY: aligned and in bounds, and only ever accessed atomically.
        unsafe { AtomicU64::from_ptr(self.address.cast::<u8>().add(offset).cast()) }.store(value, Ordering::SeqCst);
    }

    /// Bytes that the kernel has published.
    ///
    /// # Safety
    ///
    /// The kernel does not write them while the reference lives.
    #[inline]
    pub(crate) unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: in bounds of a mapping that lives as long as the reference; that nobody writes there is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.address.cast::<u8>().add(offset), len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of this length, that nothing refers to any more. It can't fail for one that exists.
        unsafe { libc::munmap(self.address, self.len) };
    }
}
