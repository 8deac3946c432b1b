//! What programs log.

use std::sync::Mutex;

use eshkol::log::{Level, LevelFilter};
use eshkol::{Log, eshkol};
use eshkol_test_support::{Privilege, require_root};

eshkol! {
    (define-ebpf-program chatty
      (license "GPL")
      (program-type :xdp)

      (define-struct who (name :char-array 16) (age :u8))

      (define (tell-of format . values) (log-debug format values))

      (define (talk ctx)
        (let* ((length (packet-length ctx))
               (eth (parse-eth-header ctx))
               (who (make-who "Ada" 36)))
          (log-info "{} bytes, {:x} in hexadecimal, {}{{}}" length length (> length 50))
          (when eth
            (log-warn "from {} of type {:x}" (eth-src eth) (eth-type eth)))
          (tell-of "{} is {}, {} and {:ip}" (who-name who) (who-age who) (- 0 7) (the u32 167772161))
          (log-trace "{} and {}" (ipv6 "2001:db8::1") (ipv4 "192.0.2.1"))
          (log-error "")
          (for (i in (range 0 2))
            (log-info "round {}" i)))
        :xdp-pass))
}

const PACKET: [u8; 60] = {
    let mut packet = [0; 60];
    (packet[6], packet[11], packet[12], packet[13]) = (0x02, 0x0a, 0x08, 0x06);
    packet
};

fn lines(log: &Log) -> Vec<(Level, String)> {
    std::iter::from_fn(|| log.try_next().unwrap()).map(|line| (line.level, line.message)).collect()
}

fn everything_is_logged(unit: &Chatty) {
    unit.talk.test_run(&PACKET).unwrap();
    let expected = [
        (Level::Info, "60 bytes, 3c in hexadecimal, true{}"),
        (Level::Warn, "from 02:00:00:00:00:0a of type 806"),
        (Level::Debug, "Ada is 36, -7 and 10.0.0.1"),
        (Level::Trace, "2001:db8::1 and 192.0.2.1"),
        (Level::Error, ""),
        (Level::Info, "round 0"),
        (Level::Info, "round 1"),
    ];
    assert_eq!(lines(&unit.log().unwrap()), expected.map(|(level, text)| (level, text.to_owned())));
}

#[test]
fn in_the_simulator() {
    let unit = Chatty::test().unwrap();
    everything_is_logged(&unit);
    unit.talk.test_run(&PACKET).unwrap();
    let line = unit.log().unwrap().try_next().unwrap().unwrap();
    assert!(line.file.ends_with("tests/simulator/logging.rs"), "{}", line.file);
    assert!(include_str!("logging.rs").lines().nth(line.line as usize - 1).unwrap().contains("(log-info \"{} bytes"));
}

#[test]
fn in_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    everything_is_logged(&Chatty::loader().log_level(LevelFilter::Trace).load().unwrap());
}

#[test]
fn what_is_above_the_level_is_left_out() {
    let unit = Chatty::loader().log_level(LevelFilter::Warn).test().unwrap();
    unit.talk.test_run(&PACKET).unwrap();
    let levels: Vec<_> = lines(&unit.log().unwrap()).into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, [Level::Warn, Level::Error]);
    let Privilege::Granted = require_root() else { return };
    // The kernel's verifier takes out what can't be reached.
    let all = Chatty::loader().log_level(LevelFilter::Trace).load().unwrap();
    let none = Chatty::loader().log_level(LevelFilter::Off).load().unwrap();
    assert!(none.talk.instructions() * 2 < all.talk.instructions());
    none.talk.test_run(&PACKET).unwrap();
    assert_eq!(lines(&none.log().unwrap()), []);
}

/// A logger that keeps what it is given.
struct Kept(Mutex<Vec<String>>);

impl eshkol::log::Log for Kept {
    fn enabled(&self, _: &eshkol::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &eshkol::log::Record<'_>) {
        let (level, target, text) = (record.level(), record.target(), record.args());
        self.0.lock().unwrap().push(format!("{level} {target}: {text}"));
    }

    fn flush(&self) {}
}

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

#[test]
fn a_thread_hands_lines_on_to_the_facade() {
    eshkol::log::set_logger(&KEPT).unwrap();
    eshkol::log::set_max_level(LevelFilter::Trace);
    let kept = |text: &str| KEPT.0.lock().unwrap().iter().filter(|line| line.contains(text)).count();
    let unit = Chatty::test().unwrap();
    let forwarder = unit.log().unwrap().forward().unwrap();
    for _ in 0..3 {
        unit.talk.test_run(&PACKET).unwrap();
    }
    drop(forwarder);
    assert_eq!(kept("WARN simulator::logging: from 02:00:00:00:00:0a of type 806"), 3);
    // More than there is room for: what is missing is told of.
    for _ in 0..3000 {
        unit.talk.test_run(&PACKET).unwrap();
    }
    let handed_on = unit.log().unwrap().drain().unwrap();
    assert!((4000..3000 * 7).contains(&handed_on), "{handed_on}");
    assert_eq!(kept("lines of `chatty` were lost"), 1);
}
