/* What the programs here need of the kernel's interface: only that, so that clang alone compiles them. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
/* In network byte order. */
typedef u16 be16;
typedef u32 be32;

#define SEC(name) __attribute__((section(name), used))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define htons(n) ((be16)__builtin_bswap16(n))
#define htonl(n) ((be32)__builtin_bswap32(n))
#define ntohs(n) ((u16)__builtin_bswap16(n))
#define ntohl(n) ((u32)__builtin_bswap32(n))
#define LIKELY(test) __builtin_expect(!!(test), 1)

char _license[] SEC("license") = "GPL";

/* enum bpf_map_type */
#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PROG_ARRAY 3
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_RINGBUF 27

/* A map as libbpf wants it described. */
#define MAP(name, kind, key_type, value_type, entries) \
	struct { \
		int (*type)[kind]; \
		key_type *key; \
		value_type *value; \
		int (*max_entries)[entries]; \
	} name SEC(".maps")

/* A ring buffer, and how many events it had no room for, where our handles look for that. */
#define RING_BUFFER(name, size) \
	struct { \
		int (*type)[BPF_MAP_TYPE_RINGBUF]; \
		int (*max_entries)[size]; \
	} name SEC(".maps"); \
	u64 eshkol_lost_##name SEC(".data.eshkol_lost_" #name)

#define BPF_ANY 0

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static long (*const bpf_tail_call)(void *context, void *map, u32 index) = (void *)12;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *buffer, u32 size) = (void *)16;
static long (*const bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 size) = (void *)26;
static long (*const bpf_xdp_adjust_head)(void *context, int delta) = (void *)44;
static long (*const bpf_probe_read_user_str)(void *to, u32 size, const void *from) = (void *)114;
static long (*const bpf_ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;

/* How many bits it takes to write a number. */
static ALWAYS_INLINE u32 bit_length(u64 number)
{
	u32 bits = 1;

	if (!number)
		return 0;
	if (number >> 32) {
		number >>= 32;
		bits += 32;
	}
	if (number >> 16) {
		number >>= 16;
		bits += 16;
	}
	if (number >> 8) {
		number >>= 8;
		bits += 8;
	}
	if (number >> 4) {
		number >>= 4;
		bits += 4;
	}
	if (number >> 2) {
		number >>= 2;
		bits += 2;
	}
	return bits + (number >> 1);
}

/* Counts a number among those of its size. */
static ALWAYS_INLINE void count(void *histogram, u64 number)
{
	u32 bucket = bit_length(number);
	u64 *counted = bpf_map_lookup_elem(histogram, &bucket);

	if (counted)
		*counted += 1;
}

/* A struct of the kernel's, with only the fields that are read: the loader knows where they are. */
#define IN_THE_KERNEL __attribute__((preserve_access_index))

/* The registers where functions begin and end, on x86-64. */
struct pt_regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

/* What a tracepoint of a system call's entry gives. */
struct sys_enter {
	u64 common;
	s64 id;
	u64 args[6];
};

enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

/* The first field. */
struct __sk_buff {
	u32 len;
};

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define DATA_END(ctx) ((void *)(long)(ctx)->data_end)

/* Headers. None is packed: their fields lie where C puts them, and clang reads packed fields byte by byte. */

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ICMP 1
#define IPPROTO_IPIP 4
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_AH 51
#define IPPROTO_NONE 59
#define IPPROTO_DSTOPTS 60
#define IPPROTO_MH 135

/* Three halves: as far as their alignment goes. */
struct mac {
	u16 halves[3];
};

struct ethhdr {
	struct mac dest;
	struct mac source;
	be16 proto;
};

struct vlan_hdr {
	be16 tci;
	be16 proto;
};

struct iphdr {
	u8 ihl : 4, version : 4;
	u8 tos;
	be16 tot_len;
	be16 id;
	be16 frag_off;
	u8 ttl;
	u8 protocol;
	u16 check;
	be32 saddr;
	be32 daddr;
};

struct ipv6hdr {
	be32 version_class_flow;
	be16 payload_len;
	u8 nexthdr;
	u8 hop_limit;
	be32 saddr[4];
	be32 daddr[4];
};

struct ipv6_ext {
	u8 nexthdr;
	u8 length;
};

struct ipv6_frag {
	u8 nexthdr;
	u8 reserved;
	be16 frag_off;
	be32 id;
};

struct tcphdr {
	be16 source;
	be16 dest;
	be32 seq;
	be32 ack_seq;
	u16 res1 : 4, doff : 4, fin : 1, syn : 1, rst : 1, psh : 1, ack : 1, urg : 1, ece : 1, cwr : 1;
	be16 window;
	u16 check;
	be16 urg_ptr;
};

struct udphdr {
	be16 source;
	be16 dest;
	be16 len;
	u16 check;
};

struct icmphdr {
	u8 type;
	u8 code;
	u16 checksum;
	be32 rest;
};

/* The addresses lie at odd multiples of two. */
struct arphdr {
	be16 htype;
	be16 ptype;
	u8 hlen;
	u8 plen;
	be16 op;
	struct mac sender_mac;
	be16 sender_ip[2];
	struct mac target_mac;
	be16 target_ip[2];
};
