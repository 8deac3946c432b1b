#include "bpf.h"

#define ICMP_ECHOREPLY 0
#define ICMP_ECHO 8

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct iphdr *ip = (void *)(eth + 1);
	struct icmphdr *icmp;
	be32 address;
	u16 old, new;
	u32 sum;

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > end || ip->protocol != IPPROTO_ICMP)
		return XDP_PASS;
	icmp = (void *)ip + ip->ihl * 4;
	if ((void *)(icmp + 1) > end || icmp->type != ICMP_ECHO)
		return XDP_PASS;

	for (int i = 0; i < 3; i++) {
		u16 half = eth->source.halves[i];

		eth->source.halves[i] = eth->dest.halves[i];
		eth->dest.halves[i] = half;
	}
	/* The sum is the same whichever way round the addresses are. */
	address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	/* RFC 1624, equation 3. */
	old = *(u16 *)icmp;
	icmp->type = ICMP_ECHOREPLY;
	new = *(u16 *)icmp;
	sum = (u16)~icmp->checksum + (u16)~old + new;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	icmp->checksum = ~sum;
	return XDP_TX;
}
