//! The running kernel's own types and functions, as it tells them in `/sys/kernel/btf/vmlinux` (BTF, `Documentation/bpf/btf.rst`).

use std::fs;
use std::io;
use std::path::Path;

/// Where the kernel tells its types.
pub(crate) const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Whether it tells them.
pub(crate) fn are_there() -> bool {
    Path::new(PATH).exists()
}

/// That it does not.
pub(crate) fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{PATH} is not there"))
}

const MAGIC: u16 = 0xeb9f;
/// Bytes of `struct btf_type`.
const TYPE: usize = 12;

/// `BTF_KIND_…`
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNCTION: u32 = 12;
    pub(super) const PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const DECLARATION_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM_64: u32 = 19;
}

/// What a function takes or gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// A number or enum of so many bytes.
    Number(u32),
    /// The address of something.
    Pointer(Target),
    /// Nothing.
    Nothing,
    /// Anything else.
    Other,
}

/// What is at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A struct of this name, and so many bytes.
    Struct(String, u32),
    /// A number or enum of so many bytes.
    Number(u32),
    /// Anything: `void`.
    Anything,
    /// Something else.
    Other,
}

/// A function: its number, and what it takes and gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Function {
    pub(crate) id: u32,
    /// With their names, which tell the verifier more of them (`Documentation/bpf/kfuncs.rst`).
    pub(crate) parameters: Vec<(String, Part)>,
    pub(crate) result: Part,
}

/// The table of types.
pub(crate) struct KernelTypes {
    bytes: Vec<u8>,
    /// Where each type begins; the first has number 1.
    starts: Vec<usize>,
    strings: usize,
}

