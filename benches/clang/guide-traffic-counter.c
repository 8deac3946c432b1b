#include "bpf.h"

struct traffic_stats {
	u64 packets;
	u64 bytes;
};

MAP(traffic_stats, BPF_MAP_TYPE_PERCPU_ARRAY, u32, struct traffic_stats, 256);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	u64 length = end - (void *)eth;
	struct traffic_stats *stats;
	u32 key;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	key = ntohs(eth->proto);
	stats = bpf_map_lookup_elem(&traffic_stats, &key);
	if (!stats) {
		struct traffic_stats first = { .packets = 1, .bytes = length };

		bpf_map_update_elem(&traffic_stats, &key, &first, BPF_ANY);
	} else {
		stats->packets += 1;
		stats->bytes += length;
		bpf_map_update_elem(&traffic_stats, &key, stats, BPF_ANY);
	}
	return XDP_PASS;
}
