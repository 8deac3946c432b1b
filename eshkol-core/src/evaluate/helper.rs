//! The helpers of the kernel that can be evaluated: those of maps, and what the input says of time and chance.

use super::expression::Frame;
use super::memory::{Pointer, State};
use super::{Machine, Stop, Value, violation};
use crate::check::typed::{Argument, FunctionId, HiddenMap, MapId, Type};
use crate::kernel::HelperId;
use crate::source::Span;

const LOOKUP: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;
const TIME: u32 = 5;
const RANDOM: u32 = 7;
const PROCESSOR: u32 = 8;
const SKB_STORE_BYTES: u32 = 9;
const TAIL_CALL: u32 = 12;
const REDIRECT: u32 = 23;
const OUTPUT: u32 = 25;
const SKB_LOAD_BYTES: u32 = 26;
const CSUM_DIFF: u32 = 28;
const PULL_DATA: u32 = 39;
const ADJUST_HEAD: u32 = 44;
const REDIRECT_MAP: u32 = 51;
const ADJUST_TAIL: u32 = 65;
const SEND: u32 = 130;
const RESERVE: u32 = 131;
const SUBMIT: u32 = 132;
const DISCARD: u32 = 133;
const FOR_EACH: u32 = 164;
const LENGTH: u32 = 188;
const LOAD_BYTES: u32 = 189;
const STORE_BYTES: u32 = 190;

/// Bytes of an Ethernet header: no packet gets shorter (`ETH_HLEN`).
const SHORTEST: u64 = 14;
const EAGAIN: i64 = -11;
const ENOMEM: i64 = -12;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;
const ENOSPC: i64 = -28;
/// What an XDP program gives that fails, and one whose packet is to go elsewhere (`enum xdp_action`).
const ABORTED: u64 = 0;
const REDIRECTED: u64 = 4;

/// An argument as the helper sees it.
enum Given {
    Value(Value),
    Map(MapId),
    Function(FunctionId),
}

