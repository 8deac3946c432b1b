//! Functions of the kernel that are given memory, text or the context.

use std::io::Write as _;
use std::thread;

use eshkol::{KernelVersion, eshkol};
use eshkol_test_support::{Privilege, require_root_for, trace_fs};

eshkol! {
    (define-ebpf-program reading
      (license "GPL")
      (program-type :xdp)
      (min-kernel "6.17")
      (define-kfunc bpf-strlen (text :string) :i32)
      (define-kfunc bpf-strnlen (text :string) (most :u64) :i32)
      (define-kfunc bpf-strcmp (one :string) (other :string) :i32)
      (define-kfunc bpf-strstr (text :string) (part :string) :i32)
      (define-kfunc bpf-strnstr (text :string) (part :string) (most :u64) :i32)
      (define-struct entry (id :u32) (name :char-array 16))
      (define-global fixed :entry)
      (define-map entries :array (key-type :u32) (value-type :entry) (max-entries 1))
      (define-map results :array (key-type :u32) (value-type :i32) (max-entries 13))
      (define (main ctx)
        (let ((own (make-entry 1 "packet")) (shared (map-lookup entries 0)))
          (map-update results 0 (bpf-strlen (entry-name own)))
          (map-update results 1 (bpf-strnlen (entry-name own) 3))
          (map-update results 2 (bpf-strcmp (entry-name own) "packet"))
          (map-update results 3 (bpf-strstr (entry-name own) "ck"))
          (map-update results 4 (bpf-strstr (entry-name own) "cka"))
          ;; What is stored between two calls.
          (set-entry-name! own "later")
          (map-update results 5 (bpf-strcmp (entry-name own) "later"))
          (when shared
            (map-update results 6 (bpf-strcmp (entry-name shared) "given"))
            (set-entry-name! shared "givem")
            (map-update results 7 (bpf-strcmp (entry-name shared) "given"))
            (set-entry-name! shared "given-and-more")
            (map-update results 8 (bpf-strcmp (entry-name shared) "given")))
          (map-update results 9 (bpf-strlen "a literal"))
          (map-update results 10 (bpf-strnstr "a literal" "ral" 8))
          (map-update results 11 (bpf-strnstr "a literal" "ral" 9))
          (map-update results 12 (bpf-strlen (entry-name fixed))))
        :xdp-pass))
}

mod endless {
    eshkol::eshkol! {
        (define-ebpf-program endless
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.17")
          (define-kfunc bpf-strlen (text :string) :i32)
          (define-struct four (name :char-array 4))
          (define-map names :array (key-type :u32) (value-type :four) (max-entries 1))
          (define (main ctx)
            (let ((entry (map-lookup names 0)))
              (if (and entry (> (bpf-strlen (four-name entry)) 3)) :xdp-drop :xdp-pass))))
    }
}

mod writing {
    eshkol::eshkol! {
        (define-ebpf-program writing
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.6")
          (define-struct info (link :u32) (id :u32))
          (define-kfunc bpf-fill-info (ctx :context) (info (ref info)) :i32)
          (define-kfunc bpf-add-bytes (sum (ref :u64)) (bytes :memory) (size :u32))
          (define-struct total (value :u64))
          (define-global (live :mutable) :info)
          (define-global most :u64 8)
          (define-map infos :array (key-type :u32) (value-type :info) (max-entries 2))
          (define-map sums :array (key-type :u32) (value-type :u64) (max-entries 3))
          (define (main ctx)
            (let ((info (make-info)) (shared (map-lookup infos 0)) (sum (make-total 100)))
              (set-info-link! info 7)
              (bpf-fill-info ctx info)
              (map-update infos 1 info)
              (when shared
                (set-info-link! shared 8)
                (bpf-fill-info ctx shared)
                (set-info-link! shared (+ 1000 (info-link shared))))
              (set-info-link! live 9)
              (bpf-fill-info ctx live)
              (set-info-id! live (+ 1000 (info-id live)))
              (bpf-add-bytes sum info 8)
              (map-update sums 0 (total-value sum))
              (bpf-add-bytes sum "12" 2)
              (map-update sums 1 (total-value sum))
              (let ((size most))
                (when (<= size 8)
                  (bpf-add-bytes sum info size)))
              (map-update sums 2 (total-value sum)))
            :xdp-pass))
    }
}

