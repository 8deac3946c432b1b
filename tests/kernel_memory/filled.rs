//! What programs fill from addresses, and with the name of the task.

use eshkol_test_support::{Privilege, require_root};

use super::{first, name_of, thread_id};

eshkol::eshkol_file!("tests/kernel_memory/filled.esh");

/// For kernels with one helper for all memory.
mod older {
    eshkol::eshkol! {
        (define-ebpf-program older
          (license "GPL")
          (program-type :raw-tracepoint)
          (attach-point "sys_enter")
          (min-kernel "5.4")
          (define-struct reading
            (bytes :char-array 4) (bytes-result :i64)
            (text :char-array 8) (text-result :i64))
          (define-map readings :perf-event-array)
          (define-global (watched :mutable) :u32 0)
          (define-global (place :mutable) :u64 0)
          (define (main ctx)
            (when (= (current-tid) watched)
              (let ((r (make-reading)))
                (set-reading-bytes-result! r (probe-read (reading-bytes r) place))
                (set-reading-text-result! r (probe-read-str (reading-text r) place :user))
                (perf-output ctx readings r)))
            0))
    }
}

const FAULT: i64 = -(libc::EFAULT as i64);

#[test]
fn memory_of_the_kernel_and_of_the_process_is_read() {
    let Privilege::Granted = require_root() else { return };
    let (unit, thread) = (Filled::load().unwrap(), thread_id());
    let text = *b"teapots\0";
    unit.of_process.set(text.as_ptr().addr() as u64).unwrap();
    unit.watched.set(thread.cast_unsigned()).unwrap();
    let link = unit.main.attach().unwrap();
    let event = first(&unit.readings);
    drop(link);
    let name = name_of(thread);
    assert_eq!((event.comm_str(), event.letter), (name.as_str().into(), name.as_bytes()[1]));
    assert_eq!((event.number, event.number_result), ([thread], 0));
    assert_eq!((&*event.text_str(), event.text_result), ("teapots", 8), "the length has the NUL");
    assert_eq!((event.bytes, event.bytes_result), (*b"teap", 0));
    // `copy_from_kernel_nofault_allowed` in `arch/x86/mm/maccess.c` tells addresses of processes apart; other machines just find nothing.
    assert!([FAULT, -i64::from(libc::ERANGE)].contains(&event.kernel_text_result), "{}", event.kernel_text_result);
}

/// The simulated process has no memory; the kernel's is what the test says.
#[test]
fn memory_of_the_simulated_kernel_is_read() {
    let unit = Filled::test().unwrap();
    let machine = unit.simulator().unwrap();
    let numbers = machine.add_kernel_memory(&77_i32.to_ne_bytes());
    machine.set_task_address(machine.add_kernel_memory(&numbers.to_ne_bytes()));
    let mut task = eshkol::sim::Task::default();
    (task.name, task.thread) = ("kettle".to_owned(), 7);
    machine.set_task(task);
    unit.watched.set(7).unwrap();
    unit.of_process.set(numbers).unwrap();
    unit.of_kernel.set(machine.add_kernel_memory(b"cup\0saucer")).unwrap();
    unit.main.test_run(&[]).unwrap();
    let event = unit.readings.try_next().unwrap().expect("no event came");
    assert_eq!((&*event.comm_str(), event.letter), ("kettle", b'e'));
    assert_eq!((event.number, event.number_result), ([77], 0));
    assert_eq!((&*event.kernel_text_str(), event.kernel_text_result), ("cup", 4));
    assert_eq!((event.text, event.text_result), ([0; 8], FAULT));
    assert_eq!((event.bytes, event.bytes_result), ([0; 4], FAULT));
}

#[test]
fn old_kernels_have_one_helper_for_all_memory() {
    let unit = older::Older::test().unwrap();
    let machine = unit.simulator().unwrap();
    let mut task = eshkol::sim::Task::default();
    task.thread = 7;
    machine.set_task(task);
    unit.watched.set(7).unwrap();
    unit.place.set(machine.add_kernel_memory(b"cup\0saucer")).unwrap();
    unit.main.test_run(&[]).unwrap();
    let event = unit.readings.try_next().unwrap().expect("no event came");
    assert_eq!((event.bytes, event.bytes_result), (*b"cup\0", 0));
    assert_eq!((&*event.text_str(), event.text_result), ("cup", 4));
}
