//! What each kind of expression means.

use super::memory::{Pointer, State, bytes_to_number, number_to_bytes};
use super::{Machine, Stop, Value, violation};
use crate::arena::Id as _;
use crate::check::typed::{
    ArithmeticOp, AtomicOp, CompareOp, Expr, ExprKind, Function, LocalId, LoopId, PartValue, Place, RefTarget, RefType,
    Type,
};
use crate::check::types::{DataType, IntType, Storage};
use crate::source::Span;

/// The locals of a call.
pub(super) struct Frame {
    locals: Vec<Option<Value>>,
    trips: Vec<u64>,
}

impl Frame {
    pub(super) fn new(function: &Function, arguments: Vec<Value>) -> Self {
        let mut frame = Self {
            locals: vec![None; function.locals.len()],
            trips: function.loops.values().map(|l| l.trips).collect(),
        };
        for (parameter, argument) in function.parameters.iter().zip(arguments) {
            frame.bind(*parameter, argument);
        }
        frame
    }

    fn bind(&mut self, local: LocalId, value: Value) {
        if let Some(slot) = self.locals.get_mut(local.index()) {
            *slot = Some(value);
        }
    }
}

type Evaluated = Result<Value, Stop>;

impl<'u> Machine<'u> {
    /// The value of an expression, which is one of its type.
    pub(super) fn evaluate(&mut self, frame: &mut Frame, expression: &'u Expr) -> Evaluated {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return Err(violation(expression.span, "the evaluation takes too long").into());
        }
        let value = self.kind(frame, expression)?;
        if let Err(what) = fits(&value, &expression.ty) {
            return Err(violation(expression.span, format!("{what}: {value:?} as {:?}", expression.ty)).into());
        }
        Ok(value)
    }

    fn kind(&mut self, frame: &mut Frame, expression: &'u Expr) -> Evaluated {
        let span = expression.span;
        Ok(match &expression.kind {
            ExprKind::Unit => Value::Unit,
            ExprKind::Constant(word) => Value::Word(*word),
            ExprKind::Ipv6Constant(bytes) => Value::Ipv6(*bytes),
            ExprKind::MacConstant(bytes) => Value::Word(bytes_to_number(bytes, self.big)),
            ExprKind::Local(local) => match frame.locals.get(local.index()) {
                Some(Some(value)) => value.clone(),
                _ => return Err(violation(span, format!("{local} is read before it is bound")).into()),
            },
            ExprKind::Let { local, value, body } => {
                let value = self.evaluate(frame, value)?;
                frame.bind(*local, value);
                self.evaluate(frame, body)?
            }
            ExprKind::LetValues { locals, value, body } => {
                let Value::Values(parts) = self.evaluate(frame, value)? else {
                    return Err(violation(span, "several values are bound, and there is one").into());
                };
                if parts.len() != locals.len() {
                    return Err(violation(span, "more or fewer values are bound than there are").into());
                }
                for (local, part) in locals.iter().zip(parts) {
                    frame.bind(*local, part);
                }
                self.evaluate(frame, body)?
            }
            ExprKind::Values(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|part| self.evaluate(frame, part)).collect();
                Value::Values(parts?)
            }
            ExprKind::Set { local, value } => {
                let value = self.evaluate(frame, value)?;
                frame.bind(*local, value);
                Value::Unit
            }
            ExprKind::Seq(expressions) => {
                let mut last = Value::Unit;
                for expression in expressions {
                    last = self.evaluate(frame, expression)?;
                }
                last
            }
            ExprKind::If { test, then, otherwise } => {
                let branch = if self.test(frame, test)? { then } else { otherwise };
                let value = self.evaluate(frame, branch)?;
                if expression.ty == Type::Unit { Value::Unit } else { value }
            }
            ExprKind::Loop { id, variables, body } => self.looped(frame, *id, variables, body, span)?,
            ExprKind::Continue { id, arguments } => {
                let arguments: Result<Vec<_>, _> = arguments.iter().map(|value| self.evaluate(frame, value)).collect();
                return Err(Stop::Continue(*id, arguments?));
            }

            ExprKind::Arithmetic { op, lhs, rhs } => {
                let (a, b) = (self.word(frame, lhs)?, self.word(frame, rhs)?);
                Value::Word(arithmetic(*op, a, b).map_err(|what| violation(span, what))?)
            }
            ExprKind::Cast(value) => {
                let word = self.word(frame, value)?;
                match &expression.ty {
                    Type::Scalar(data) => Value::Word(extended(word, data)),
                    _ => Value::Word(word),
                }
            }
            ExprKind::ByteSwap { bytes, value } => {
                let word = self.word(frame, value)?;
                let bytes = *bytes as usize;
                Value::Word(bytes_to_number(&number_to_bytes(word, bytes, false), true))
            }
            ExprKind::NetworkOrder { bytes, value } => {
                let word = self.word(frame, value)?;
                Value::Word(bytes_to_number(&number_to_bytes(word, *bytes as usize, self.big), true))
            }
            ExprKind::Hidden(value) | ExprKind::Apart(value) => Value::Word(self.word(frame, value)?),
            ExprKind::BitCount(value) => Value::Word(self.word(frame, value)?.count_ones().into()),
            ExprKind::Compare { op, lhs, rhs } => {
                let (a, b) = (self.evaluate(frame, lhs)?, self.evaluate(frame, rhs)?);
                let holds = match (&a, &b) {
                    (Value::Word(a), Value::Word(b)) => compare(*op, *a, *b),
                    (Value::Ipv6(a), Value::Ipv6(b)) if *op == CompareOp::Equal => a == b,
                    (Value::Ipv6(a), Value::Ipv6(b)) if *op == CompareOp::NotEqual => a != b,
                    _ => return Err(violation(span, "things are compared that can't be").into()),
                };
                Value::Word(holds.into())
            }
            ExprKind::Not(value) => Value::Word((!self.test(frame, value)?).into()),

            ExprKind::IsPresent(optional) => match self.evaluate(frame, optional)? {
                Value::Pointer(_) => Value::Word(1),
                Value::Absent => Value::Word(0),
                _ => return Err(violation(span, "what is no optional is tested for presence").into()),
            },
            ExprKind::Present(optional) => match self.evaluate(frame, optional)? {
                pointer @ Value::Pointer(_) => pointer,
                _ => return Err(violation(span, "what is absent is taken for present").into()),
            },
            ExprKind::Some(reference) => self.evaluate(frame, reference)?,
            ExprKind::Absent => Value::Absent,

            ExprKind::Load { place, storage } => {
                let at = self.place(frame, place, storage.bytes, span)?;
                match (&expression.ty, self.load_scalar(at, *storage, span)?) {
                    (Type::Ref(_) | Type::Optional(_), Value::Word(number)) => {
                        Pointer::from_number(number).map_or(Value::Absent, Value::Pointer)
                    }
                    (_, value) => value,
                }
            }
            ExprKind::Store { place, storage, value } => {
                let at = self.place(frame, place, storage.bytes, span)?;
                let value = self.evaluate(frame, value)?;
                self.store_scalar(at, *storage, value, span)?;
                Value::Unit
            }
            ExprKind::Copy { to, from, bytes } => {
                let (to, from) = (self.place(frame, to, *bytes, span)?, self.place(frame, from, *bytes, span)?);
                let content = self.read(from, *bytes as usize, span)?.to_vec();
                self.write(to, &content, span)?;
                Value::Unit
            }
            ExprKind::Address(place) => Value::Pointer(self.place(frame, place, 0, span)?),
            ExprKind::Allocate { data, parts } => {
                let size = self.unit.types.size(data) as usize;
                let mut values = Vec::new();
                for part in parts {
                    values.push(match &part.value {
                        PartValue::Scalar(_, value) | PartValue::Copy(value, _) => self.evaluate(frame, value)?,
                        PartValue::Bytes(_) => Value::Unit,
                    });
                }
                let object = self.memory.add(vec![0; size], true);
                for (part, value) in parts.iter().zip(values) {
                    let at = Pointer { object, offset: part.offset.into() };
                    match &part.value {
                        PartValue::Scalar(storage, _) => self.store_scalar(at, *storage, value, span)?,
                        PartValue::Copy(_, bytes) => {
                            let from = pointer(&value, span)?;
                            let content = self.read(from, *bytes as usize, span)?.to_vec();
                            self.write(at, &content, span)?;
                        }
                        PartValue::Bytes(bytes) => self.write(at, bytes, span)?,
                    }
                }
                Value::Pointer(Pointer { object, offset: 0 })
            }
            ExprKind::Atomic { op, place, storage, value, fetch } => {
                let at = self.place(frame, place, storage.bytes, span)?;
                let value = self.word(frame, value)?;
                let old = self.load_scalar(at, *storage, span)?;
                let before = old.word().unwrap_or(0);
                let new = match op {
                    AtomicOp::Add => before.wrapping_add(value),
                    AtomicOp::And => before & value,
                    AtomicOp::Or => before | value,
                    AtomicOp::Xor => before ^ value,
                    AtomicOp::Exchange => value,
                };
                self.store_scalar(at, *storage, Value::Word(new), span)?;
                if *fetch { old } else { Value::Unit }
            }
            ExprKind::CompareExchange { place, storage, expected, value } => {
                let at = self.place(frame, place, storage.bytes, span)?;
                let (expected, value) = (self.word(frame, expected)?, self.word(frame, value)?);
                let old = self.load_scalar(at, *storage, span)?;
                // What is expected is compared as it would be stored.
                let mask = u64::MAX >> 64_u32.saturating_sub(storage.bytes * 8).min(63);
                if old.word().unwrap_or(0) & mask == expected & mask {
                    self.store_scalar(at, *storage, Value::Word(value), span)?;
                }
                old
            }
            ExprKind::Global(global) => Value::Pointer(self.global(*global, span)?),

            ExprKind::ContextLoad { context, offset, bytes } => {
                self.evaluate(frame, context)?;
                if expression.ty == Type::Ipv6 {
                    self.context_ipv6(*offset)
                } else {
                    self.context_field(context, *offset, *bytes)
                }
            }
            ExprKind::ContextStore { context, offset, bytes, value } => {
                self.evaluate(frame, context)?;
                let value = self.evaluate(frame, value)?;
                self.set_context(*offset, *bytes, &value)
                    .ok_or_else(|| violation(span, "this can't be put into the context"))?;
                Value::Unit
            }
            ExprKind::PacketStart(context) => {
                self.evaluate(frame, context)?;
                Value::Pointer(Pointer { object: self.packet, offset: 0 })
            }
            ExprKind::PacketLength(context) => {
                self.evaluate(frame, context)?;
                Value::Word(self.memory.bytes(self.packet).len() as u64)
            }
            ExprKind::PacketDistance { context, cursor } => {
                self.evaluate(frame, context)?;
                Value::Word(self.pointer(frame, cursor)?.offset)
            }
            ExprKind::Kernel(_) => {
                return Err(violation(span, "there is no kernel here whose memory could be read").into());
            }
            ExprKind::Parse { context, cursor, size } => {
                self.evaluate(frame, context)?;
                let cursor = self.pointer(frame, cursor)?;
                if self.memory.state(cursor.object) == State::Moved {
                    return Err(violation(span, "a place in a packet that has moved is parsed").into());
                }
                let end = self.memory.bytes(cursor.object).len() as u64;
                match cursor.offset.checked_add((*size).into()) {
                    Some(past) if past <= end => Value::Pointer(cursor),
                    _ => Value::Absent,
                }
            }
            ExprKind::Advance { from, bytes, maximum } => {
                let (from, bytes) = (self.pointer(frame, from)?, self.word(frame, bytes)?);
                if bytes > u64::from(*maximum) {
                    let what = format!("a step of {bytes} bytes was said to be at most {maximum}");
                    return Err(violation(span, what).into());
                }
                Value::Pointer(from.plus(bytes))
            }

            ExprKind::Helper { helper, arguments } => self.helper(frame, *helper, arguments, &expression.ty, span)?,
            ExprKind::Call { function, arguments } => {
                let arguments: Result<Vec<_>, _> = arguments.iter().map(|value| self.evaluate(frame, value)).collect();
                let value = self.function_by_id(*function, arguments?, span)?;
                if expression.ty == Type::Unit { Value::Unit } else { value }
            }
        })
    }

    fn looped(
        &mut self,
        frame: &mut Frame,
        id: LoopId,
        variables: &'u [(LocalId, Expr)],
        body: &'u Expr,
        span: Span,
    ) -> Evaluated {
        let values: Result<Vec<_>, _> = variables.iter().map(|(_, value)| self.evaluate(frame, value)).collect();
        let mut values = values?;
        let trips = frame.trips.get(id.index()).copied().unwrap_or(0);
        for _ in 0..trips {
            if values.len() != variables.len() {
                return Err(violation(span, "a `Continue` has more or fewer arguments than its loop").into());
            }
            for ((local, _), value) in variables.iter().zip(values) {
                frame.bind(*local, value);
            }
            match self.evaluate(frame, body) {
                Err(Stop::Continue(which, next)) if which == id => values = next,
                other => return other,
            }
        }
        Err(violation(span, format!("a loop was said to run at most {trips} times, and goes on")).into())
    }

    fn word(&mut self, frame: &mut Frame, expression: &'u Expr) -> Result<u64, Stop> {
        match self.evaluate(frame, expression)? {
            Value::Word(word) => Ok(word),
            other => Err(violation(expression.span, format!("a number is wanted, and this is {other:?}")).into()),
        }
    }

    fn test(&mut self, frame: &mut Frame, expression: &'u Expr) -> Result<bool, Stop> {
        match (&expression.ty, self.evaluate(frame, expression)?) {
            (Type::Scalar(DataType::Bool), Value::Word(word)) => Ok(word != 0),
            (ty, value) => Err(violation(expression.span, format!("{value:?} of type {ty:?} is tested")).into()),
        }
    }

    fn pointer(&mut self, frame: &mut Frame, expression: &'u Expr) -> Result<Pointer, Stop> {
        let value = self.evaluate(frame, expression)?;
        Ok(pointer(&value, expression.span)?)
    }

    /// Where a place is, which is inside of what its base points to with all of its bytes.
    fn place(&mut self, frame: &mut Frame, place: &'u Place, bytes: u32, span: Span) -> Result<Pointer, Stop> {
        let base = self.pointer(frame, &place.base)?;
        let mut offset = u64::from(place.offset);
        if let Some((index, scale)) = &place.index {
            let index = self.word(frame, index)?;
            let distance = index.checked_mul((*scale).into()).and_then(|distance| distance.checked_add(offset));
            offset = distance.ok_or_else(|| violation(span, format!("the index {index} is out of bounds")))?;
        }
        let size = match &place.base.ty {
            Type::Ref(RefType { target: RefTarget::Data(data), .. }) => self.unit.types.size(data).into(),
            Type::Ref(RefType { target: RefTarget::Header { size, .. }, .. }) => u64::from(*size),
            other => return Err(violation(span, format!("the base of a place is {other:?}")).into()),
        };
        if offset.saturating_add(bytes.into()) > size {
            let what = format!("{bytes} bytes at {offset} are not within the {size} bytes of their base");
            return Err(violation(span, what).into());
        }
        Ok(base.plus(offset))
    }

    pub(super) fn read(&mut self, at: Pointer, bytes: usize, span: Span) -> Result<&[u8], Stop> {
        self.unspecified |= self.memory.state(at.object) == State::Removed;
        self.memory.read(at, bytes).map_err(|what| violation(span, what).into())
    }

    pub(super) fn write(&mut self, at: Pointer, bytes: &[u8], span: Span) -> Result<(), Stop> {
        self.unspecified |= self.memory.state(at.object) == State::Removed;
        self.memory.write(at, bytes).map_err(|what| violation(span, what).into())
    }

    fn load_scalar(&mut self, at: Pointer, storage: Storage, span: Span) -> Evaluated {
        let big = self.big || storage.big_endian;
        let bytes = self.read(at, storage.bytes as usize, span)?;
        if let Ok(address) = <[u8; 16]>::try_from(bytes) {
            return Ok(Value::Ipv6(address));
        }
        let number = bytes_to_number(bytes, big);
        let (shift, width) = storage.bits.map_or((0, storage.bytes * 8), |(shift, width)| (shift.into(), width.into()));
        Ok(Value::Word(low_bits(number.checked_shr(shift).unwrap_or(0), width, storage.signed)))
    }

    pub(super) fn store_scalar(&mut self, at: Pointer, storage: Storage, value: Value, span: Span) -> Result<(), Stop> {
        let number = match value {
            Value::Ipv6(bytes) if storage.bytes == 16 => return self.write(at, &bytes, span),
            Value::Word(number) => number,
            Value::Pointer(pointer) if storage.bytes == 8 => pointer.to_number(),
            Value::Absent if storage.bytes == 8 => 0,
            other => return Err(violation(span, format!("{other:?} is stored as a scalar")).into()),
        };
        let big = self.big || storage.big_endian;
        let size = storage.bytes as usize;
        let number = match storage.bits {
            None => number,
            Some((shift, width)) => {
                let old = bytes_to_number(self.read(at, size, span)?, big);
                let mask = low_bits(u64::MAX, width.into(), false).checked_shl(shift.into()).unwrap_or(0);
                (old & !mask) | (number.checked_shl(shift.into()).unwrap_or(0) & mask)
            }
        };
        self.write(at, &number_to_bytes(number, size, big), span)
    }
}

