//! The helpers of the kernel that can be evaluated: those of maps, and what the input says of time and chance.

use super::expression::Frame;
use super::memory::{Pointer, State};
use super::{Machine, Stop, Value, violation};
use crate::check::typed::{Argument, FunctionId, MapId, Type};
use crate::kernel::HelperId;
use crate::source::Span;

const LOOKUP: u32 = 1;
const UPDATE: u32 = 2;
const DELETE: u32 = 3;
const TIME: u32 = 5;
const RANDOM: u32 = 7;
const PROCESSOR: u32 = 8;
const ADJUST_HEAD: u32 = 44;
const ADJUST_TAIL: u32 = 65;
const FOR_EACH: u32 = 164;
const LENGTH: u32 = 188;

/// Bytes of an Ethernet header: no packet gets shorter (`ETH_HLEN`).
const SHORTEST: u64 = 14;
const EINVAL: i64 = -22;

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
            number => return Err(violation(span, format!("helper {number} can't be evaluated")).into()),
        };
        Ok(match ty {
            Type::Unit | Type::Never => Value::Unit,
            Type::Scalar(data) => Value::Word(super::expression::extended(result, data)),
            _ => Value::Word(result),
        })
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

/// The lowest 32 bits, as a signed number.
fn low_signed(number: u64) -> i64 {
    let low = number & 0xffff_ffff;
    (low ^ 0x8000_0000).cast_signed() - 0x8000_0000
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
