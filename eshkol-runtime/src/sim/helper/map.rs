//! Helpers on maps (`kernel/bpf/helpers.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated, outcome};
use crate::sim::execute::Record;
use crate::sim::map::Value;
use crate::sim::memory::{Kind, Memory, Region, RegionId};

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 1, name: "bpf_map_lookup_elem", arguments: 2, call: lookup },
    Helper { number: 2, name: "bpf_map_update_elem", arguments: 4, call: update },
    Helper { number: 3, name: "bpf_map_delete_elem", arguments: 2, call: delete },
    Helper { number: 25, name: "bpf_perf_event_output", arguments: 5, call: output },
    Helper { number: 130, name: "bpf_ringbuf_output", arguments: 4, call: send },
    Helper { number: 131, name: "bpf_ringbuf_reserve", arguments: 3, call: reserve },
    Helper { number: 132, name: "bpf_ringbuf_submit", arguments: 2, call: submit },
    Helper { number: 133, name: "bpf_ringbuf_discard", arguments: 2, call: discard },
    Helper { number: 134, name: "bpf_ringbuf_query", arguments: 2, call: query },
    Helper { number: 164, name: "bpf_for_each_map_elem", arguments: 4, call: for_each },
    Helper { number: 195, name: "bpf_map_lookup_percpu_elem", arguments: 3, call: lookup_of_cpu },
];

fn lookup(run: &mut Run<'_>, [map, key, ..]: Arguments) -> Result<u64, Fault> {
    let cpu = run.world.environment.cpu;
    find(run, map, key, cpu)
}

fn lookup_of_cpu(run: &mut Run<'_>, [map, key, cpu, ..]: Arguments) -> Result<u64, Fault> {
    let cpu = super::size(cpu);
    if cpu >= run.world.environment.cpus { Ok(0) } else { find(run, map, key, cpu) }
}

fn find(run: &mut Run<'_>, map: u64, key: u64, cpu: usize) -> Result<u64, Fault> {
    let map = run.map(map)?;
    let key = run.map_key(map, key)?;
    let world = &mut *run.world;
    Ok(address(world.maps[map].find(&mut world.memory, &key, cpu)))
}

/// The address of a value; 0 where there is none.
fn address(value: Option<RegionId>) -> u64 {
    value.map_or(0, |region| Memory::address(region, 0))
}

fn update(run: &mut Run<'_>, [map, key, value, flags, _]: Arguments) -> Result<u64, Fault> {
    let map = run.map(map)?;
    let key = run.map_key(map, key)?;
    let world = &mut *run.world;
    let definition = &world.maps[map].definition;
    let value = world.memory.bytes(value, definition.value_size)?.to_vec();
    let value = Value::OfCpu(world.environment.cpu, &value);
    Ok(outcome(world.maps[map].update(&mut world.memory, &key, value, flags)))
}

/// `bpf_ringbuf_output(map, event, size, flags)`
fn send(run: &mut Run<'_>, [map, event, bytes, flags, _]: Arguments) -> Result<u64, Fault> {
    /// `BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP`
    const FLAGS: u64 = 3;
    let map = run.map(map)?;
    let world = &mut *run.world;
    let event = world.memory.bytes(event, super::size(bytes))?.to_vec();
    let result = if flags & !FLAGS == 0 { world.maps[map].push_event(&event) } else { Err(Errno(libc::EINVAL)) };
    Ok(outcome(result))
}

/// `bpf_perf_event_output(context, map, flags, event, size)`
fn output(run: &mut Run<'_>, [_, map, flags, event, bytes]: Arguments) -> Result<u64, Fault> {
    /// `BPF_F_INDEX_MASK`, which as an index is `BPF_F_CURRENT_CPU`.
    const INDEX: u64 = 0xffff_ffff;
    /// `BPF_F_CTXLEN_MASK`
    const PACKET: u64 = 0xf_ffff << 32;
    let map = run.map(map)?;
    let world = &mut *run.world;
    let event = world.memory.bytes(event, super::size(bytes))?.to_vec();
    if flags & PACKET != 0 {
        return Err(Fault::new("outputs a part of the packet behind an event, which the simulator does not do"));
    }
    if flags & !INDEX != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let cpu = world.environment.cpu;
    let index = if flags == INDEX { cpu } else { super::size(flags) };
    Ok(outcome(world.maps[map].output_event(index, cpu, &event)))
}

