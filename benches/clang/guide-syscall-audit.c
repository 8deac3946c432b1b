#include "bpf.h"

struct syscall_event {
	u64 timestamp;
	u32 pid;
	u32 uid;
	u64 id;
	u64 args[6];
	char comm[16];
};

RING_BUFFER(events, 1024 * 1024);

SEC("tracepoint")
int trace_main(struct sys_enter *ctx)
{
	struct syscall_event event;

	event.timestamp = bpf_ktime_get_ns();
	event.pid = bpf_get_current_pid_tgid();
	event.uid = bpf_get_current_uid_gid();
	event.id = ctx->id;
	for (int i = 0; i < 6; i++)
		event.args[i] = ctx->args[i];
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0) < 0)
		__sync_fetch_and_add(&eshkol_lost_events, 1);
	return 0;
}
