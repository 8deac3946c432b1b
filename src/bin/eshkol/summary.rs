//! What `--verbose` tells of a compiled unit.

use std::fmt;

use eshkol_core::Output;

/// The unit, its maps and its programs, a line each.
pub(crate) struct Summary<'a>(pub(crate) &'a Output);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { unit, programs, functions, object, .. } = self.0;
        let (name, license, kernel) = (&unit.name, &unit.license, unit.min_kernel);
        writeln!(f, "{name}: license {license}, Linux {kernel} and newer, {} bytes", object.len())?;
        for map in unit.maps.values() {
            let (key, value) = (unit.types.size(&map.key), unit.types.size(&map.value));
            let (name, kind, entries) = (&map.name, map.kind.keyword(), map.max_entries);
            writeln!(f, "  map {name}: {kind}, {entries} entries, keys of {key} bytes, values of {value} bytes")?;
        }
        for (program, code) in unit.programs.iter().zip(programs) {
            let kind = program.program_type.keyword();
            let (name, length, stack) = (&code.name, code.instructions.len(), code.stack);
            writeln!(f, "  program {name}: {kind}, {length} instructions, {stack} bytes of stack")?;
        }
        for code in functions {
            let (name, length, stack) = (&code.name, code.instructions.len(), code.stack);
            writeln!(f, "  function {name}: {length} instructions, {stack} bytes of stack")?;
        }
        Ok(())
    }
}
