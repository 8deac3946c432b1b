//! The kernel out of its compressed image: QEMU boots it as it is, and unpacking it in the machine would take seconds.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;

/// How the kernel is packed: what such data begins with, and what unpacks it.
const PACKED: [(&[u8], &str, &[&str]); 3] =
    [(b"\x28\xb5\x2f\xfd", "zstd", &["-dcq"]), (b"\xfd7zXZ\0", "xz", &["-dcq"]), (b"\x02!L\x18", "lz4", &["-dcq"])];

/// Writes the ELF file that is in an image.
pub(crate) fn extract(image: &Path, into: &Path) -> Result<()> {
    let bytes = fs::read(image).map_err(|error| format!("{}: {error}", image.display()))?;
    for (magic, program, arguments) in PACKED {
        let begins = bytes.windows(magic.len()).enumerate().filter(|(_, window)| *window == magic);
        for (at, _) in begins {
            let unpacked = unpack(program, arguments, &bytes[at..])?;
            if unpacked.starts_with(b"\x7fELF") {
                return fs::write(into, unpacked).map_err(|error| format!("{}: {error}", into.display()));
            }
        }
    }
    Err(format!("{}: there is no kernel in it that `zstd`, `xz` or `lz4` unpacks", image.display()))
}

/// What a program makes of its input, or of as much of it as it can use: after the kernel comes something else.
fn unpack(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // It stops reading where it can't go on.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output().map(|output| output.stdout).map_err(|error| format!("{program}: {error}"))
    })
}