mod copying {
    eshkol::eshkol! {
        (define-ebpf-program copying
          (license "GPL")
          (program-type :tracepoint)
          (attach-point "syscalls:sys_enter_getppid")
          (min-kernel "6.15")
          (define-struct mask (bits (array :u64 4)))
          (define-kfunc bpf-cpumask-populate (to (ref mask)) (from :memory) (size :u64) :i32)
          (define-map results :array (key-type :u32) (value-type :u64) (max-entries 4))
          (define (watching ctx)
            (let ((to (make-mask)) (from (make-mask)))
              (set-mask-bits! from 0 1)
              (set-mask-bits! to 0 8)
              (map-update results 0 (bpf-cpumask-populate to from 32))
              (map-update results 1 (mask-bits to 0))
              (set-mask-bits! from 0 0)
              (map-update results 2 (bpf-cpumask-populate to (mask-bits from) 32))
              (map-update results 3 (mask-bits to 0)))))
    }
}

mod pulling {
    eshkol::eshkol! {
        (define-ebpf-program pulling
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.18")
          (define-kfunc bpf-xdp-pull-data (ctx :context) (length :u32) :i32)
          (define-global (pulled :mutable) :i32 -1)
          (define-global (kind :mutable) :u16 0)
          (define (main ctx)
            (let ((before (parse-eth-header ctx)))
              (when before
                (set! kind (eth-type before))))
            (set! pulled (bpf-xdp-pull-data ctx 34))
            (let ((after (parse-eth-header ctx)))
              (when after
                (set! kind (+ kind (eth-type after)))))
            :xdp-pass))
    }
}

mod otherwise {
    eshkol::eshkol! {
        (define-ebpf-program otherwise
          (license "GPL")
          (program-type :xdp)
          (min-kernel "6.17")
          (define-struct four (name :char-array 4))
          (define-kfunc bpf-strlen (text (ref four)) :i32)
          (define-kfunc bpf-strnlen (text :memory) (size :u64) :i32)
          (define (main ctx)
            (if (= (bpf-strlen (make-four)) (bpf-strnlen "a" 2)) :xdp-drop :xdp-pass)))
    }
}

/// Root, and a kernel that has the function.
fn in_kernel_since(major: u16, minor: u16) -> bool {
    let since = KernelVersion::new(major, minor);
    if KernelVersion::running().is_none_or(|running| running < since) {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        // Not `eprintln!`, which is captured.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}, in the kernel, needs Linux {since}");
        return false;
    }
    require_root_for(", in the kernel,") == Privilege::Granted
}

fn check_reading(unit: &Reading) {
    let mut name = [0; 16];
    name[..5].copy_from_slice(b"given");
    unit.entries.set(0, Entry { id: 0, name }).unwrap();
    unit.main.test_run(&[0; 64]).unwrap();
    let results: Vec<i32> = (0..13).map(|index| unit.results.get(index).unwrap()).collect();
    assert_eq!(results, [6, 3, 0, 2, -libc::ENOENT, 0, 0, -1, 1, 9, -libc::ENOENT, 6, 0]);
}

#[test]
fn functions_of_the_kernel_read_text() {
    check_reading(&Reading::test().unwrap());
    if in_kernel_since(6, 17) {
        check_reading(&Reading::load().unwrap());
    }
}

#[test]
fn text_without_an_end_is_an_error_in_the_simulator() {
    let unit = endless::Endless::test().unwrap();
    unit.names.set(0, endless::Four { name: *b"four" }).unwrap();
    let error = unit.main.test_run(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("calls bpf_strlen, which reads 1 byte"), "{error}");
}

