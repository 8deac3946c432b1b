#include "bpf.h"

#define INTERVAL 1000000000
#define LIMIT 100

struct window {
	u64 start;
	u64 count;
};

MAP(windows, BPF_MAP_TYPE_LRU_HASH, be32, struct window, 65536);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp;
	struct window *window;
	be32 source;
	u64 now;

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	tcp = (void *)ip + ip->ihl * 4;
	if ((void *)(tcp + 1) > end || !tcp->syn || tcp->ack)
		return XDP_PASS;

	source = ip->saddr;
	now = bpf_ktime_get_ns();
	window = bpf_map_lookup_elem(&windows, &source);
	if (!window) {
		struct window first = { .start = now, .count = 1 };

		bpf_map_update_elem(&windows, &source, &first, BPF_ANY);
		return XDP_PASS;
	}
	if (now - window->start > INTERVAL) {
		window->start = now;
		window->count = 1;
		return XDP_PASS;
	}
	__sync_fetch_and_add(&window->count, 1);
	return window->count <= LIMIT ? XDP_PASS : XDP_DROP;
}
