//! The first process of the machine: mounts what systems mount, loads the modules, runs the tests one after the other, and turns the machine off.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};

use crate::suites::LEFT_OUT;

/// Where things are in the machine.
pub(crate) const MODULES: &str = "modules";
pub(crate) const TESTS: &str = "tests";
pub(crate) const EXAMPLES: &str = "examples";
/// A file with the directory of the project, at which what the tests read is in the machine as well.
pub(crate) const PROJECT: &str = "project";
pub(crate) const FILTER: &str = "filter";
/// A file with a line for each variable, `NAME=value`.
pub(crate) const ENVIRONMENT: &str = "environment";
/// What stands before the name and the status of an executable that has ended.
pub(crate) const ENDED: &str = "=== ended: ";
/// The last line.
pub(crate) const DONE: &str = "=== done";

/// What is mounted where. What a kernel has not is left out.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("bpf", "/sys/fs/bpf"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("securityfs", "/sys/kernel/security"),
];

/// Does all that, and never returns.
pub(crate) fn run() -> ! {
    for (kind, place) in MOUNTS {
        mount(kind, place);
    }
    match OpenOptions::new().write(true).open("/dev/ttyS1") {
        Ok(mut output) => {
            plain(&output);
            if let Err(error) = tests(&mut output) {
                let _ = writeln!(output, "the machine: {error}");
            }
            let _ = writeln!(output, "{DONE}");
        }
        // The kernel's console is all there is.
        Err(error) => eprintln!("/dev/ttyS1: {error}"),
    }
    // SAFETY: no pointers. The line has taken what was written when its buffers are empty, which `tcdrain` in `plain`'s stead would tell; QEMU's lines
    // take everything at once.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_AUTOBOOT);
    }
    loop {
        std::thread::park();
    }
}

fn tests(output: &mut File) -> std::io::Result<()> {
    let mut modules: Vec<_> = fs::read_dir(format!("/{MODULES}")).into_iter().flatten().flatten().collect();
    modules.sort_by_key(fs::DirEntry::file_name);
    for module in modules {
        if let Err(error) = load(&fs::read(module.path())?) {
            writeln!(output, "{}: {error}", module.path().display())?;
        }
    }
    let up = Command::new("/sbin/ip").args(["link", "set", "lo", "up"]).status()?;
    if !up.success() {
        writeln!(output, "the loopback interface does not come up: {up}")?;
    }
    let given = |file: &str| fs::read_to_string(format!("/{file}"));
    let (filter, project, environment) = (given(FILTER)?, given(PROJECT)?, given(ENVIRONMENT)?);
    let mut executables: Vec<_> = fs::read_dir(format!("/{TESTS}"))?.flatten().collect();
    executables.sort_by_key(fs::DirEntry::file_name);
    for executable in executables {
        let name = executable.file_name().to_string_lossy().into_owned();
        writeln!(output, "--- {name}")?;
        let mut command = Command::new(executable.path());
        command.arg("--test-threads=1").args(Some(filter.as_str()).filter(|filter| !filter.is_empty()));
        command
            .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
            .env("HOME", "/root")
            .env("TMPDIR", "/tmp")
            .env("ESHKOL_EXAMPLES", format!("/{EXAMPLES}"))
            .env("RUST_BACKTRACE", "0")
            .current_dir(&project);
        command.args(LEFT_OUT.iter().flat_map(|test| ["--skip", test]));
        // Nothing else is to be skipped here.
        command.env("ESHKOL_REQUIRE_KERNEL", "1").env("ESHKOL_REQUIRE_PROBES", "1");
        command.envs(environment.lines().filter_map(|line| line.split_once('=')));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let status = command.status()?;
        writeln!(output, "{ENDED}{name} {}", status.code().unwrap_or(-1))?;
    }
    Ok(())
}

fn mount(kind: &str, place: &str) {
    // Those below others have been made by them.
    let _ = fs::create_dir_all(place);
    let (Ok(kind), Ok(place)) = (CString::new(kind), CString::new(place)) else { return };
    // SAFETY: NUL-terminated strings that live through the call, and no data.
    unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
}

fn load(module: &[u8]) -> std::io::Result<()> {
    // SAFETY: memory and its length; an empty text for parameters.
    let result = unsafe { libc::syscall(libc::SYS_init_module, module.as_ptr(), module.len(), c"".as_ptr()) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Makes a line pass bytes on as they are.
fn plain(line: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: all zeros are a `termios`, which is filled before it is used.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(line.as_raw_fd(), &raw mut settings) == 0 {
            libc::cfmakeraw(&raw mut settings);
            libc::tcsetattr(line.as_raw_fd(), libc::TCSANOW, &raw const settings);
        }
    }
}