#[test]
fn what_stands_in_reads_and_writes_memory() {
    let unit = writing::Writing::test().unwrap();
    let simulator = unit.simulator().unwrap();
    simulator
        .set_kernel_function("bpf_fill_info", |arguments| {
            let info = arguments.bytes(1, 8);
            let link = u32::from_ne_bytes(info[..4].try_into().unwrap());
            arguments.set_bytes(1, &[(link * 2).to_ne_bytes(), (link * 3).to_ne_bytes()].concat());
            0
        })
        .unwrap();
    simulator
        .set_kernel_function("bpf_add_bytes", |arguments| {
            let bytes = arguments.bytes(1, usize::try_from(arguments[2]).unwrap());
            let before = u64::from_ne_bytes(arguments.bytes(0, 8).try_into().unwrap());
            let sum = before + bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            arguments.set_bytes(0, &sum.to_ne_bytes());
            0
        })
        .unwrap();
    unit.main.test_run(&[0; 64]).unwrap();
    assert_eq!(unit.infos.get(1).unwrap(), writing::Info { link: 14, id: 21 });
    assert_eq!(unit.infos.get(0).unwrap(), writing::Info { link: 1016, id: 24 });
    assert_eq!(unit.live.get().unwrap(), writing::Info { link: 18, id: 1027 });
    let sums: Vec<u64> = (0..3).map(|index| unit.sums.get(index).unwrap()).collect();
    assert_eq!(sums, [135, 135 + 99, 135 + 99 + 35]);
}

#[test]
fn what_stands_in_and_touches_other_memory_ends_the_run() {
    let unit = writing::Writing::test().unwrap();
    let simulator = unit.simulator().unwrap();
    simulator.set_kernel_function("bpf_add_bytes", |_| 0).unwrap();
    simulator
        .set_kernel_function("bpf_fill_info", |arguments| {
            assert_eq!(arguments.bytes(1, 4096), [0; 4096]);
            0
        })
        .unwrap();
    let error = unit.main.test_run(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("calls bpf_fill_info, which reads 4096 bytes"), "{error}");

    simulator
        .set_kernel_function("bpf_fill_info", |arguments| {
            arguments.set_bytes(2, &[1]);
            0
        })
        .unwrap();
    let error = unit.main.test_run(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("has 2 arguments, and no 2"), "{error}");
}

#[test]
fn the_kernel_reads_and_writes_memory() {
    if !in_kernel_since(6, 15) {
        return;
    }
    trace_fs();
    let unit = match copying::Copying::load() {
        Ok(unit) => unit,
        // Its size is that of the largest machine that the kernel was built for.
        Err(error) if error.to_string().contains("takes or gives something else") => {
            assert!(error.to_string().contains("(ref "), "{error}");
            let _ = writeln!(std::io::stderr(), "SKIPPED: the kernel's masks of CPUs have another size here");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let link = unit.watching.attach().unwrap();
    // SAFETY: getppid(2) has no preconditions.
    unsafe { libc::getppid() };
    drop(link);
    let results: Vec<u64> = (0..4).map(|index| unit.results.get(index).unwrap()).collect();
    assert_eq!(results, [0, 1, 0, 0]);
}

#[test]
fn a_function_that_is_given_the_context_moves_the_packet() {
    let mut packet = [0; 64];
    packet[12..14].copy_from_slice(&[0x08, 0x00]);
    let unit = pulling::Pulling::test().unwrap();
    unit.simulator().unwrap().set_kernel_function("bpf_xdp_pull_data", |arguments| arguments[1]).unwrap();
    unit.main.test_run(&packet).unwrap();
    assert_eq!((unit.pulled.get().unwrap(), unit.kind.get().unwrap()), (34, 0x1000));
    if in_kernel_since(6, 18) {
        let unit = pulling::Pulling::load().unwrap();
        unit.main.test_run(&packet).unwrap();
        assert_eq!((unit.pulled.get().unwrap(), unit.kind.get().unwrap()), (0, 0x1000));
    }
}

#[test]
fn memory_where_the_kernel_takes_text_is_an_error_that_shows_how_it_is() {
    if !in_kernel_since(6, 17) {
        return;
    }
    let error = otherwise::Otherwise::load().unwrap_err().to_string();
    assert!(error.contains("takes or gives something else"), "{error}");
    assert!(error.contains("(define-kfunc bpf-strlen (p1 :string) :u32)"), "{error}");
}
