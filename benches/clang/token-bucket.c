#include "bpf.h"

#define CAPACITY 2000
#define NANOSECONDS_PER_TOKEN 1000000

struct bucket {
	u64 tokens;
	u64 filled;
};

MAP(buckets, BPF_MAP_TYPE_LRU_HASH, be32, struct bucket, 65536);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct iphdr *ip = (void *)(eth + 1);
	struct bucket *bucket;
	u64 now, new, tokens;
	be32 source;

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > end)
		return XDP_PASS;

	source = ip->saddr;
	now = bpf_ktime_get_ns();
	bucket = bpf_map_lookup_elem(&buckets, &source);
	if (!bucket) {
		struct bucket first = { .tokens = CAPACITY - 1, .filled = now };

		bpf_map_update_elem(&buckets, &source, &first, BPF_ANY);
		return XDP_PASS;
	}
	new = (now - bucket->filled) / NANOSECONDS_PER_TOKEN;
	tokens = bucket->tokens + new;
	if (tokens > CAPACITY)
		tokens = CAPACITY;
	if (new > 0)
		bucket->filled += new * NANOSECONDS_PER_TOKEN;
	if (tokens == 0)
		return XDP_DROP;
	bucket->tokens = tokens - 1;
	return XDP_PASS;
}
