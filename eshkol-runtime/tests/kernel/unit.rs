//! Units made by hand: an object, and what the macro would say of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use eshkol_runtime::spec::{GlobalSpec, LineSpec, MapSpec, ProgramSpec, UnitSpec};
use eshkol_runtime::{Loaded, Loader};
use eshkol_test_support::{Instruction, Object, asm};

/// `enum bpf_map_type`.
pub(crate) mod kind {
    pub(crate) const HASH: u32 = 1;
    pub(crate) const ARRAY: u32 = 2;
    pub(crate) const PERF_EVENT_ARRAY: u32 = 4;
    pub(crate) const PERCPU_HASH: u32 = 5;
    pub(crate) const PERCPU_ARRAY: u32 = 6;
    pub(crate) const LRU_HASH: u32 = 9;
    pub(crate) const LPM_TRIE: u32 = 11;
    pub(crate) const DEVMAP: u32 = 14;
    pub(crate) const CPUMAP: u32 = 16;
    pub(crate) const XSKMAP: u32 = 17;
    pub(crate) const DEVMAP_HASH: u32 = 25;
    pub(crate) const QUEUE: u32 = 22;
}

/// A unit in the making.
pub(crate) struct Unit {
    object: Object,
    maps: Vec<MapSpec>,
    programs: Vec<ProgramSpec>,
    globals: Vec<GlobalSpec>,
    min_kernel: (u16, u16),
}

impl Unit {
    pub(crate) fn new() -> Self {
        Self { object: Object::new(), maps: vec![], programs: vec![], globals: vec![], min_kernel: (4, 18) }
    }

    pub(crate) fn min_kernel(mut self, major: u16, minor: u16) -> Self {
        self.min_kernel = (major, minor);
        self
    }

    pub(crate) fn map(self, name: &'static str, kind: u32, key_size: u32, value_size: u32, max_entries: u32) -> Self {
        self.map_with_flags(name, kind, key_size, value_size, max_entries, 0)
    }

    pub(crate) fn map_with_flags(
        mut self,
        name: &'static str,
        kind: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        flags: u32,
    ) -> Self {
        self.object = self.object.map(name, kind, key_size, value_size, max_entries, flags);
        let pin_by_name = false;
        self.maps.push(MapSpec {
            name,
            symbol: name,
            kind,
            key_size,
            value_size,
            max_entries,
            flags,
            pin_by_name,
            programs: &[],
        });
        self
    }

    /// Pins the last map by name.
    pub(crate) fn pinned(mut self) -> Self {
        self.maps.last_mut().unwrap().pin_by_name = true;
        self
    }

    /// A global: a mutable one, alone in its section, or one of several in `.rodata`.
    pub(crate) fn global(mut self, section: &'static str, name: &'static str, value: &[u8]) -> Self {
        self.object = self.object.global(section, name, value);
        let size = u32::try_from(value.len()).unwrap();
        self.globals.push(GlobalSpec { name, symbol: name, section, size });
        self
    }

    /// An XDP program whose instruction `n` stands at line `10 + n`.
    pub(crate) fn xdp(self, name: &'static str, code: &[Instruction]) -> Self {
        self.xdp_at(name, code, &[])
    }

    pub(crate) fn xdp_at(
        self,
        name: &'static str,
        code: &[Instruction],
        attach_points: &'static [&'static str],
    ) -> Self {
        self.program("xdp", "xdp", name, code, attach_points)
    }

    /// A program of any type, in the section that loaders know it by.
    pub(crate) fn program(
        mut self,
        program_type: &'static str,
        section: &'static str,
        name: &'static str,
        code: &[Instruction],
        attach_points: &'static [&'static str],
    ) -> Self {
        self.object = self.object.program(section, name, code);
        let lines = (0..20).map(|instruction| LineSpec {
            instruction,
            line: 10 + instruction,
            column: 5,
            text: if instruction % 2 == 0 { "(even line)" } else { "(odd line)" },
        });
        self.programs.push(ProgramSpec {
            name,
            symbol: name,
            program_type,
            attach_points,
            file: "src/firewall.esh",
            lines: lines.collect::<Vec<_>>().leak(),
            facts: &[],
            registers: None,
            entry_probe: None,
        });
        self
    }

    /// What the macro would make a static of.
    pub(crate) fn spec(self) -> &'static UnitSpec {
        let object = self.object.build();
        self.spec_with(object)
    }

    pub(crate) fn spec_with(self, object: &'static [u8]) -> &'static UnitSpec {
        Box::leak(Box::new(UnitSpec {
            name: "test-unit",
            object,
            min_kernel: self.min_kernel,
            maps: self.maps.leak(),
            programs: self.programs.leak(),
            globals: self.globals.leak(),
            log: &[],
            kfuncs: &[],
        }))
    }

    pub(crate) fn load(self) -> Loaded {
        Loader::new(self.spec()).load().unwrap()
    }
}

/// A program that returns `action` for every packet.
pub(crate) fn always(action: i32) -> [Instruction; 2] {
    [asm::mov(0, action), asm::exit()]
}

/// A directory in the `bpf` file system that nothing else uses; removed with all its pins when dropped.
pub(crate) struct PinDirectory(pub(crate) PathBuf);

impl PinDirectory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(PathBuf::from(format!("/sys/fs/bpf/eshkol-test-{}-{number}", std::process::id())))
    }
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