impl KernelTypes {
    /// Those of the running kernel.
    pub(crate) fn running() -> io::Result<Self> {
        Self::parse(fs::read(PATH)?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its types are not in a known form"))
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut types = Self { bytes, starts: Vec::new(), strings: 0 };
        if u16::from_ne_bytes(types.bytes.get(..2)?.try_into().ok()?) != MAGIC {
            return None;
        }
        let header = types.word(4)? as usize;
        let (mut at, end) =
            (header + types.word(8)? as usize, header + types.word(8)? as usize + types.word(12)? as usize);
        types.strings = header + types.word(16)? as usize;
        while at < end {
            types.starts.push(at);
            let length = types.word(at + 4)? as usize & 0xffff;
            at += TYPE
                + match types.word(at + 4)? >> 24 & 0x1f {
                    kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM_64 => 12 * length,
                    kind::ENUM | kind::PROTOTYPE => 8 * length,
                    0..=kind::ENUM_64 => 0,
                    _ => return None,
                };
        }
        Some(types)
    }

    fn word(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// Where a type begins, its kind, and its size or what it is of.
    fn find(&self, id: u32) -> Option<(usize, u32, u32)> {
        let at = *self.starts.get((id as usize).checked_sub(1)?)?;
        Some((at, self.word(at + 4)? >> 24 & 0x1f, self.word(at + 8)?))
    }

    fn name(&self, at: usize) -> Option<&str> {
        let text = self.bytes.get(self.strings + self.word(at)? as usize..)?;
        std::str::from_utf8(text.split(|byte| *byte == 0).next()?).ok()
    }

    /// Numbers of all types, with where each begins and its kind.
    fn all(&self) -> impl Iterator<Item = (u32, usize, u32)> {
        (1..).zip(&self.starts).map(|(id, at)| (id, *at, self.word(*at + 4).unwrap_or_default() >> 24 & 0x1f))
    }

    /// A function by its name.
    pub(crate) fn function(&self, name: &str) -> Option<Function> {
        let is_it = |(_, at, found): &(u32, usize, u32)| *found == kind::FUNCTION && self.name(*at) == Some(name);
        let (id, at, _) = self.all().find(is_it)?;
        let (at, _, result) = self.find(self.word(at + 8)?)?;
        let length = self.word(at + 4)? as usize & 0xffff;
        let parameters = (0..length).map(|index| {
            let parameter = at + TYPE + 8 * index;
            Some((self.name(parameter)?.to_owned(), self.part(self.word(parameter + 4)?)))
        });
        Some(Function { id, parameters: parameters.collect::<Option<_>>()?, result: self.part(result) })
    }

    /// What a type is, whatever it is called.
    fn part(&self, id: u32) -> Part {
        let Some((_, found, of)) = self.plain(id) else { return if id == 0 { Part::Nothing } else { Part::Other } };
        match found {
            kind::INT | kind::ENUM | kind::ENUM_64 => Part::Number(of),
            kind::POINTER => Part::Pointer(match self.plain(of) {
                Some((at, kind::STRUCT, bytes)) => Target::Struct(self.name(at).unwrap_or_default().to_owned(), bytes),
                Some((_, kind::INT | kind::ENUM | kind::ENUM_64, bytes)) => Target::Number(bytes),
                None if self.is_void(of) => Target::Anything,
                _ => Target::Other,
            }),
            _ => Part::Other,
        }
    }

    /// Whether a type is none, but for qualifiers: `const void`.
    fn is_void(&self, id: u32) -> bool {
        let mut id = id;
        while let Some((_, kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG, of)) = self.find(id) {
            id = of;
        }
        id == 0
    }

    /// A type without the names and qualifiers before it.
    fn plain(&self, id: u32) -> Option<(usize, u32, u32)> {
        /// Names and qualifiers before each other at most; more are a circle.
        const MOST: usize = 32;
        let mut id = id;
        for _ in 0..MOST {
            let (at, found, of) = self.find(id)?;
            match found {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => id = of,
                _ => return Some((at, found, of)),
            }
        }
        None
    }

    /// The functions that programs may call, as far as the kernel tells which they are (6.10, with a recent pahole); else none.
    pub(crate) fn callable(&self) -> Vec<(u32, String)> {
        let is_tag =
            |(_, at, found): &(u32, usize, u32)| *found == kind::DECLARATION_TAG && self.name(*at) == Some("bpf_kfunc");
        let tagged = self.all().filter(is_tag).filter_map(|(_, at, _)| {
            let function = self.word(at + 8)?;
            let (at, found, _) = self.find(function)?;
            (found == kind::FUNCTION).then_some((function, self.name(at)?.to_owned()))
        });
        tagged.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of types by hand: words, and names after the first NUL.
    fn table(types: &[u32], names: &str) -> Vec<u8> {
        let length = u32::try_from(types.len() * 4).unwrap();
        let strings = format!("\0{names}");
        let words = [24, 0, length, length, u32::try_from(strings.len()).unwrap()];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(words.iter().chain(types).flat_map(|word| word.to_ne_bytes()));
        bytes.extend(strings.as_bytes());
        bytes
    }

    #[test]
    fn functions_are_found_with_what_they_take() {
        // 1: an int of 8 bytes; 2: a name for it; 3: a struct; 4: const of it; 5: a pointer to that; 6: s64 (const struct map *, s64,
        // const void *, s64 *); 7: the function; 8: its tag; 9: const void; 10: a pointer to that; 11: a pointer to 2.
        let types = [
            [1, 1 << 24, 8].as_slice(),
            &[64],
            &[5, 8 << 24, 1],
            &[9, 4 << 24, 0],
            &[0, 10 << 24, 3],
            &[0, 2 << 24, 4],
            &[0, 13 << 24 | 4, 2, 0, 5, 0, 2, 28, 10, 0, 11],
            &[13, 12 << 24, 6],
            &[18, 17 << 24, 7],
            &[u32::MAX],
            &[0, 10 << 24, 0],
            &[0, 2 << 24, 9],
            &[0, 2 << 24, 2],
        ]
        .concat();
        let bytes = table(&types, "int\0s64\0map\0call\0bpf_kfunc\0s__ign\0");
        let types = KernelTypes::parse(bytes.clone()).unwrap();
        let found = types.function("call").unwrap();
        let named = |name: &str, part: Part| (name.to_owned(), part);
        let parameters = vec![
            named("", Part::Pointer(Target::Struct("map".to_owned(), 0))),
            named("", Part::Number(8)),
            named("s__ign", Part::Pointer(Target::Anything)),
            named("", Part::Pointer(Target::Number(8))),
        ];
        assert_eq!(found, Function { id: 7, parameters, result: Part::Number(8) });
        assert_eq!(types.function("map"), None);
        assert_eq!(types.callable(), [(7, "call".to_owned())]);
        assert!(
            KernelTypes::parse(bytes[..bytes.len() / 2].to_vec()).is_none_or(|types| types.function("call").is_none())
        );
        assert!(KernelTypes::parse(vec![0; 40]).is_none());
    }
}