impl<'u> Machine<'u> {
    pub(super) fn helper(
        &mut self,
        frame: &mut Frame,
        helper: HelperId,
        arguments: &'u [Argument],
        ty: &Type,
        span: Span,
    ) -> Result<Value, Stop> {
        // Everything is evaluated before anything is put into memory.
        let mut given = Vec::new();
        let mut spilled = Vec::new();
        for argument in arguments {
            match argument {
                Argument::Value(value) => given.push(Given::Value(self.evaluate(frame, value)?)),
                Argument::Map(map) => given.push(Given::Map(*map)),
                Argument::Callback(function) => given.push(Given::Function(*function)),
                Argument::Spilled(storage, value) => {
                    spilled.push((given.len(), *storage));
                    given.push(Given::Value(self.evaluate(frame, value)?));
                }
            }
        }
        for (index, storage) in spilled {
            let Some(Given::Value(value)) = given.get_mut(index) else { continue };
            let object = self.memory.add(vec![0; storage.bytes as usize], true);
            let at = Pointer { object, offset: 0 };
            let content = std::mem::replace(value, Value::Pointer(at));
            self.store_scalar(at, storage, content, span)?;
        }
        let mut given = given.into_iter();
        let result = match helper.0 {
            LOOKUP => {
                let map = map_of(given.next(), span)?;
                let key = self.key(map, given.next(), span)?;
                let (contents, memory) = self.map(map, span)?;
                return Ok(match contents.lookup(&key, memory) {
                    Some(object) => Value::Pointer(Pointer { object, offset: 0 }),
                    None => Value::Absent,
                });
            }
            UPDATE => {
                let map = map_of(given.next(), span)?;
                let key = self.key(map, given.next(), span)?;
                let size = self.unit.maps.get(map).map_or(0, |map| self.unit.types.size(&map.value));
                let value = self.bytes_behind(given.next(), size as usize, span)?;
                let flags = word_of(given.next(), span)?;
                let (contents, memory) = self.map(map, span)?;
                let result = contents.update(&key, value, flags, memory);
                let evicted = contents.evicted;
                self.unspecified |= evicted;
                result.cast_unsigned()
            }
            DELETE => {
                let map = map_of(given.next(), span)?;
                let key = self.key(map, given.next(), span)?;
                let (contents, memory) = self.map(map, span)?;
                contents.delete(&key, memory).cast_unsigned()
            }
            FOR_EACH => {
                let map = map_of(given.next(), span)?;
                let (Some(Given::Function(function)), Some(Given::Value(context))) = (given.next(), given.next())
                else {
                    return Err(violation(span, "a helper is given no function where it wants one").into());
                };
                self.for_each(map, function, &context, span)?
            }
            SEND => {
                let map = map_of(given.next(), span)?;
                let event = given.next();
                let size = usize::try_from(word_of(given.next(), span)?).unwrap_or(usize::MAX);
                let event = self.bytes_behind(event, size, span)?;
                let (buffer, memory) = self.ring_buffer(map, span)?;
                match buffer.reserve(event.len(), memory) {
                    Some(object) => {
                        let sent = memory.write(Pointer { object, offset: 0 }, &event).is_ok();
                        buffer.settle(object, sent, memory);
                        0
                    }
                    None => EAGAIN.cast_unsigned(),
                }
            }
            OUTPUT => {
                let _context = given.next();
                let map = map_of(given.next(), span)?;
                let _this_cpu = given.next();
                let event = given.next();
                let size = usize::try_from(word_of(given.next(), span)?).unwrap_or(usize::MAX);
                let event = self.bytes_behind(event, size, span)?;
                match self.perf_buffers.entry(map).or_default().output(event) {
                    Some(()) => 0,
                    None => {
                        self.unspecified = true;
                        ENOSPC.cast_unsigned()
                    }
                }
            }
            RESERVE => {
                let map = map_of(given.next(), span)?;
                let size = usize::try_from(word_of(given.next(), span)?).unwrap_or(usize::MAX);
                let (buffer, memory) = self.ring_buffer(map, span)?;
                return Ok(match buffer.reserve(size, memory) {
                    Some(object) => Value::Pointer(Pointer { object, offset: 0 }),
                    None => Value::Absent,
                });
            }
            SUBMIT | DISCARD => {
                let Some(Given::Value(Value::Pointer(Pointer { object, offset: 0 }))) = given.next() else {
                    return Err(violation(span, "what is settled is no event").into());
                };
                let memory = &mut self.memory;
                let mut buffers = self.ring_buffers.values_mut();
                let settled = buffers.find_map(|buffer| buffer.settle(object, helper.0 == SUBMIT, memory));
                settled.ok_or_else(|| violation(span, "what is settled was not reserved, or is settled already"))?;
                0
            }
            TAIL_CALL => {
                let _context = given.next();
                let map = map_of(given.next(), span)?;
                let index = word_of(given.next(), span)? & 0xffff_ffff;
                let program = self.program_at(map, index, span)?;
                // Kernels before 6.12 count calls that find no program as well (commit 116e04ba1459).
                let missing =
                    self.unit.maps.get(map).is_some_and(|map| index < map.max_entries.into()) && program.is_none();
                self.missed_tail_calls += u32::from(missing);
                if let Some(program) = program.filter(|_| self.tail_calls < super::TAIL_CALLS) {
                    self.tail_calls += 1;
                    self.unspecified |= self.tail_calls + self.missed_tail_calls > super::TAIL_CALLS;
                    return Err(Stop::TailCall(program));
                }
                0
            }
            TIME => self.times.next().unwrap_or(0),
            RANDOM => self.random.next().unwrap_or(0).into(),
            PROCESSOR => 0,
            ADJUST_HEAD => {
                let _context = given.next();
                let bytes = word_of(given.next(), span)?;
                self.adjust_head(bytes).cast_unsigned()
            }
            ADJUST_TAIL => {
                let _context = given.next();
                let bytes = word_of(given.next(), span)?;
                self.adjust_tail(bytes).cast_unsigned()
            }
            LENGTH => self.memory.bytes(self.packet).len() as u64,
            REDIRECT => {
                let _interface = given.next();
                if word_of(given.next(), span)? == 0 { REDIRECTED } else { ABORTED }
            }
            REDIRECT_MAP => {
                let map = map_of(given.next(), span)?;
                let index = word_of(given.next(), span)? & 0xffff_ffff;
                let otherwise = word_of(given.next(), span)?;
                let key = super::memory::number_to_bytes(index, 4, self.big);
                let (contents, memory) = self.map(map, span)?;
                if contents.lookup(&key, memory).is_some() { REDIRECTED } else { otherwise }
            }
            CSUM_DIFF => {
                let mut part =
                    || -> Result<(Option<Given>, u64), Stop> { Ok((given.next(), word_of(given.next(), span)?)) };
                let (from, to) = (part()?, part()?);
                let seed = word_of(given.next(), span)?;
                self.csum_diff(from, to, seed, span)?.cast_unsigned()
            }
            LOAD_BYTES | STORE_BYTES => {
                let (offset, buffer, length) = part_of_packet(&mut given, span)?;
                let packet = Pointer { object: self.packet, offset };
                let (from, to) = if helper.0 == LOAD_BYTES { (packet, buffer) } else { (buffer, packet) };
                self.copy(from, to, offset, length, span)?.cast_unsigned()
            }
            SKB_LOAD_BYTES => {
                let (offset, buffer, length) = part_of_packet(&mut given, span)?;
                let packet = Pointer { object: self.packet, offset };
                let is_there = offset + length <= self.memory.bytes(self.packet).len() as u64;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let bytes = if is_there { self.read(packet, length, span)?.to_vec() } else { vec![0; length] };
                self.write(buffer, &bytes, span)?;
                if is_there { 0 } else { EFAULT.cast_unsigned() }
            }
            SKB_STORE_BYTES => {
                let (offset, buffer, length) = part_of_packet(&mut given, span)?;
                let bytes = self.read(buffer, usize::try_from(length).unwrap_or(usize::MAX), span)?.to_vec();
                let mut packet = self.memory.bytes(self.packet).to_vec();
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let place = packet.get_mut(start..start.saturating_add(bytes.len()));
                let is_there = place.map(|place| place.copy_from_slice(&bytes)).is_some();
                self.replace_packet(packet);
                if is_there { 0 } else { EFAULT.cast_unsigned() }
            }
            PULL_DATA => {
                let _context = given.next();
                let length = word_of(given.next(), span)? & 0xffff_ffff;
                let packet = self.memory.bytes(self.packet).to_vec();
                let is_there = length <= packet.len() as u64;
                self.replace_packet(packet);
                if is_there { 0 } else { ENOMEM.cast_unsigned() }
            }
            number => return Err(violation(span, format!("helper {number} can't be evaluated")).into()),
        };
        Ok(match ty {
            Type::Unit | Type::Never => Value::Unit,
            Type::Scalar(data) => Value::Word(super::expression::extended(result, data)),
            _ => Value::Word(result),
        })
    }

