//! Maps, as the kernel keeps them: each kind is a [`Storage`] in a file of its own, chosen by [`storage`].
//!
//! Values are regions of [`Memory`], so a program's pointer to one is checked like any other. A value that is deleted or replaced stays where it
//! is until the run ends, as it does in the kernel.

mod array;
mod hash;
mod lpm_trie;
mod perf_buffers;
mod redirect;
mod ring_buffer;
mod stack_traces;

use super::memory::{Kind, Memory, Region, RegionId};
use crate::sys::{ANY, EXIST, NOEXIST, kind, per_cpu_stride};

/// A number of `errno`, which helpers give negated.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Errno(pub(super) i32);

/// What a map is declared as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Definition {
    /// Its symbol in the object.
    pub(super) name: String,
    /// `enum bpf_map_type`.
    pub(super) kind: u32,
    pub(super) key_size: usize,
    /// Bytes of one CPU's value.
    pub(super) value_size: usize,
    pub(super) max_entries: u32,
    pub(super) flags: u32,
    /// Whether programs can't write its values (`BPF_F_RDONLY_PROG`).
    pub(super) constant: bool,
}

/// A map.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) definition: Definition,
    /// The region that stands for the map itself.
    pub(super) handle: RegionId,
    shape: Shape,
    storage: Box<dyn Storage>,
}

/// How the elements of a kind of map are kept. Keys have the declared size.
pub(super) trait Storage: Send + std::fmt::Debug {
    /// The values under a key, by CPU.
    fn find(&mut self, memory: &mut Memory, key: &[u8], by: By) -> Option<Vec<RegionId>>;
    /// Sets what is under a key.
    fn update(&mut self, memory: &mut Memory, key: &[u8], value: Value<'_>, flags: u64) -> Result<(), Errno>;
    /// Removes what is under a key.
    fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno>;
    /// The key after one, or the first; the first, too, where there is none like it.
    fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>>;
    /// Puts an event behind the others.
    fn push_event(&mut self, _event: &[u8]) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }
    /// Makes room for an event of so many bytes behind the others; gives its number.
    fn reserve_event(&mut self, _bytes: usize) -> Result<u64, Errno> {
        Err(Errno(libc::EINVAL))
    }
    /// Puts an event where room was made for it; or none, which gives it up.
    fn settle_event(&mut self, _number: u64, _event: Option<Vec<u8>>) {}
    /// Opens a buffer of so many bytes for each of so many CPUs.
    fn open_buffers(&mut self, _size: usize, _cpus: usize) {}
    /// Puts an event of a program on a CPU into the buffer at an index.
    fn output_event(&mut self, _index: usize, _cpu: usize, _event: &[u8]) -> Result<(), Errno> {
        Err(Errno(libc::EINVAL))
    }
    /// Keeps a call stack; gives its number. Where there is no room for it, it may take the place of another.
    fn keep_stack(&mut self, _memory: &mut Memory, _stack: &[u64], _replace: bool) -> Result<u32, Errno> {
        Err(Errno(libc::EINVAL))
    }
    /// Takes the oldest event out.
    fn pop_event(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// Bytes that wait for user space.
    fn waiting(&self) -> usize {
        0
    }
}

/// Who looks something up.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// A program, whose lookups count as use.
    Program,
    User,
}

/// A value to be stored.
#[derive(Copy, Clone, Debug)]
pub(super) enum Value<'a> {
    /// From a program on this CPU.
    OfCpu(usize, &'a [u8]),
    /// From user space: for each CPU, where each has its own.
    OfAll(&'a [u8]),
}

/// What the values of a map are.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    region: Kind,
    size: usize,
    /// How many CPUs have a value of their own; 1 where they share one.
    copies: usize,
}

impl Shape {
    /// A value of zeros.
    fn create(&self, memory: &mut Memory) -> Vec<RegionId> {
        (0..self.copies).map(|_| memory.add(Region::new(self.region.clone(), vec![0; self.size]))).collect()
    }

