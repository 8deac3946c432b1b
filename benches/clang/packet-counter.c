#include "bpf.h"

MAP(packets, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 1);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *count = bpf_map_lookup_elem(&packets, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}
