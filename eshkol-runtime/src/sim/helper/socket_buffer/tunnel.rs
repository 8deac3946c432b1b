//! Helpers that ask what the tunnel of a packet knew of it, and say what the tunnel that it is sent through is to do (`net/core/filter.c`,
//! `include/net/ip_tunnels.h`). No packet comes out of a tunnel here: there is what the program itself has said.

use super::super::{Arguments, Errno, Fault, Helper, Run, negated, outcome, size};
use super::socket_buffer;
use crate::sim::socket_buffer::Tunnel;

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 20, name: "bpf_skb_get_tunnel_key", arguments: 4, call: get_key },
    Helper { number: 21, name: "bpf_skb_set_tunnel_key", arguments: 4, call: set_key },
    Helper { number: 29, name: "bpf_skb_get_tunnel_opt", arguments: 3, call: get_options },
    Helper { number: 30, name: "bpf_skb_set_tunnel_opt", arguments: 3, call: set_options },
    Helper { number: 66, name: "bpf_skb_get_xfrm_state", arguments: 5, call: no_state },
];

// Flags of the helpers.
const IPV6: u64 = 1 << 0;
const NO_CHECKSUM: u64 = 1 << 1;
const DONT_FRAGMENT: u64 = 1 << 2;
const SEQUENCE: u64 = 1 << 3;
/// Of `bpf_skb_set_tunnel_key`.
const NO_KEY: u64 = 1 << 4;
/// Of `bpf_skb_get_tunnel_key`.
const FLAGS: u64 = 1 << 4;

// `struct bpf_tunnel_key`: an id, 16 bytes of the remote address, the type of service, the time to live, flags, the flow label, and 16 bytes of the local
// address.
const KEY: usize = 44;
const REMOTE: usize = 4;
const SERVICE: usize = 20;
const TIME_TO_LIVE: usize = 21;
const EXTENSION: usize = 22;
const LABEL: usize = 24;
const LOCAL: usize = 28;
/// The bits that a flow label has (`IPV6_FLOWLABEL_MASK`).
const LABEL_BITS: u32 = 0xf_ffff;
/// Older programs know no more of it. The first of them have no room for addresses of IPv6.
const OLDER: [usize; 3] = [LOCAL, LABEL, EXTENSION];
const OLDEST: usize = 8;

// Flags of tunnels (`IP_TUNNEL_*_BIT`), as memory has them from the network.
const HAS_CHECKSUM: u16 = 1 << 0;
const HAS_KEY: u16 = 1 << 2;
const HAS_SEQUENCE: u16 = 1 << 3;
const IS_WHOLE: u16 = 1 << 8;
/// For Geneve, VXLAN, ERSPAN and GTP.
const HAS_OPTIONS: u16 = 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15;
const IS_NOT_CACHED: u16 = 1 << 13;

fn get_key(run: &mut Run<'_>, [context, to, length, flags, _]: Arguments) -> Result<u64, Fault> {
    let length = size(length);
    let (buffer, _) = socket_buffer(run, context)?;
    let key = read_key(buffer.tunnel.as_ref(), length, flags);
    let (bytes, result) = match key {
        Ok(key) => (key, 0),
        Err(errno) => (Vec::new(), negated(errno)),
    };
    run.write_all(to, &bytes, length)?;
    Ok(result)
}

fn read_key(tunnel: Option<&Tunnel>, length: usize, flags: u64) -> Result<Vec<u8>, Errno> {
    let tunnel = tunnel.filter(|_| flags & !(IPV6 | FLAGS) == 0).ok_or(Errno(libc::EINVAL))?;
    let is_ipv6 = flags & IPV6 != 0;
    if tunnel.is_ipv6 != is_ipv6 {
        return Err(Errno(libc::EPROTO));
    }
    if length != KEY && !OLDER.contains(&length) && (length != OLDEST || is_ipv6) {
        return Err(Errno(libc::EINVAL));
    }
    let mut key = vec![0; KEY];
    let mut put = |at: usize, bytes: &[u8]| key[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &tunnel.id.to_ne_bytes());
    // What the tunnel sends to is what a packet from it would have been sent to.
    put(REMOTE, &tunnel.local);
    put(LOCAL, &tunnel.remote);
    put(SERVICE, &[tunnel.service, tunnel.time_to_live]);
    put(LABEL, &tunnel.label.to_ne_bytes());
    if flags & FLAGS != 0 {
        put(EXTENSION, &tunnel.flags.to_be_bytes());
    }
    key.truncate(length);
    Ok(key)
}

