#include "bpf.h"

/* Nothing of the event is without a value, nor is what stands behind the name. */
struct exec_event {
	u32 pid;
	char comm[16];
	char filename[256];
};

RING_BUFFER(exec_events, 1024 * 1024);

SEC("tracepoint")
int trace_main(struct sys_enter *ctx)
{
	struct exec_event event = {};

	event.pid = bpf_get_current_pid_tgid();
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	bpf_probe_read_user_str(event.filename, sizeof(event.filename), (void *)ctx->args[0]);
	if (bpf_ringbuf_output(&exec_events, &event, sizeof(event), 0) < 0)
		__sync_fetch_and_add(&eshkol_lost_exec_events, 1);
	return 0;
}
