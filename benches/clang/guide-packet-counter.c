#include "bpf.h"

MAP(packet_counter, BPF_MAP_TYPE_ARRAY, u32, u64, 1);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *counter = bpf_map_lookup_elem(&packet_counter, &key);

	if (counter) {
		u64 value = *counter + 1;

		bpf_map_update_elem(&packet_counter, &key, &value, BPF_ANY);
	}
	return XDP_DROP;
}
