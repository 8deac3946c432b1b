#include "bpf.h"

struct connection_tuple {
	u32 src_ip;
	u32 dst_ip;
	u16 src_port;
	u16 dst_port;
	u8 protocol;
};

struct connection_info {
	u8 state;
	u64 packets;
	u64 bytes;
	u64 start_time;
	u64 last_seen;
};

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_CLOSE = 7 };

MAP(connections, BPF_MAP_TYPE_HASH, struct connection_tuple, struct connection_info, 1024);

static ALWAYS_INLINE u8 state(const struct tcphdr *tcp)
{
	if (tcp->rst)
		return TCP_CLOSE;
	if (tcp->syn)
		return tcp->ack ? TCP_SYN_RECV : TCP_SYN_SENT;
	return tcp->fin ? TCP_FIN_WAIT1 : TCP_ESTABLISHED;
}

SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	struct connection_tuple tuple = {};
	struct connection_info *info;
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
	u64 now;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) || eth.proto != htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(skb, sizeof(eth), &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP)
		return 0;
	if (bpf_skb_load_bytes(skb, sizeof(eth) + ip.ihl * 4, &tcp, sizeof(tcp)))
		return 0;
	tuple.src_ip = ntohl(ip.saddr);
	tuple.dst_ip = ntohl(ip.daddr);
	tuple.src_port = ntohs(tcp.source);
	tuple.dst_port = ntohs(tcp.dest);
	tuple.protocol = IPPROTO_TCP;
	now = bpf_ktime_get_ns();
	info = bpf_map_lookup_elem(&connections, &tuple);
	if (!info) {
		struct connection_info first = {
			.state = state(&tcp),
			.packets = 1,
			.bytes = skb->len,
			.start_time = now,
			.last_seen = now,
		};

		bpf_map_update_elem(&connections, &tuple, &first, BPF_ANY);
	} else {
		info->state = state(&tcp);
		info->packets += 1;
		info->bytes += skb->len;
		info->last_seen = now;
		bpf_map_update_elem(&connections, &tuple, info, BPF_ANY);
	}
	return -1;
}
