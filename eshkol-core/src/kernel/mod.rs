//! Facts about the kernel: machines, versions, helpers, program types, contexts, map kinds, packet headers, constants. Data, not code;
//! each with the version since which it holds, and its source. Adding a helper is adding a row.

pub mod architecture;
pub mod constant;
pub mod helper;
pub mod kfunc;
pub mod map_flag;
pub mod map_kind;
pub mod packet_header;
pub mod program_type;
pub mod version;

pub use architecture::{Architecture, Endianness};
pub use constant::Constant;
pub use helper::{ArgumentKind, Helper, HelperId, ResultKind};
pub use map_kind::MapKind;
pub use packet_header::{Header, HeaderField};
pub use program_type::ProgramType;
pub use version::{IsaVersion, KernelVersion};