/// `bpf_ringbuf_reserve(map, size, flags)`
fn reserve(run: &mut Run<'_>, [map, bytes, flags, ..]: Arguments) -> Result<u64, Fault> {
    /// What earlier events may have left there.
    const LEFT: u8 = 0xa5;
    let map = run.map(map)?;
    let bytes = super::size(bytes);
    let world = &mut *run.world;
    if flags != 0 {
        return Ok(0);
    }
    let Ok(number) = world.maps[map].reserve_event(bytes) else { return Ok(0) };
    let kind = Kind::Record(world.maps[map].definition.name.as_str().into());
    let region = world.memory.add(Region::new(kind, vec![LEFT; bytes]));
    run.records.push(Record { region, map, number });
    Ok(address(Some(region)))
}

/// `bpf_ringbuf_submit(event, flags)`
fn submit(run: &mut Run<'_>, [event, ..]: Arguments) -> Result<u64, Fault> {
    let record = open_record(run, event)?;
    let event = run.world.memory.remove(record.region, "it was sent");
    run.world.maps[record.map].settle_event(record.number, event.map(|region| region.bytes));
    Ok(0)
}

/// `bpf_ringbuf_discard(event, flags)`
fn discard(run: &mut Run<'_>, [event, ..]: Arguments) -> Result<u64, Fault> {
    let record = open_record(run, event)?;
    run.world.memory.remove(record.region, "it was discarded");
    run.world.maps[record.map].settle_event(record.number, None);
    Ok(0)
}

/// Takes a record from those that are being written.
fn open_record(run: &mut Run<'_>, event: u64) -> Result<Record, Fault> {
    let place = run.records.iter().position(|record| Memory::address(record.region, 0) == event);
    let place = place.ok_or_else(|| Fault::new("gives a ring buffer something that was not reserved in it"))?;
    Ok(run.records.swap_remove(place))
}

/// `bpf_ringbuf_query(map, what)`, as far as it can be told here: what waits, and the size.
fn query(run: &mut Run<'_>, [map, what, ..]: Arguments) -> Result<u64, Fault> {
    let map = run.map(map)?;
    let map = &run.world.maps[map];
    Ok(match what {
        0 => map.waiting() as u64,
        1 => map.definition.max_entries.into(),
        _ => 0,
    })
}

fn delete(run: &mut Run<'_>, [map, key, ..]: Arguments) -> Result<u64, Fault> {
    let map = run.map(map)?;
    let key = run.map_key(map, key)?;
    let world = &mut *run.world;
    Ok(outcome(world.maps[map].delete(&mut world.memory, &key)))
}

/// Calls `callback(map, key, value, context)` for each element, until it gives something else than 0; gives how often.
fn for_each(run: &mut Run<'_>, [map, callback, context, flags, _]: Arguments) -> Result<u64, Fault> {
    let (number, function) = (run.map(map)?, run.function(callback)?);
    if flags != 0 {
        return Ok(negated(Errno(libc::EINVAL)));
    }
    let first = run.world.maps[number].next_key(None);
    let keys: Vec<_> = std::iter::successors(first, |key| run.world.maps[number].next_key(Some(key))).collect();
    let mut count = 0;
    for key in keys {
        let world = &mut *run.world;
        // One that an earlier call removed is gone.
        let Some(value) = world.maps[number].peek(&mut world.memory, &key, world.environment.cpu) else { continue };
        let key = world.memory.add(Region::new(Kind::MapKey, key));
        count += 1;
        let result = run.call(function, &[map, Memory::address(key, 0), address(Some(value)), context]);
        run.world.memory.remove(key, "the function that was called with it has returned");
        if result? != 0 {
            break;
        }
    }
    Ok(count)
}
