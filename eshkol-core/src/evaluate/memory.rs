//! Memory: objects of bytes, each with bounds, and pointers that say which object they point into.

/// Which object.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct ObjectId(usize);

/// A place in an object. The offset may lie anywhere; accesses are checked.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Pointer {
    pub(super) object: ObjectId,
    pub(super) offset: u64,
}

impl Pointer {
    pub(super) fn plus(self, bytes: u64) -> Self {
        Self { offset: self.offset.wrapping_add(bytes), ..self }
    }

    /// A number that stands for it in memory, and is not 0.
    pub(super) fn to_number(self) -> u64 {
        let object = u64::try_from(self.object.0).unwrap_or(0).wrapping_add(1);
        object << 32 | self.offset & 0xffff_ffff
    }

    pub(super) fn from_number(number: u64) -> Option<Self> {
        let object = usize::try_from((number >> 32).checked_sub(1)?).ok()?;
        Some(Self { object: ObjectId(object), offset: number & 0xffff_ffff })
    }
}

/// What may still be done with an object.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum State {
    Live,
    /// An element that its map no longer has: the kernel may use its memory for another one.
    Removed,
    /// A packet that has moved.
    Moved,
    /// An event of a ring buffer that was sent or given up.
    Settled,
}

impl State {
    /// Why nothing can be read or written there any more, where it can't.
    fn gone(self) -> Option<Refusal> {
        match self {
            Self::Live | Self::Removed => None,
            Self::Moved => Some("uses a packet that has moved"),
            Self::Settled => Some("uses an event that was sent or given up"),
        }
    }
}

#[derive(Debug)]
struct Object {
    bytes: Vec<u8>,
    writable: bool,
    state: State,
}

/// Every object of a run.
#[derive(Debug, Default)]
pub(super) struct Memory {
    objects: Vec<Object>,
}

/// Why an access can't be.
pub(super) type Refusal = &'static str;

impl Memory {
    pub(super) fn add(&mut self, bytes: Vec<u8>, writable: bool) -> ObjectId {
        self.objects.push(Object { bytes, writable, state: State::Live });
        ObjectId(self.objects.len() - 1)
    }

    pub(super) fn bytes(&self, object: ObjectId) -> &[u8] {
        self.objects.get(object.0).map_or(&[], |object| &object.bytes)
    }

    pub(super) fn state(&self, object: ObjectId) -> State {
        self.objects.get(object.0).map_or(State::Moved, |object| object.state)
    }

    pub(super) fn set_state(&mut self, object: ObjectId, state: State) {
        if let Some(object) = self.objects.get_mut(object.0) {
            object.state = state;
        }
    }

    pub(super) fn read(&self, at: Pointer, bytes: usize) -> Result<&[u8], Refusal> {
        let object = self.objects.get(at.object.0).ok_or("reads what does not exist")?;
        if let Some(why) = object.state.gone() {
            return Err(why);
        }
        let start = usize::try_from(at.offset).map_err(|_| "reads out of bounds")?;
        let end = start.checked_add(bytes).ok_or("reads out of bounds")?;
        object.bytes.get(start..end).ok_or("reads out of bounds")
    }

    pub(super) fn write(&mut self, at: Pointer, bytes: &[u8]) -> Result<(), Refusal> {
        let object = self.objects.get_mut(at.object.0).ok_or("writes what does not exist")?;
        if let Some(why) = object.state.gone() {
            return Err(why);
        }
        if !object.writable {
            return Err("writes what is read-only");
        }
        let start = usize::try_from(at.offset).map_err(|_| "writes out of bounds")?;
        let end = start.checked_add(bytes.len()).ok_or("writes out of bounds")?;
        let place = object.bytes.get_mut(start..end).ok_or("writes out of bounds")?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}

/// The number that bytes in memory make.
pub(super) fn bytes_to_number(bytes: &[u8], big: bool) -> u64 {
    let push = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
    if big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
}

/// The lowest bytes of a number, at most 8, as they lie in memory.
pub(super) fn number_to_bytes(number: u64, bytes: usize, big: bool) -> Vec<u8> {
    let mut result: Vec<u8> = number.to_le_bytes().into_iter().take(bytes).collect();
    if big {
        result.reverse();
    }
    result
}
