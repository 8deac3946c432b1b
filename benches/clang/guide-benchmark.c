#include "bpf.h"

enum { PACKETS, BYTES, START_TIME, CURRENT_TIME };

MAP(perf_stats, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 4);

static ALWAYS_INLINE void put(u32 key, u64 value)
{
	bpf_map_update_elem(&perf_stats, &key, &value, BPF_ANY);
}

static ALWAYS_INLINE u64 get(u32 key, u64 otherwise)
{
	u64 *value = bpf_map_lookup_elem(&perf_stats, &key);

	return value ? *value : otherwise;
}

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	u64 length = DATA_END(ctx) - DATA(ctx);
	u64 now;

	put(PACKETS, get(PACKETS, 0) + 1);
	put(BYTES, get(BYTES, 0) + length);
	now = bpf_ktime_get_ns();
	put(START_TIME, get(START_TIME, now));
	put(CURRENT_TIME, now);
	return XDP_PASS;
}
