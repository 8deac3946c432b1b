//! bpf(2): only here and in the modules below, the kernel is spoken to about maps, programs and links. Every function is safe to call.

mod map;
pub(crate) mod mapping;
pub(crate) mod packet_socket;
pub(crate) mod perf;
pub(crate) mod readiness;
pub(crate) mod signals;
pub(crate) mod traffic_control;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) use map::{ANY, EXIST, MapFd, MapInfo, NOEXIST, kind, per_cpu_stride};

// `enum bpf_cmd` in include/uapi/linux/bpf.h.
const OBJ_PIN: i32 = 6;
const OBJ_GET: i32 = 7;
const PROG_TEST_RUN: i32 = 10;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const RAW_TRACEPOINT_OPEN: i32 = 17;
const LINK_CREATE: i32 = 28;
const LINK_UPDATE: i32 = 29;
const LINK_DETACH: i32 = 34;

/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;

/// One variant of `union bpf_attr`, from its first byte: integers only, and no padding (which the kernel wants to be zero).
trait Attr {}

#[repr(C)]
struct ObjectAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

#[repr(C)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

#[repr(C)]
struct LinkCreateAttr {
    prog_fd: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
struct LinkUpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

#[repr(C)]
struct LinkDetachAttr {
    link_fd: u32,
}

#[repr(C)]
struct RawTracepointAttr {
    name: u64,
    prog_fd: u32,
    zero: u32,
}

impl Attr for RawTracepointAttr {}
impl Attr for ObjectAttr {}
impl Attr for InfoAttr {}
impl Attr for TestRunAttr {}
impl Attr for LinkCreateAttr {}
impl Attr for LinkUpdateAttr {}
impl Attr for LinkDetachAttr {}

/// Calls bpf(2).
///
/// # Safety
///
/// Every address in `attr` must be valid for what `command` does with it.
unsafe fn bpf<A: Attr>(command: i32, attr: &mut A) -> io::Result<i32> {
    // SAFETY: `attr` is live and exclusively ours for the call, its size is given; what it points to is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        // The kernel returns an int.
        #[expect(clippy::cast_possible_truncation, reason = "bpf(2) returns an int")]
        Ok(result as i32)
    }
}

/// As [`bpf`], for the commands that return a file descriptor.
///
/// # Safety
///
/// As for [`bpf`], and `command` returns a new file descriptor.
unsafe fn bpf_fd<A: Attr>(command: i32, attr: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let fd = unsafe { bpf(command, attr)? };
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    let fd: RawFd = fd.as_raw_fd();
    // A borrowed descriptor is never negative.
    fd.unsigned_abs()
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

fn address_mut(bytes: &mut [u8]) -> u64 {
    bytes.as_mut_ptr().expose_provenance() as u64
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))
}

fn path_name(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Whether an errno says that what was asked for is not there.
fn absent(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}

/// What the kernel says of a program: `struct bpf_prog_info` as far as the count of verified instructions.
#[repr(C)]
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct ProgramInfo {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) tag: [u8; 8],
    pub(crate) jited_len: u32,
    pub(crate) xlated_len: u32,
    pub(crate) jited_insns: u64,
    pub(crate) xlated_insns: u64,
    pub(crate) load_time: u64,
    pub(crate) created_by_uid: u32,
    pub(crate) map_count: u32,
    pub(crate) map_ids: u64,
    pub(crate) name: [u8; 16],
    pub(crate) ifindex: u32,
    pub(crate) gpl_compatible: u32,
    pub(crate) netns: [u64; 2],
    pub(crate) jited_ksyms_count: u32,
    pub(crate) jited_lens_count: u32,
    pub(crate) jited_ksyms: u64,
    pub(crate) jited_lens: u64,
    pub(crate) btf_id: u32,
    pub(crate) func_info_size: u32,
    pub(crate) func_info: u64,
    pub(crate) func_info_count: u32,
    pub(crate) line_info_count: u32,
    pub(crate) line_info: u64,
    pub(crate) jited_line_info: u64,
    pub(crate) jited_line_info_count: u32,
    pub(crate) line_info_size: u32,
    pub(crate) jited_line_info_size: u32,
    pub(crate) tag_count: u32,
    pub(crate) tags: u64,
    pub(crate) run_time_ns: u64,
    pub(crate) run_count: u64,
    pub(crate) recursion_misses: u64,
    pub(crate) verified_instructions: u32,
    pub(crate) attach_btf_object: u32,
}

/// What the kernel says of a link: the start of `struct bpf_link_info`, with XDP's part of the union.
#[repr(C)]
#[derive(Copy, Clone, Default, Debug)]
pub(crate) struct LinkInfo {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) program_id: u32,
    pub(crate) zero: u32,
    /// The interface, for XDP links; 0 once detached.
    pub(crate) ifindex: u32,
    pub(crate) zero2: u32,
}

// `enum bpf_link_type`.
pub(crate) const LINK_TYPE_CGROUP: u32 = 3;
pub(crate) const LINK_TYPE_XDP: u32 = 6;
pub(crate) const LINK_TYPE_TCX: u32 = 11;

/// Plain integers, for which any bytes the kernel writes are values.
///
/// # Safety
///
/// The type must be `repr(C)`, of integers only.
unsafe trait Info: Default {}

// SAFETY: `repr(C)`, integers only.
unsafe impl Info for ProgramInfo {}
// SAFETY: `repr(C)`, integers only.
unsafe impl Info for LinkInfo {}