    /// The program at an index of a map of programs.
    fn program_at(&mut self, map: MapId, index: u64, span: Span) -> Result<Option<usize>, Stop> {
        let hidden = self.unit.maps.get(map).and_then(|map| map.hidden.as_ref());
        if let Some(HiddenMap::Programs(programs)) = hidden {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            return Ok(programs.get(index).copied());
        }
        let big = self.big;
        let key = super::memory::number_to_bytes(index, 4, big);
        let (contents, memory) = self.map(map, span)?;
        let program = contents.lookup(&key, memory).map(|object| memory.bytes(object).to_vec());
        Ok(program.and_then(|bytes| usize::try_from(super::memory::bytes_to_number(&bytes, big)).ok()))
    }

    /// Calls a function for each element until it gives 1; how often.
    fn for_each(&mut self, map: MapId, function: FunctionId, context: &Value, span: Span) -> Result<u64, Stop> {
        let (contents, memory) = self.map(map, span)?;
        let (elements, ordered) = contents.all(memory);
        self.unspecified |= !ordered;
        let mut calls = 0;
        for (key, value) in elements {
            let at = |object| Value::Pointer(Pointer { object, offset: 0 });
            let key = at(self.memory.add(key, false));
            calls += 1;
            let result = self.function_by_id(function, vec![Value::Word(0), key, at(value), context.clone()], span)?;
            if result != Value::Word(0) {
                break;
            }
        }
        Ok(calls)
    }

    /// `bpf_csum_diff`, in 16 bits as since Linux 6.13: the change of a checksum where bytes become others.
    fn csum_diff(
        &mut self,
        (from, from_size): (Option<Given>, u64),
        (to, to_size): (Option<Given>, u64),
        seed: u64,
        span: Span,
    ) -> Result<i64, Stop> {
        if (from_size | to_size) & 3 != 0 {
            return Ok(EINVAL);
        }
        let sum = |machine: &mut Self, given, size: u64, start: u64| -> Result<u64, Stop> {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let bytes = if size == 0 { Vec::new() } else { machine.bytes_behind(given, size, span)? };
            let words = bytes.chunks(4).map(|word| super::memory::bytes_to_number(word, machine.big));
            Ok(words.fold(start, |sum, word| once_around(sum + word)))
        };
        let seed = seed & 0xffff_ffff;
        let complement = |sum: u64| !sum & 0xffff_ffff;
        let whole = match (from_size, to_size) {
            (_, 0) if from_size > 0 => complement(sum(self, from, from_size, complement(seed))?),
            (0, _) => sum(self, to, to_size, seed)?,
            _ => {
                let added = sum(self, to, to_size, seed)?;
                once_around(added + complement(sum(self, from, from_size, 0)?))
            }
        };
        let half = (whole & 0xffff) + (whole >> 16);
        Ok(i64::try_from((half & 0xffff) + (half >> 16)).unwrap_or(0))
    }

