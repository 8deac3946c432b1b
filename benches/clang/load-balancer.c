#include "bpf.h"

#define SERVICES_AT_MOST 16
#define PLACES 256

struct ports {
	be16 source;
	be16 destination;
};

struct service {
	be32 address;
	be16 port;
	u16 protocol;
};

struct backend {
	be32 address;
	struct mac mac;
};

/* Where in `backends` the places of each service begin. */
MAP(services, BPF_MAP_TYPE_HASH, struct service, u32, SERVICES_AT_MOST);
MAP(backends, BPF_MAP_TYPE_ARRAY, u32, struct backend, SERVICES_AT_MOST * PLACES);
MAP(forwarded, BPF_MAP_TYPE_PERCPU_ARRAY, u32, u64, 1);

static const struct mac our_mac = { { htons(0x0200), htons(0x0000), htons(0x0001) } };

static ALWAYS_INLINE u64 mix(u64 hash)
{
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 29;
}

/* Of the numbers as they are and not as they lie in memory, so that machines of either byte order agree. */
static ALWAYS_INLINE u64 hash_of(struct iphdr *ip, struct ports *ports)
{
	u64 addresses = (u64)ntohl(ip->saddr) << 32 | ntohl(ip->daddr);

	return mix(mix(addresses) ^ (u64)ntohs(ports->source) << 32 ^ (u64)ntohs(ports->destination) << 16 ^
		   ip->protocol);
}

static ALWAYS_INLINE int encapsulate(struct xdp_md *ctx, u16 length, struct backend *backend)
{
	struct ethhdr *eth;
	struct iphdr *ip;
	u64 *count;
	u32 key = 0;
	u32 sum = 0;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)) < 0)
		return XDP_ABORTED;
	end = DATA_END(ctx);
	eth = DATA(ctx);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;

	eth->dest = backend->mac;
	eth->source = our_mac;
	eth->proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = htons(length + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = htonl(0x0a000001);
	ip->daddr = backend->address;
#pragma clang loop unroll(full)
	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += ((u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;

	count = bpf_map_lookup_elem(&forwarded, &key);
	if (count)
		*count += 1;
	return XDP_TX;
}

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	void *end = DATA_END(ctx);
	struct ethhdr *eth = DATA(ctx);
	struct iphdr *ip = (void *)(eth + 1);
	struct backend *backend;
	struct service service;
	struct ports *ports;
	u32 *first;
	u32 place;

	if ((void *)(eth + 1) > end || eth->proto != htons(ETH_P_IP))
		return XDP_PASS;
	if ((void *)(ip + 1) > end || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return XDP_PASS;
	if (ip->frag_off & htons(0x1fff))
		return XDP_PASS;
	ports = (void *)ip + ip->ihl * 4;
	if ((void *)(ports + 1) > end)
		return XDP_PASS;

	service.address = ip->daddr;
	service.port = ports->destination;
	service.protocol = ip->protocol;
	first = bpf_map_lookup_elem(&services, &service);
	if (!first)
		return XDP_PASS;
	place = *first + hash_of(ip, ports) % PLACES;
	backend = bpf_map_lookup_elem(&backends, &place);
	if (!backend)
		return XDP_PASS;
	return encapsulate(ctx, ntohs(ip->tot_len), backend);
}
