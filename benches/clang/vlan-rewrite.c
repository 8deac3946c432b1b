#include "bpf.h"

#define VID_MASK 0x0fff

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct vlan_hdr *vlan = (void *)(eth + 1);

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_8021Q))
		return XDP_PASS;
	if ((void *)(vlan + 1) > end)
		return XDP_PASS;
	if ((vlan->tci & htons(VID_MASK)) == htons(100))
		vlan->tci = (vlan->tci & ~htons(VID_MASK)) | htons(200);
	return XDP_PASS;
}
