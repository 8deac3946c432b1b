/* Makes a packet what it was, and goes on with a program that changes it: so that program runs on the same packet each time. */
#include "bpf.h"

/* What may change: that much of the packet's beginning, and its length, at the front. */
struct beginning {
	u64 words[8];
	u64 length;
};

MAP(beginning, BPF_MAP_TYPE_ARRAY, u32, struct beginning, 1);
MAP(program, BPF_MAP_TYPE_PROG_ARRAY, u32, u32, 1);

SEC("xdp")
int xdp_main(struct xdp_md *ctx)
{
	u32 zero = 0;
	struct beginning *before = bpf_map_lookup_elem(&beginning, &zero);
	u64 *words;
	s64 added;

	if (!before)
		return XDP_ABORTED;
	added = DATA_END(ctx) - DATA(ctx);
	/* The verifier takes no sum of a place in the packet and a number, which clang would make of this. */
	asm volatile("" : "+r"(added));
	added -= before->length;
	if (added && bpf_xdp_adjust_head(ctx, added))
		return XDP_ABORTED;
	words = DATA(ctx);
	if ((void *)(words + 8) > DATA_END(ctx))
		return XDP_ABORTED;
	for (int i = 0; i < 8; i++)
		words[i] = before->words[i];
	bpf_tail_call(ctx, &program, 0);
	return XDP_PASS;
}