/// What the kernel says of an object. What an older kernel does not know stays 0.
fn info<I: Info>(fd: BorrowedFd<'_>) -> io::Result<I> {
    let mut info = I::default();
    let size = u32::try_from(size_of::<I>()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let mut attr =
        InfoAttr { bpf_fd: number(fd), info_len: size, info: std::ptr::from_mut(&mut info).expose_provenance() as u64 };
    // SAFETY: the kernel writes at most `info_len` bytes, which is the size of `info`; `Info` says that any bytes will do.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &mut attr)? };
    Ok(info)
}

pub(crate) fn program_info(fd: BorrowedFd<'_>) -> io::Result<ProgramInfo> {
    info(fd)
}

pub(crate) fn link_info(fd: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    info(fd)
}

/// Pins a map, program or link at `path`.
pub(crate) fn object_pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = path_name(path)?;
    let mut attr = ObjectAttr { pathname: address(path.as_bytes_with_nul()), bpf_fd: number(fd), file_flags: 0 };
    // SAFETY: `pathname` is the address of a NUL-terminated string that outlives the call.
    unsafe { bpf(OBJ_PIN, &mut attr) }.map(|_| ())
}

/// Opens what is pinned at `path`.
pub(crate) fn object_get(path: &Path) -> io::Result<OwnedFd> {
    let path = path_name(path)?;
    let mut attr = ObjectAttr { pathname: address(path.as_bytes_with_nul()), bpf_fd: 0, file_flags: 0 };
    // SAFETY: `pathname` is the address of a NUL-terminated string that outlives the call; the command returns a descriptor.
    unsafe { bpf_fd(OBJ_GET, &mut attr) }
}

/// Attaches an XDP program to an interface. `flags` are `XDP_FLAGS_*_MODE`.
pub(crate) fn link_create_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAttr { prog_fd: number(program), target: ifindex, attach_type: ATTACH_XDP, flags };
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { bpf_fd(LINK_CREATE, &mut attr) }
}

/// A hook of `enum bpf_attach_type`.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hook(pub(crate) u32);

/// Attaches a program to a hook of an interface or a cgroup, whose index or descriptor is the target.
pub(crate) fn link_create(program: BorrowedFd<'_>, target: u32, hook: Hook) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAttr { prog_fd: number(program), target, attach_type: hook.0, flags: 0 };
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { bpf_fd(LINK_CREATE, &mut attr) }
}

/// The same for a target that is a descriptor.
pub(crate) fn link_create_at(program: BorrowedFd<'_>, target: BorrowedFd<'_>, hook: Hook) -> io::Result<OwnedFd> {
    link_create(program, number(target), hook)
}

/// Whether what a descriptor is of lies on a file system with this magic number.
pub(crate) fn is_on_file_system(fd: BorrowedFd<'_>, magic: i64) -> bool {
    // SAFETY: integers, for which zeros are values.
    let mut information: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a live struct, exclusively ours.
    let result = unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut information) };
    #[expect(clippy::useless_conversion, reason = "its type is another on other machines")]
    let kind = i64::try_from(information.f_type);
    result == 0 && kind.is_ok_and(|kind| kind == magic)
}

/// Attaches a program to a raw tracepoint, until the descriptor is closed. One that was verified for its tracepoint needs no name.
pub(crate) fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&CStr>) -> io::Result<OwnedFd> {
    let name = name.map_or(0, |name| address(name.to_bytes_with_nul()));
    let mut attr = RawTracepointAttr { name, prog_fd: number(program), zero: 0 };
    // SAFETY: `name` is 0 or the address of a NUL-terminated string that outlives the call; the command returns a descriptor.
    unsafe { bpf_fd(RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// Replaces a link's program.
pub(crate) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = LinkUpdateAttr { link_fd: number(link), new_prog_fd: number(program), flags: 0, old_prog_fd: 0 };
    // SAFETY: no addresses.
    unsafe { bpf(LINK_UPDATE, &mut attr) }.map(|_| ())
}

/// Detaches a link, whoever else holds it.
pub(crate) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = LinkDetachAttr { link_fd: number(link) };
    // SAFETY: no addresses.
    unsafe { bpf(LINK_DETACH, &mut attr) }.map(|_| ())
}

/// What `BPF_PROG_TEST_RUN` gave.
pub(crate) struct TestRunOutput {
    pub(crate) return_value: u32,
    pub(crate) data: Vec<u8>,
    /// Mean of all runs.
    pub(crate) nanoseconds: u32,
}

/// Runs a program `repeat` times on `data`, leaving `spare` bytes for it to grow the data.
pub(crate) fn program_test_run(
    program: BorrowedFd<'_>,
    data: &[u8],
    spare: usize,
    repeat: u32,
) -> io::Result<TestRunOutput> {
    let mut output = vec![0; data.len() + spare];
    let mut attr = TestRunAttr {
        prog_fd: number(program),
        retval: 0,
        data_size_in: length(data)?,
        data_size_out: length(&output)?,
        data_in: address(data),
        data_out: address_mut(&mut output),
        repeat,
        duration: 0,
    };
    // SAFETY: both addresses are of live buffers of the sizes given; `output` is exclusively ours.
    unsafe { bpf(PROG_TEST_RUN, &mut attr)? };
    output.truncate(attr.data_size_out as usize);
    Ok(TestRunOutput { return_value: attr.retval, data: output, nanoseconds: attr.duration })
}
