//! Facts about the kernel: versions, helpers, program types, contexts, map kinds. Data, not code; each with the version
//! since which it holds, and its source. Adding a helper is adding a row.

pub mod helper;
pub mod map_kind;
pub mod program_type;
pub mod version;

pub use helper::HelperId;
pub use map_kind::MapKind;
pub use program_type::ProgramType;
pub use version::{IsaVersion, KernelVersion};
