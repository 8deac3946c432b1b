//! Headers. None is packed: their fields lie where C puts them.

pub const ETH_P_IP: u16 = 0x0800_u16.to_be();
pub const ETH_P_ARP: u16 = 0x0806_u16.to_be();
pub const ETH_P_8021Q: u16 = 0x8100_u16.to_be();
pub const ETH_P_IPV6: u16 = 0x86dd_u16.to_be();

pub const IPPROTO_HOPOPTS: u8 = 0;
pub const IPPROTO_ICMP: u8 = 1;
pub const IPPROTO_IPIP: u8 = 4;
pub const IPPROTO_TCP: u8 = 6;
pub const IPPROTO_UDP: u8 = 17;
pub const IPPROTO_ROUTING: u8 = 43;
pub const IPPROTO_FRAGMENT: u8 = 44;
pub const IPPROTO_AH: u8 = 51;
pub const IPPROTO_NONE: u8 = 59;
pub const IPPROTO_DSTOPTS: u8 = 60;
pub const IPPROTO_MH: u8 = 135;

/// Three halves: as far as their alignment goes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Mac(pub [u16; 3]);

pub const OUR_MAC: Mac = Mac([0x0200_u16.to_be(), 0, 0x0001_u16.to_be()]);
pub const OUR_ADDRESS: u32 = 0x0a00_0001_u32.to_be();

#[repr(C)]
pub struct Eth {
    pub dest: Mac,
    pub source: Mac,
    pub proto: u16,
}

#[repr(C)]
pub struct Vlan {
    pub tci: u16,
    pub proto: u16,
}

#[repr(C)]
pub struct Ipv4 {
    pub version_ihl: u8,
    pub tos: u8,
    pub tot_len: u16,
    pub id: u16,
    pub frag_off: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub check: u16,
    pub saddr: u32,
    pub daddr: u32,
}

impl Ipv4 {
    /// Bytes of the header.
    #[inline(always)]
    pub fn length(&self) -> usize {
        usize::from(self.version_ihl & 15) * 4
    }
}

#[repr(C)]
pub struct Ipv6 {
    pub version_class_flow: u32,
    pub payload_len: u16,
    pub nexthdr: u8,
    pub hop_limit: u8,
    pub saddr: [u32; 4],
    pub daddr: [u32; 4],
}

#[repr(C)]
pub struct Ipv6Extension {
    pub nexthdr: u8,
    pub length: u8,
}

#[repr(C)]
pub struct Ipv6Fragment {
    pub nexthdr: u8,
    pub reserved: u8,
    pub frag_off: u16,
    pub id: u32,
}

#[repr(C)]
pub struct Tcp {
    pub source: u16,
    pub dest: u16,
    pub seq: u32,
    pub ack_seq: u32,
    pub offset: u8,
    pub flags: u8,
    pub window: u16,
    pub check: u16,
    pub urg_ptr: u16,
}

impl Tcp {
    pub const SYN: u8 = 0x02;
    pub const ACK: u8 = 0x10;
}

#[repr(C)]
pub struct Udp {
    pub source: u16,
    pub dest: u16,
    pub len: u16,
    pub check: u16,
}

#[repr(C)]
pub struct Icmp {
    pub kind: u8,
    pub code: u8,
    pub checksum: u16,
    pub rest: u32,
}

/// The addresses lie at odd multiples of two.
#[repr(C)]
pub struct Arp {
    pub htype: u16,
    pub ptype: u16,
    pub hlen: u8,
    pub plen: u8,
    pub op: u16,
    pub sender_mac: Mac,
    pub sender_ip: [u16; 2],
    pub target_mac: Mac,
    pub target_ip: [u16; 2],
}
