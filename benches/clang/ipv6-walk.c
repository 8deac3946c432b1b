#include "bpf.h"

#define EXTENSIONS 6

/* The protocol of the upper layer, and where it begins. */
static ALWAYS_INLINE u8 upper_layer(struct ipv6hdr *ip, void *end, void **place)
{
	u8 protocol = ip->nexthdr;
	void *at = ip + 1;

	/* Kernels since 5.3 follow loops that end. */
#pragma clang loop unroll(disable)
	for (int i = 0; i < EXTENSIONS; i++) {
		struct ipv6_frag *fragment;
		struct ipv6_ext *extension;

		switch (protocol) {
		case IPPROTO_FRAGMENT:
			fragment = at;
			if ((void *)(fragment + 1) > end || fragment->frag_off & htons(0xfff8))
				return IPPROTO_NONE;
			protocol = fragment->nexthdr;
			at = fragment + 1;
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
		case IPPROTO_MH:
		case 139:
		case 140:
			extension = at;
			if ((void *)(extension + 1) > end)
				return IPPROTO_NONE;
			at += protocol == IPPROTO_AH ? (extension->length + 2) * 4 : (extension->length + 1) * 8;
			protocol = extension->nexthdr;
			break;
		default:
			*place = at;
			return protocol;
		}
	}
	*place = at;
	return protocol;
}

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct ipv6hdr *ip = (void *)(eth + 1);
	struct udphdr *udp;
	void *place;

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_IPV6))
		return XDP_PASS;
	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	if (upper_layer(ip, end, &place) != IPPROTO_UDP)
		return XDP_PASS;
	udp = place;
	if ((void *)(udp + 1) > end)
		return XDP_PASS;
	return udp->dest == htons(53) ? XDP_DROP : XDP_PASS;
}