fn pointer(value: &Value, span: Span) -> Result<Pointer, super::Violation> {
    match value {
        Value::Pointer(pointer) => Ok(*pointer),
        other => Err(violation(span, format!("a place in memory is wanted, and this is {other:?}"))),
    }
}

/// Whether a value is one of a type.
fn fits(value: &Value, ty: &Type) -> Result<(), &'static str> {
    let fits = match (ty, value) {
        (Type::Unit, _) | (Type::Scalar(DataType::Mac) | Type::Verdict(_), Value::Word(_)) => true,
        (Type::Scalar(DataType::Bool), Value::Word(word)) => *word <= 1,
        (Type::Scalar(data), Value::Word(word)) => extended(*word, data) == *word,
        (Type::Ipv6, Value::Ipv6(_))
        | (Type::Ref(_) | Type::Cursor, Value::Pointer(_))
        | (Type::Optional(_), Value::Pointer(_) | Value::Absent)
        | (Type::Context(_), Value::Context) => true,
        (Type::Values(types), Value::Values(parts)) => {
            types.len() == parts.len() && types.iter().zip(parts).all(|(ty, part)| fits(part, ty).is_ok())
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err("a value is not of its type") }
}

/// The low bits of a word, extended as a value of this type is held.
pub(super) fn extended(word: u64, data: &DataType) -> u64 {
    match data {
        DataType::Int(IntType { bits, signed }) => low_bits(word, (*bits).into(), *signed),
        DataType::BigEndian(int) => low_bits(word, int.bits.into(), false),
        DataType::Enum(_) | DataType::Ipv4 => low_bits(word, 32, false),
        _ => word,
    }
}

