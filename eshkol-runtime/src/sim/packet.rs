//! A packet and the room around it, as XDP programs have it.
//!
//! Whatever moves an end of the packet moves it to new addresses, so that a pointer into it from before is found out, as the kernel's verifier finds
//! it, also where nothing was moved because it can't be.

use super::map::Errno;
use super::memory::{Kind, Memory, Region, RegionId};

/// A packet in memory. Offsets are from the start of its region.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    region: RegionId,
    meta: usize,
    data: usize,
    end: usize,
}

/// Bytes before a packet (`XDP_PACKET_HEADROOM`), of which the kernel needs the first ones itself (`sizeof(struct xdp_frame)`).
const HEADROOM: usize = 256;
const FRAME: usize = 40;
/// Bytes of a packet and the room around it: a page, without what the kernel needs at its end (`struct skb_shared_info`).
const ROOM: usize = 4096 - 320;
/// `ETH_HLEN`, which is the least that a packet has.
const ETHERNET_HEADER: usize = 14;
/// The length of metadata fits into so much (`meta_len` of `struct skb_shared_info`).
const MOST_METADATA: usize = 255;

/// How long packets with an Ethernet header can be.
pub(super) const LENGTHS: std::ops::RangeInclusive<usize> = ETHERNET_HEADER..=ROOM - HEADROOM;
/// How long packets without one can be.
pub(super) const BARE_LENGTHS: std::ops::RangeInclusive<usize> = 1..=ROOM - HEADROOM;

impl Packet {
    /// Puts a packet, whose length is one of [`LENGTHS`] or [`BARE_LENGTHS`], into memory, where the program may write it or not.
    pub(super) fn new(memory: &mut Memory, packet: &[u8], writable: bool) -> Self {
        let (data, end) = (HEADROOM, HEADROOM + packet.len());
        let mut bytes = vec![0; ROOM.max(end)];
        bytes[data..end].copy_from_slice(packet);
        let mut region = Region::new(Kind::Packet { writable }, bytes);
        region.visible = data..end;
        Self { region: memory.add(region), meta: data, data, end }
    }

    /// The addresses of the metadata, of the packet and of its end.
    pub(super) fn addresses(&self) -> [u64; 3] {
        [self.meta, self.data, self.end].map(|offset| Memory::address(self.region, offset))
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.data
    }

    /// The metadata and the packet as they are now.
    pub(super) fn bytes(&self, memory: &Memory) -> (Vec<u8>, Vec<u8>) {
        let part = |range: std::ops::Range<usize>| {
            memory.get(self.region).and_then(|region| region.bytes.get(range)).unwrap_or_default().to_vec()
        };
        (part(self.meta..self.data), part(self.data..self.end))
    }

    /// The address of so many bytes at an offset of the packet, where they are in it.
    pub(super) fn slice(&self, offset: usize, len: usize) -> Option<u64> {
        let end = offset.checked_add(len)?;
        (end <= self.len()).then(|| Memory::address(self.region, self.data + offset))
    }

    /// Moves the start of the packet, and its metadata with it (`bpf_xdp_adjust_head`).
    pub(super) fn adjust_head(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let metadata = self.data - self.meta;
        let data = moved(self.data, by);
        let data = data.filter(|data| *data >= FRAME + metadata && *data + ETHERNET_HEADER <= self.end);
        if let (Some(data), Some(region)) = (data, memory.get_mut(self.region)) {
            region.bytes.copy_within(self.meta..self.data, data - metadata);
            (self.meta, self.data) = (data - metadata, data);
        }
        self.renew(memory, "bpf_xdp_adjust_head has moved the packet");
        data.map(|_| ()).ok_or(Errno(libc::EINVAL))
    }

    /// Moves the end of the packet; what comes new is zero (`bpf_xdp_adjust_tail`).
    pub(super) fn adjust_tail(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let end = moved(self.end, by).filter(|end| *end <= ROOM && *end >= self.data + ETHERNET_HEADER);
        if let (Some(end), Some(region)) = (end, memory.get_mut(self.region)) {
            if let Some(new) = region.bytes.get_mut(self.end..end) {
                new.fill(0);
            }
            self.end = end;
        }
        self.renew(memory, "bpf_xdp_adjust_tail has moved the packet's end");
        end.map(|_| ()).ok_or(Errno(libc::EINVAL))
    }

    /// Moves the start of the metadata (`bpf_xdp_adjust_meta`).
    pub(super) fn adjust_meta(&mut self, memory: &mut Memory, by: i32) -> Result<(), Errno> {
        let meta = moved(self.meta, by).filter(|meta| *meta >= FRAME && *meta <= self.data).ok_or(Errno(libc::EINVAL));
        let meta = meta.and_then(|meta| {
            let length = self.data - meta;
            if length.is_multiple_of(4) && length <= MOST_METADATA { Ok(meta) } else { Err(Errno(libc::EACCES)) }
        });
        if let Ok(meta) = meta {
            self.meta = meta;
        }
        self.renew(memory, "bpf_xdp_adjust_meta has moved what is before the packet");
        meta.map(|_| ())
    }

    /// Puts so many zeros in place of a part of the packet, which is in it. There is as much room as it takes: a socket buffer is made anew where it has
    /// too little (`pskb_expand_head` in `net/core/skbuff.c`). Nothing is kept before the packet.
    pub(super) fn replace(
        &mut self,
        memory: &mut Memory,
        part: std::ops::Range<usize>,
        zeros: usize,
        why: &'static str,
    ) {
        if let Some(region) = memory.get_mut(self.region) {
            let packet = region.bytes.get(self.data..self.end).unwrap_or_default();
            let (before, after) = (packet.get(..part.start), packet.get(part.end..));
            let room = vec![0; HEADROOM];
            let bytes = [&room[..], before.unwrap_or_default(), &vec![0; zeros], after.unwrap_or_default()].concat();
            (self.meta, self.data, self.end) = (HEADROOM, HEADROOM, bytes.len());
            region.bytes = bytes;
        }
        self.renew(memory, why);
    }

    /// Writes to the packet, also where the program itself can't; what does not fit is left.
    pub(super) fn write(&self, memory: &mut Memory, offset: usize, bytes: &[u8]) {
        let start = self.data + offset;
        let place = memory.get_mut(self.region).and_then(|region| region.bytes.get_mut(start..start + bytes.len()));
        if let Some(place) = place.filter(|_| start + bytes.len() <= self.end) {
            place.copy_from_slice(bytes);
        }
    }

    /// So many bytes at an offset of the packet, where they are in it.
    pub(super) fn read<const N: usize>(&self, memory: &Memory, offset: usize) -> Option<[u8; N]> {
        let start = self.data.checked_add(offset)?;
        let end = start.checked_add(N).filter(|end| *end <= self.end)?;
        memory.get(self.region)?.bytes.get(start..end)?.try_into().ok()
    }

    /// Gives the packet new addresses.
    pub(super) fn renew(&mut self, memory: &mut Memory, why: &'static str) {
        if let Some(mut region) = memory.remove(self.region, why) {
            region.visible = self.meta..self.end;
            self.region = memory.add(region);
        }
    }

    /// Takes the packet out of memory.
    pub(super) fn remove(&self, memory: &mut Memory) {
        memory.remove(self.region, "the run has ended");
    }
}

fn moved(offset: usize, by: i32) -> Option<usize> {
    offset.checked_add_signed(isize::try_from(by).ok()?)
}
