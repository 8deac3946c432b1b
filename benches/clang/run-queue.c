#include "bpf.h"

/* The records, as the running kernel lays them out. */
struct trace_event_raw_sched_wakeup_template {
	s32 pid;
} IN_THE_KERNEL;

struct trace_event_raw_sched_switch {
	s32 prev_pid;
	s64 prev_state;
	s32 next_pid;
} IN_THE_KERNEL;

MAP(waiting, BPF_MAP_TYPE_HASH, s32, u64, 10240);
MAP(waits, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 65);

static ALWAYS_INLINE void begin_to_wait(s32 thread)
{
	u64 now;

	if (thread == 0)
		return;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&waiting, &thread, &now, BPF_ANY);
}

SEC("tracepoint")
int on_wakeup(struct trace_event_raw_sched_wakeup_template *record)
{
	begin_to_wait(record->pid);
	return 0;
}

SEC("tracepoint")
int on_switch(struct trace_event_raw_sched_switch *record)
{
	s32 thread;
	u64 *since;

	if ((record->prev_state & 0xff) == 0)
		begin_to_wait(record->prev_pid);
	thread = record->next_pid;
	since = bpf_map_lookup_elem(&waiting, &thread);
	if (since) {
		count(&waits, bpf_ktime_get_ns() - *since);
		bpf_map_delete_elem(&waiting, &thread);
	}
	return 0;
}