fn set_key(run: &mut Run<'_>, [context, from, length, flags, _]: Arguments) -> Result<u64, Fault> {
    let key = run.world.memory.bytes(from, size(length))?.to_vec();
    let (buffer, _) = socket_buffer(run, context)?;
    let tunnel = written_key(key, flags);
    Ok(outcome(tunnel.map(|tunnel| buffer.tunnel = Some(tunnel))))
}

fn written_key(mut key: Vec<u8>, flags: u64) -> Result<Tunnel, Errno> {
    const ALLOWED: u64 = IPV6 | NO_CHECKSUM | DONT_FRAGMENT | SEQUENCE | NO_KEY;
    let invalid = Errno(libc::EINVAL);
    if flags & !ALLOWED != 0 || !(key.len() == KEY || key.len() == OLDEST || OLDER.contains(&key.len())) {
        return Err(invalid);
    }
    key.resize(KEY, 0);
    let is_ipv6 = flags & IPV6 != 0;
    let label = u32::from_ne_bytes(part(&key, LABEL));
    if (!is_ipv6 && label != 0) || part(&key, EXTENSION) != [0; 2] {
        return Err(invalid);
    }
    // Of an address of IPv4, there are four bytes.
    let address = |at| if is_ipv6 { part(&key, at) } else { first(part(&key, at)) };
    let mut bits = IS_NOT_CACHED;
    for (is_set, bit) in [
        (flags & NO_CHECKSUM == 0, HAS_CHECKSUM),
        (flags & NO_KEY == 0, HAS_KEY),
        (flags & SEQUENCE != 0, HAS_SEQUENCE),
        (flags & DONT_FRAGMENT != 0, IS_WHOLE),
    ] {
        bits |= if is_set { bit } else { 0 };
    }
    Ok(Tunnel {
        is_ipv6,
        id: u32::from_ne_bytes(part(&key, 0)),
        remote: address(REMOTE),
        local: address(LOCAL),
        service: key[SERVICE],
        time_to_live: key[TIME_TO_LIVE],
        label: if is_ipv6 { label & LABEL_BITS } else { 0 },
        flags: bits,
        options: Vec::new(),
    })
}

fn first(address: [u8; 4]) -> [u8; 16] {
    let mut whole = [0; 16];
    whole[..4].copy_from_slice(&address);
    whole
}

/// A part of a key, which has all of them.
fn part<const N: usize>(key: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&key[at..at + N]);
    part
}

fn get_options(run: &mut Run<'_>, [context, to, length, ..]: Arguments) -> Result<u64, Fault> {
    let length = size(length);
    let (buffer, _) = socket_buffer(run, context)?;
    let tunnel = buffer.tunnel.as_ref().filter(|tunnel| tunnel.flags & HAS_OPTIONS != 0);
    let (options, result) = match tunnel {
        Some(tunnel) if tunnel.options.len() <= length => (tunnel.options.clone(), tunnel.options.len() as u64),
        Some(_) => (Vec::new(), negated(Errno(libc::ENOMEM))),
        None => (Vec::new(), negated(Errno(libc::ENOENT))),
    };
    run.write_all(to, &options, length)?;
    Ok(result)
}

fn set_options(run: &mut Run<'_>, [context, from, length, ..]: Arguments) -> Result<u64, Fault> {
    /// `IP_TUNNEL_OPTS_MAX`
    const MOST: usize = 255;
    let options = run.world.memory.bytes(from, size(length))?.to_vec();
    let (buffer, _) = socket_buffer(run, context)?;
    let Some(tunnel) = buffer.tunnel.as_mut().filter(|_| options.len().is_multiple_of(4)) else {
        return Ok(negated(Errno(libc::EINVAL)));
    };
    if options.len() > MOST {
        return Ok(negated(Errno(libc::ENOMEM)));
    }
    tunnel.flags |= HAS_OPTIONS;
    tunnel.options = options;
    Ok(0)
}

/// No packet has been through IPsec.
fn no_state(run: &mut Run<'_>, [context, _, to, length, _]: Arguments) -> Result<u64, Fault> {
    socket_buffer(run, context)?;
    run.write_all(to, &[], size(length))?;
    Ok(negated(Errno(libc::EINVAL)))
}