    /// `bpf_xdp_load_bytes` and `bpf_xdp_store_bytes`: between a buffer and the packet at an offset.
    fn copy(&mut self, from: Pointer, to: Pointer, offset: u64, length: u64, span: Span) -> Result<i64, Stop> {
        if offset > 0xffff || length > 0xffff {
            return Ok(EFAULT);
        }
        if offset + length > self.memory.bytes(self.packet).len() as u64 {
            return Ok(EINVAL);
        }
        let bytes = self.read(from, usize::try_from(length).unwrap_or(0), span)?.to_vec();
        self.write(to, &bytes, span)?;
        Ok(0)
    }

    fn key(&mut self, map: MapId, given: Option<Given>, span: Span) -> Result<Vec<u8>, Stop> {
        let Some(map) = self.unit.maps.get(map) else { return Err(violation(span, "there is no such map").into()) };
        let size = self.unit.types.size(&map.key);
        // A trie's key has the length of its prefix before it, and is a multiple of the 4 bytes that takes.
        let size = if map.kind == crate::kernel::MapKind::LpmTrie { size + 4 } else { size };
        self.bytes_behind(given, size as usize, span)
    }

    fn bytes_behind(&mut self, given: Option<Given>, size: usize, span: Span) -> Result<Vec<u8>, Stop> {
        let Some(Given::Value(Value::Pointer(at))) = given else {
            return Err(violation(span, "a helper is given no memory where it wants some").into());
        };
        Ok(self.read(at, size, span)?.to_vec())
    }

    fn replace_packet(&mut self, bytes: Vec<u8>) {
        self.memory.set_state(self.packet, State::Moved);
        self.packet = self.memory.add(bytes, true);
    }

    /// `bpf_xdp_adjust_head`: the packet begins so many bytes later. What is new before it is whatever was there.
    fn adjust_head(&mut self, bytes: u64) -> i64 {
        let bytes = low_signed(bytes);
        let old = self.memory.bytes(self.packet).to_vec();
        let new = match u64::try_from(bytes) {
            Ok(fewer) if (old.len() as u64).saturating_sub(fewer) >= SHORTEST && fewer <= old.len() as u64 => {
                self.packet_room += fewer;
                old.get(usize::try_from(fewer).unwrap_or(0)..).unwrap_or_default().to_vec()
            }
            Err(_) if bytes.unsigned_abs() <= self.packet_room => {
                self.packet_room -= bytes.unsigned_abs();
                self.unspecified = true;
                let mut new = vec![0; usize::try_from(bytes.unsigned_abs()).unwrap_or(0)];
                new.extend(old);
                new
            }
            _ => return EINVAL,
        };
        self.replace_packet(new);
        0
    }

    /// `bpf_xdp_adjust_tail`: the packet ends so many bytes later; what is new is zero.
    fn adjust_tail(&mut self, bytes: u64) -> i64 {
        let bytes = low_signed(bytes);
        let mut new = self.memory.bytes(self.packet).to_vec();
        let length = i64::try_from(new.len()).unwrap_or(0) + bytes;
        match usize::try_from(length) {
            Ok(length) if length as u64 >= SHORTEST && bytes <= 0 => new.resize(length, 0),
            Ok(length) if length as u64 >= SHORTEST => {
                // How much room there is behind the packet, only the kernel knows.
                self.unspecified = true;
                new.resize(length, 0);
            }
            _ => return EINVAL,
        }
        self.replace_packet(new);
        0
    }
}

/// A sum of 32 bits, with what is carried out added (RFC 1071).
fn once_around(sum: u64) -> u64 {
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// The lowest 32 bits, as a signed number.
fn low_signed(number: u64) -> i64 {
    let low = number & 0xffff_ffff;
    (low ^ 0x8000_0000).cast_signed() - 0x8000_0000
}

/// The context, an offset in the packet, a buffer, and how many bytes.
fn part_of_packet(given: &mut impl Iterator<Item = Given>, span: Span) -> Result<(u64, Pointer, u64), Stop> {
    let _context = given.next();
    let offset = word_of(given.next(), span)? & 0xffff_ffff;
    let Some(Given::Value(Value::Pointer(buffer))) = given.next() else {
        return Err(violation(span, "a helper is given no memory where it wants some").into());
    };
    Ok((offset, buffer, word_of(given.next(), span)? & 0xffff_ffff))
}

fn map_of(given: Option<Given>, span: Span) -> Result<MapId, Stop> {
    match given {
        Some(Given::Map(map)) => Ok(map),
        _ => Err(violation(span, "a helper is given no map where it wants one").into()),
    }
}

fn word_of(given: Option<Given>, span: Span) -> Result<u64, Stop> {
    match given {
        Some(Given::Value(Value::Word(word))) => Ok(word),
        _ => Err(violation(span, "a helper is given no number where it wants one").into()),
    }
}
