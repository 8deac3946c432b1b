#include "bpf.h"

MAP(start_times, BPF_MAP_TYPE_HASH, u64, u64, 1024);
MAP(latency_hist, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 100);
/* What the calls that have not returned were called with, by where their frames are. */
MAP(arguments, BPF_MAP_TYPE_LRU_HASH, u64, u64, 16384);

SEC("kprobe")
int entry_probe(struct pt_regs *ctx)
{
	u64 sock = ctx->di;
	u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&start_times, &sock, &now, BPF_ANY);
	return 0;
}

SEC("kprobe")
int eshkol_entry_return_probe(struct pt_regs *ctx)
{
	u64 frame = ctx->sp;
	u64 sock = ctx->di;

	bpf_map_update_elem(&arguments, &frame, &sock, BPF_ANY);
	return 0;
}

SEC("kretprobe")
int return_probe(struct pt_regs *ctx)
{
	/* The return has taken its address off the stack. */
	u64 frame = ctx->sp - 8;
	u64 *argument = bpf_map_lookup_elem(&arguments, &frame);
	u64 sock, now, *start;

	if (!argument)
		return 0;
	sock = *argument;
	bpf_map_delete_elem(&arguments, &frame);
	now = bpf_ktime_get_ns();
	start = bpf_map_lookup_elem(&start_times, &sock);
	if (start) {
		count(&latency_hist, now - *start);
		bpf_map_delete_elem(&start_times, &sock);
	}
	return 0;
}