    fn store(&self, memory: &mut Memory, regions: &[RegionId], value: Value<'_>) {
        let mut put = |region: Option<&RegionId>, bytes: &[u8]| {
            if let Some(region) = region.and_then(|region| memory.get_mut(*region)) {
                region.bytes.copy_from_slice(&bytes[..self.size]);
            }
        };
        match value {
            Value::OfCpu(cpu, bytes) => put(regions.get(if self.copies == 1 { 0 } else { cpu }), bytes),
            Value::OfAll(bytes) if self.copies == 1 => put(regions.first(), bytes),
            Value::OfAll(bytes) => {
                for (region, bytes) in regions.iter().zip(bytes.chunks_exact(per_cpu_stride(self.size).max(1))) {
                    put(Some(region), bytes);
                }
            }
        }
    }
}

/// Whether the flags of an update allow it, where there is or isn't something already.
fn check_flags(flags: u64, present: bool) -> Result<(), Errno> {
    match flags {
        ANY => Ok(()),
        NOEXIST if present => Err(Errno(libc::EEXIST)),
        EXIST if !present => Err(Errno(libc::ENOENT)),
        NOEXIST | EXIST => Ok(()),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// A key that is an index. Keys have the declared size, which is 4 for these.
fn index(key: &[u8]) -> u32 {
    key.try_into().map_or(u32::MAX, u32::from_ne_bytes)
}

/// The key after an index, or the first, of an array that long.
fn next_index(len: u32, key: Option<&[u8]>) -> Option<Vec<u8>> {
    let next = match key.map(index) {
        Some(index) if index < len => index.checked_add(1)?,
        _ => 0,
    };
    (next < len).then(|| next.to_ne_bytes().to_vec())
}

/// How a kind of map keeps its elements; `None` for a kind that there is not.
fn storage(definition: &Definition, shape: &Shape, cpus: usize) -> Option<Box<dyn Storage>> {
    let (shape, entries) = (shape.clone(), definition.max_entries);
    Some(match definition.kind {
        kind::ARRAY | kind::PERCPU_ARRAY => Box::new(array::Array::new(shape, entries)),
        kind::HASH | kind::PERCPU_HASH => Box::new(hash::Hash::new(shape, entries, false)),
        kind::LRU_HASH | kind::LRU_PERCPU_HASH => Box::new(hash::Hash::new(shape, entries, true)),
        kind::LPM_TRIE => Box::new(lpm_trie::LpmTrie::new(shape, entries, definition.key_size)),
        kind::DEVMAP | kind::CPUMAP | kind::XSKMAP | kind::PROG_ARRAY => {
            Box::new(redirect::Targets::array(shape, entries))
        }
        kind::DEVMAP_HASH => Box::new(redirect::Targets::hash(shape, entries)),
        kind::STACK_TRACE => Box::new(stack_traces::StackTraces::new(shape, entries)),
        kind::RINGBUF => Box::new(ring_buffer::RingBuffer::new(entries)),
        kind::PERF_EVENT_ARRAY => {
            let entries = Some(entries as usize).filter(|entries| (1..cpus).contains(entries));
            // No more than there are CPUs, and as many where the object does not say: so loaders make it.
            Box::new(perf_buffers::PerfBuffers::new(entries.unwrap_or(cpus)))
        }
        _ => return None,
    })
}

impl Map {
    /// An empty map, the `number`th; `None` where the simulator has no such kind.
    pub(super) fn new(memory: &mut Memory, number: usize, definition: Definition, cpus: usize) -> Option<Self> {
        let per_cpu = [kind::PERCPU_ARRAY, kind::PERCPU_HASH, kind::LRU_PERCPU_HASH].contains(&definition.kind);
        let targets = [kind::DEVMAP, kind::DEVMAP_HASH, kind::CPUMAP, kind::XSKMAP, kind::PROG_ARRAY];
        let of_targets = targets.contains(&definition.kind);
        let shape = Shape {
            region: Kind::MapValue {
                map: definition.name.as_str().into(),
                constant: definition.constant || of_targets,
            },
            size: definition.value_size,
            copies: if per_cpu { cpus } else { 1 },
        };
        let storage = storage(&definition, &shape, cpus)?;
        let handle = memory.add(Region::new(Kind::Map(number), Vec::new()));
        Some(Self { definition, handle, shape, storage })
    }

    /// Bytes that user space reads under a key: one value, or one for each CPU.
    pub(super) fn lookup_size(&self) -> usize {
        if self.shape.copies == 1 { self.shape.size } else { per_cpu_stride(self.shape.size) * self.shape.copies }
    }

    /// The region of the value under a key, as a program on this CPU sees it.
    pub(super) fn find(&mut self, memory: &mut Memory, key: &[u8], cpu: usize) -> Option<RegionId> {
        let values = self.storage.find(memory, key, By::Program)?;
        values.get(if self.shape.copies == 1 { 0 } else { cpu }).copied()
    }

    /// As [`find`](Self::find), without counting as use.
    pub(super) fn peek(&mut self, memory: &mut Memory, key: &[u8], cpu: usize) -> Option<RegionId> {
        let values = self.storage.find(memory, key, By::User)?;
        values.get(if self.shape.copies == 1 { 0 } else { cpu }).copied()
    }

    /// The bytes under a key, as user space sees them.
    pub(super) fn read(&mut self, memory: &mut Memory, key: &[u8]) -> Option<Vec<u8>> {
        let values = self.storage.find(memory, key, By::User)?;
        let stride = if self.shape.copies == 1 { self.shape.size } else { per_cpu_stride(self.shape.size) };
        let mut bytes = Vec::with_capacity(self.lookup_size());
        for region in values.iter().filter_map(|region| memory.get(*region)) {
            let end = bytes.len() + stride;
            bytes.extend_from_slice(&region.bytes);
            bytes.resize(end, 0);
        }
        Some(bytes)
    }

    pub(super) fn update(
        &mut self,
        memory: &mut Memory,
        key: &[u8],
        value: Value<'_>,
        flags: u64,
    ) -> Result<(), Errno> {
        self.storage.update(memory, key, value, flags)
    }

    pub(super) fn delete(&mut self, memory: &mut Memory, key: &[u8]) -> Result<(), Errno> {
        self.storage.delete(memory, key)
    }

    pub(super) fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        self.storage.next_key(key)
    }

    pub(super) fn push_event(&mut self, event: &[u8]) -> Result<(), Errno> {
        self.storage.push_event(event)
    }

    pub(super) fn reserve_event(&mut self, bytes: usize) -> Result<u64, Errno> {
        self.storage.reserve_event(bytes)
    }

    pub(super) fn settle_event(&mut self, number: u64, event: Option<Vec<u8>>) {
        self.storage.settle_event(number, event);
    }

    pub(super) fn open_buffers(&mut self, size: usize, cpus: usize) {
        self.storage.open_buffers(size, cpus);
    }

    pub(super) fn output_event(&mut self, index: usize, cpu: usize, event: &[u8]) -> Result<(), Errno> {
        self.storage.output_event(index, cpu, event)
    }

    pub(super) fn keep_stack(&mut self, memory: &mut Memory, stack: &[u64], replace: bool) -> Result<u32, Errno> {
        self.storage.keep_stack(memory, stack, replace)
    }

    pub(super) fn pop_event(&mut self) -> Option<Vec<u8>> {
        self.storage.pop_event()
    }

    /// Bytes of a ring buffer that wait for user space.
    pub(super) fn waiting(&self) -> usize {
        self.storage.waiting()
    }

    /// How many keys there are.
    pub(super) fn count(&self) -> u64 {
        let first = self.storage.next_key(None);
        std::iter::successors(first, |key| self.storage.next_key(Some(key))).count() as u64
    }

    /// Whether a packet can be redirected to what is under a key.
    pub(super) fn has(&mut self, memory: &mut Memory, key: &[u8]) -> bool {
        self.storage.find(memory, key, By::User).is_some()
    }
}

#[cfg(test)]
mod tests;
