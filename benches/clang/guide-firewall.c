#include "bpf.h"

/* The keys are numbers in the host's order, as the program's text has them. */
MAP(blocklist, BPF_MAP_TYPE_HASH, u32, u8, 1024);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct iphdr *ip = (void *)(eth + 1);
	u32 source;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->proto != htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	source = __builtin_bswap32(ip->saddr);
	return bpf_map_lookup_elem(&blocklist, &source) ? XDP_DROP : XDP_PASS;
}
