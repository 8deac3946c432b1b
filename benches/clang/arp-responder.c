#include "bpf.h"

#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

#define OUR_ADDRESS htonl(0x0a000001)
static const struct mac our_mac = { { htons(0x0200), htons(0x0000), htons(0x0001) } };

/* A 32-bit address at an even place: packets may be read at any place where the machine can, as on x86-64 and arm64. */
#define ADDRESS(field) (*(be32 *)(field))

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct arphdr *arp = (void *)(eth + 1);

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_ARP))
		return XDP_PASS;
	if ((void *)(arp + 1) > end)
		return XDP_PASS;
	if (arp->htype != htons(ARPHRD_ETHER) || arp->ptype != htons(ETH_P_IP) || arp->op != htons(ARPOP_REQUEST))
		return XDP_PASS;
	if (ADDRESS(arp->target_ip) != OUR_ADDRESS)
		return XDP_PASS;

	arp->op = htons(ARPOP_REPLY);
	arp->target_mac = arp->sender_mac;
	ADDRESS(arp->target_ip) = ADDRESS(arp->sender_ip);
	arp->sender_mac = our_mac;
	ADDRESS(arp->sender_ip) = OUR_ADDRESS;
	eth->dest = eth->source;
	eth->source = our_mac;
	return XDP_TX;
}
