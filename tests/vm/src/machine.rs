//! The virtual machine: QEMU without a hypervisor's help, since there may be none; small, so that it is up in seconds.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::kernel::Kernel;

/// How long all tests may take, where it is not said.
pub(crate) const LIMIT: Duration = Duration::from_secs(900);
/// Without what takes time at boot and is of no use here. For each processor that there could be, the kernel has a return probe at hand.
const COMMAND_LINE: &str = "console=ttyS0 reboot=t panic=-1 rdinit=/init nokaslr mitigations=off tsc=reliable no_timer_check \
                            audit=0 cryptomgr.notests lsm=bpf possible_cpus=8";

/// Boots the kernel with this archive for a file system, and gives what the first process wrote.
pub(crate) fn run(kernel: &Kernel, archive: &[u8], place: &Path, limit: Duration) -> Result<String> {
    let directory = place.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let result = run_in(&directory, kernel, archive, limit);
    // Working files; that they stay would not matter.
    let _ = fs::remove_dir_all(&directory);
    result
}

fn run_in(directory: &Path, kernel: &Kernel, archive: &[u8], limit: Duration) -> Result<String> {
    let [image, console, output] = ["initramfs", "console", "output"].map(|name| directory.join(name));
    fs::write(&image, archive).map_err(|error| format!("{}: {error}", image.display()))?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-M",
        "microvm,rtc=on,acpi=off,isa-serial=off",
        "-accel",
        "tcg",
        "-cpu",
        "qemu64",
        "-smp",
        "1",
        "-m",
        "2048",
    ]);
    qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"]);
    for (name, file, port, line) in [("console", &console, "0x3f8", 4), ("output", &output, "0x2f8", 3)] {
        qemu.args(["-chardev", &format!("file,id={name},path={}", file.display())]);
        qemu.args(["-device", &format!("isa-serial,iobase={port},irq={line},chardev={name}")]);
    }
    qemu.arg("-kernel").arg(kernel.vmlinux()).arg("-initrd").arg(&image).args(["-append", COMMAND_LINE]);
    let mut child = qemu
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("qemu-system-x86_64 (of qemu-system-x86): {error}"))?;
    let end = Instant::now() + limit;
    let mut shown = 0;
    loop {
        let ended = child.try_wait().map_err(|error| format!("qemu-system-x86_64: {error}"))?;
        let written = fs::read(&output).unwrap_or_default();
        // Whether it can be shown is no matter for the tests.
        let _ = std::io::stdout().write_all(&written[shown..]);
        shown = written.len();
        if ended.is_some() {
            let text = String::from_utf8_lossy(&written).into_owned();
            if !text.contains(crate::guest::DONE) {
                return Err(format!("the machine went down before its time:\n{}", last_lines(&console)));
            }
            return Ok(text);
        }
        if Instant::now() > end {
            // It ends with this, or has already.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the tests take longer than {} seconds:\n{}", limit.as_secs(), last_lines(&console)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What the kernel said last.
fn last_lines(console: &Path) -> String {
    const KEPT: usize = 30;
    let text = String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n")
}