fn low_bits(word: u64, width: u32, signed: bool) -> u64 {
    let above = 64_u32.saturating_sub(width).min(63);
    if signed { ((word << above).cast_signed() >> above).cast_unsigned() } else { (word << above) >> above }
}

fn arithmetic(op: ArithmeticOp, a: u64, b: u64) -> Result<u64, &'static str> {
    let shift = u32::try_from(b).ok().filter(|bits| *bits < 64).ok_or("a shift is by 64 bits or more");
    let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
    Ok(match op {
        ArithmeticOp::Add => a.wrapping_add(b),
        ArithmeticOp::Sub => a.wrapping_sub(b),
        ArithmeticOp::Mul => a.wrapping_mul(b),
        ArithmeticOp::UDiv => a.checked_div(b).ok_or("a divisor is zero")?,
        ArithmeticOp::URem => a.checked_rem(b).ok_or("a divisor is zero")?,
        ArithmeticOp::SDiv | ArithmeticOp::SRem if b == 0 => return Err("a divisor is zero"),
        ArithmeticOp::SDiv => signed_a.wrapping_div(signed_b).cast_unsigned(),
        ArithmeticOp::SRem => signed_a.wrapping_rem(signed_b).cast_unsigned(),
        ArithmeticOp::And => a & b,
        ArithmeticOp::Or => a | b,
        ArithmeticOp::Xor => a ^ b,
        ArithmeticOp::Shl => a << shift?,
        ArithmeticOp::LShr => a >> shift?,
        ArithmeticOp::AShr => (signed_a >> shift?).cast_unsigned(),
    })
}

fn compare(op: CompareOp, a: u64, b: u64) -> bool {
    let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
    match op {
        CompareOp::Equal => a == b,
        CompareOp::NotEqual => a != b,
        CompareOp::Below => a < b,
        CompareOp::BelowEqual => a <= b,
        CompareOp::Above => a > b,
        CompareOp::AboveEqual => a >= b,
        CompareOp::Less => signed_a < signed_b,
        CompareOp::LessEqual => signed_a <= signed_b,
        CompareOp::Greater => signed_a > signed_b,
        CompareOp::GreaterEqual => signed_a >= signed_b,
    }
}
