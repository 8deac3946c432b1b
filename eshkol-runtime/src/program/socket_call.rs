//! Runs of programs on addresses that no process has given to a system call, in the simulator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::cgroup::{CgroupAction, CgroupSockAddrProgram};
use super::test_run::Action as _;
use crate::error::{Error, Result};
use crate::sim::{Machine, SimulatorError};

/// A system call of a socket with an address: `connect`, `bind`, `sendmsg` …, as the hook of the program says.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct SocketCall {
    /// The address that the process gives or, of `recvmsg`, `getpeername` and `getsockname`, gets.
    pub address: SocketAddr,
    /// Of `sendmsg`, the address that the message is sent from; without it, any.
    pub source: Option<IpAddr>,
    /// The type of the socket: `SOCK_STREAM`, `SOCK_DGRAM`, ….
    pub socket_type: u32,
    /// Its protocol: `IPPROTO_TCP`, `IPPROTO_UDP`, ….
    pub protocol: u32,
}

/// What a program made of a call.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SocketCallRun {
    /// What the program returned.
    pub return_value: u32,
    /// The call, with the addresses that the kernel goes on with if it is allowed.
    pub call: SocketCall,
    /// What the process gets of the program: 0, where the kernel goes on, or a negative errno, `-EPERM` where the program denies the call and has set no
    /// other (`bpf-set-retval`).
    pub result: i32,
}

impl SocketCallRun {
    /// The decision, where the return value is one.
    pub fn action(&self) -> Option<CgroupAction> {
        CgroupAction::from_return_value(self.return_value)
    }
}

impl SocketCall {
    /// Of a TCP socket.
    pub fn tcp(address: impl Into<SocketAddr>) -> Self {
        Self::new(address.into(), libc::SOCK_STREAM, libc::IPPROTO_TCP)
    }

    /// Of a UDP socket.
    pub fn udp(address: impl Into<SocketAddr>) -> Self {
        Self::new(address.into(), libc::SOCK_DGRAM, libc::IPPROTO_UDP)
    }

    fn new(address: SocketAddr, socket_type: i32, protocol: i32) -> Self {
        let [socket_type, protocol] = [socket_type, protocol].map(i32::cast_unsigned);
        Self { address, source: None, socket_type, protocol }
    }

    /// As it lies in memory.
    fn context(&self) -> [u8; SOCK_ADDR] {
        let mut context = [0; SOCK_ADDR];
        let mut put = |at: usize, bytes: &[u8]| context[at..at + bytes.len()].copy_from_slice(bytes);
        let family = if self.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        for at in [USER_FAMILY, FAMILY] {
            put(at, &family.to_ne_bytes());
        }
        match self.address.ip() {
            IpAddr::V4(address) => put(USER_IP4, &address.octets()),
            IpAddr::V6(address) => put(USER_IP6, &address.octets()),
        }
        // In network order, as a number of 32 bits.
        put(USER_PORT, &u32::from(self.address.port().to_be()).to_ne_bytes());
        put(TYPE, &self.socket_type.to_ne_bytes());
        put(PROTOCOL, &self.protocol.to_ne_bytes());
        match self.source {
            Some(IpAddr::V4(source)) => put(MSG_SRC_IP4, &source.octets()),
            Some(IpAddr::V6(source)) => put(MSG_SRC_IP6, &source.octets()),
            None => {}
        }
        context
    }

    /// The same call, with the addresses that lie in memory.
    fn with(self, context: &[u8; SOCK_ADDR]) -> Self {
        let ip = |at_4: usize, at_6: usize| match self.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(part(context, at_4))),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(part(context, at_6))),
        };
        let mut call = self;
        call.address.set_ip(ip(USER_IP4, USER_IP6));
        let port = u32::from_ne_bytes(part(context, USER_PORT)) & u32::from(u16::MAX);
        call.address.set_port(u16::from_be(u16::try_from(port).unwrap_or_default()));
        let source = ip(MSG_SRC_IP4, MSG_SRC_IP6);
        call.source = if source.is_unspecified() { self.source } else { Some(source) };
        call
    }
}

// Offsets in `struct bpf_sock_addr` of include/uapi/linux/bpf.h, and where its address of the socket begins, which is not simulated.
const USER_FAMILY: usize = 0;
const USER_IP4: usize = 4;
const USER_IP6: usize = 8;
const USER_PORT: usize = 24;
const FAMILY: usize = 28;
const TYPE: usize = 32;
const PROTOCOL: usize = 36;
const MSG_SRC_IP4: usize = 40;
const MSG_SRC_IP6: usize = 44;
const SOCK_ADDR: usize = 60;

fn part<const N: usize>(context: &[u8; SOCK_ADDR], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&context[at..at + N]);
    bytes
}

impl CgroupSockAddrProgram {
    /// Runs it in the simulator as if a process of the cgroup made this call: what it decides, and the addresses as it leaves them. The kernel has no
    /// such runs.
    pub fn test_run(&self, call: &SocketCall) -> Result<SocketCallRun> {
        let name = self.name();
        let unable = |reason: String| Error::Simulator(SimulatorError::unable(reason));
        let machine: &Machine = self.handle().simulated().ok_or_else(|| {
            unable(format!("run program `{name}` without a call: `test()` loads it where that can be done"))
        })?;
        let hook = self.hook();
        let is_ipv4 = hook.ends_with('4');
        if call.address.is_ipv4() != is_ipv4 || call.source.is_some_and(|source| source.is_ipv4() != is_ipv4) {
            let version = if is_ipv4 { "IPv4" } else { "IPv6" };
            return Err(unable(format!("run program `{name}` on {call:?}: at `{hook}` are addresses of {version}")));
        }
        let outcome = machine.run_on_memory(self.handle().spec.symbol, &call.context()).map_err(Error::Simulator)?;
        let mut context = [0; SOCK_ADDR];
        context.copy_from_slice(&outcome.packet);
        // A program's result has 32 bits.
        let return_value = u32::try_from(outcome.return_value & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let result = call_result(return_value, outcome.call_result);
        Ok(SocketCallRun { return_value, call: call.with(&context), result })
    }
}

/// What a call gives of which the program has decided and said this (`bpf_prog_run_array_cg` in `kernel/bpf/cgroup.c`).
fn call_result(return_value: u32, said: i32) -> i32 {
    /// `-MAX_ERRNO`
    const LEAST: i32 = -4095;
    let is_error = (LEAST..0).contains(&said);
    // Further bits are for hooks of their own.
    let denies = return_value & 1 == 0;
    if denies && !is_error { -libc::EPERM } else { said }
}
