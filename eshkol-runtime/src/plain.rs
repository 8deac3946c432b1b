//! Values with a fixed layout in kernel memory, and how they get there and back.
//!
//! Nothing here copies a Rust value's own memory: each type writes and reads its bytes, so padding never leaks out and bytes that are no value
//! of the type (a `bool` of 2, an enum's unknown number) are an error and not undefined behaviour.

use std::error::Error as StdError;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A value of fixed size in kernel memory: what maps hold as keys and values, and what globals are.
///
/// Numbers are in the machine's byte order, addresses and [`Be32`](crate::Be32) and its kin in network order, as the programs see them. The
/// structs and enums that `eshkol!` generates implement this; write it by hand only to use a type of your own in their place.
pub trait Plain: Copy + 'static {
    /// Bytes that a value takes, padding included.
    const SIZE: usize;

    /// Writes the value. `bytes` is [`SIZE`](Self::SIZE) zero bytes; what stays untouched (padding) stays zero.
    fn encode(&self, bytes: &mut [u8]);

    /// Reads a value from [`SIZE`](Self::SIZE) bytes.
    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue>;
}

/// Bytes that are no value of the type they were read as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidValue {
    /// The type.
    pub type_name: &'static str,
    /// What was found, as a number where it is one.
    pub found: u64,
}

impl InvalidValue {
    /// `found` is no value of the type `type_name`.
    pub const fn new(type_name: &'static str, found: u64) -> Self {
        Self { type_name, found }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no value of `{}`", self.found, self.type_name)
    }
}

impl StdError for InvalidValue {}

/// What may be given where a `T` is wanted: a `T`, a `&T`, or, for a `u32`, an [`Ipv4Addr`] (as the number `u32::from` gives).
pub trait Argument<T: Plain> {
    /// Writes it as [`Plain::encode`] does.
    fn encode_argument(&self, bytes: &mut [u8]);
}

impl<T: Plain> Argument<T> for T {
    fn encode_argument(&self, bytes: &mut [u8]) {
        self.encode(bytes);
    }
}

impl<T: Plain> Argument<T> for &T {
    fn encode_argument(&self, bytes: &mut [u8]) {
        (*self).encode(bytes);
    }
}

impl Argument<u32> for Ipv4Addr {
    fn encode_argument(&self, bytes: &mut [u8]) {
        u32::from(*self).encode(bytes);
    }
}

impl Argument<u32> for &Ipv4Addr {
    fn encode_argument(&self, bytes: &mut [u8]) {
        u32::from(**self).encode(bytes);
    }
}

macro_rules! plain_integers {
    ($($integer:ty)*) => {$(
        impl Plain for $integer {
            const SIZE: usize = size_of::<$integer>();

            fn encode(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }

            fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
                Ok(Self::from_ne_bytes(exactly(bytes, stringify!($integer))?))
            }
        }
    )*};
}

plain_integers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl Plain for bool {
    const SIZE: usize = 1;

    fn encode(&self, bytes: &mut [u8]) {
        u8::from(*self).encode(bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        match u8::decode(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(InvalidValue::new("bool", other.into())),
        }
    }
}

impl Plain for Ipv4Addr {
    const SIZE: usize = 4;

    fn encode(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.octets());
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        Ok(Self::from(exactly::<4>(bytes, "Ipv4Addr")?))
    }
}

impl Plain for Ipv6Addr {
    const SIZE: usize = 16;

    fn encode(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.octets());
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        Ok(Self::from(exactly::<16>(bytes, "Ipv6Addr")?))
    }
}

impl<T: Plain, const N: usize> Plain for [T; N] {
    const SIZE: usize = T::SIZE * N;

    fn encode(&self, bytes: &mut [u8]) {
        if T::SIZE > 0 {
            for (element, bytes) in self.iter().zip(bytes.chunks_exact_mut(T::SIZE)) {
                element.encode(bytes);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let mut failure = None;
        let elements = std::array::from_fn(|i| {
            let element = bytes
                .get(i * T::SIZE..(i + 1) * T::SIZE)
                .map_or_else(|| Err(InvalidValue::new(std::any::type_name::<Self>(), bytes.len() as u64)), T::decode);
            element.map_err(|e| failure.get_or_insert(e).clone()).ok()
        });
        match failure {
            Some(failure) => Err(failure),
            // Every element is there when nothing failed.
            None => Ok(elements.map(|element: Option<T>| element.expect("an element that decoded"))),
        }
    }
}

/// `bytes` as an array, where there are exactly `N`.
fn exactly<const N: usize>(bytes: &[u8], type_name: &'static str) -> Result<[u8; N], InvalidValue> {
    bytes.try_into().map_err(|_| InvalidValue::new(type_name, bytes.len() as u64))
}

/// The bytes of `value`.
pub(crate) fn to_vec<T: Plain>(value: &impl Argument<T>) -> Vec<u8> {
    let mut bytes = vec![0; T::SIZE];
    value.encode_argument(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<T: Plain>(value: impl Argument<T>) -> Vec<u8> {
        to_vec::<T>(&value)
    }

    #[test]
    fn integers_are_native_and_addresses_are_in_network_order() {
        assert_eq!(bytes_of::<u32>(0x0102_0304), 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(bytes_of::<i16>(-2), (-2_i16).to_ne_bytes());
        assert_eq!(bytes_of::<Ipv4Addr>(Ipv4Addr::new(10, 0, 0, 1)), [10, 0, 0, 1]);
        assert_eq!(bytes_of::<Ipv6Addr>(Ipv6Addr::LOCALHOST)[15], 1);
    }

    #[test]
    fn an_ipv4_address_stands_for_a_number() {
        assert_eq!(bytes_of::<u32>(Ipv4Addr::new(10, 0, 0, 1)), 0x0a00_0001_u32.to_ne_bytes());
        assert_eq!(bytes_of::<u32>(&Ipv4Addr::new(10, 0, 0, 1)), 0x0a00_0001_u32.to_ne_bytes());
        assert_eq!(bytes_of::<u32>(&7), 7_u32.to_ne_bytes());
    }

    #[test]
    fn a_bool_is_zero_or_one() {
        assert_eq!(bool::decode(&[0]), Ok(false));
        assert_eq!(bool::decode(&[1]), Ok(true));
        assert_eq!(bool::decode(&[2]), Err(InvalidValue::new("bool", 2)));
    }

    #[test]
    fn arrays_nest_and_report_the_first_bad_element() {
        let nested = [[1_u16, 2], [3, 4]];
        let bytes = bytes_of::<[[u16; 2]; 2]>(nested);
        assert_eq!(bytes.len(), 8);
        assert_eq!(<[[u16; 2]; 2]>::decode(&bytes), Ok(nested));
        assert_eq!(<[bool; 3]>::decode(&[1, 7, 9]), Err(InvalidValue::new("bool", 7)));
        assert_eq!(<[u8; 0]>::decode(&[]), Ok([]));
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        assert!(u32::decode(&[0; 3]).is_err());
        assert!(<[u16; 2]>::decode(&[0; 3]).is_err());
        assert!(Ipv4Addr::decode(&[]).is_err());
    }
}
