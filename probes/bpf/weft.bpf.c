// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* The C runtime's flush points: a batch of records from the target's memory into the ring. */
#include "probes/bpf/maps.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct batch_record {
	struct weft_ev ev;
	struct weft_ev_batch batch;
};

/* Arguments of a flush point: rdi page, rsi bytes, rdx lane | seq << 32, rcx stamp. */
struct flush {
	const void *page;
	__u64 bytes, lane_seq, stamp;
};

static __always_inline void fill(struct batch_record *r, const struct flush *x, __u32 process)
{
	r->ev.size = sizeof(*r) + x->bytes;
	r->ev.kind = WEFT_EV_BATCH;
	r->ev.flags = 0;
	r->ev.process = process;
	r->ev.tid = bpf_get_current_pid_tgid();
	r->ev.time_ns = bpf_ktime_get_ns();
	r->batch.lane = x->lane_seq;
	r->batch.seq = x->lane_seq >> 32;
	r->batch.offset = 0;
	r->batch.bytes = x->bytes;
	r->batch.hit_ns = r->ev.time_ns;
	r->batch.hit_stamp = x->stamp;
}

/*
 * The verifier (5.15 to 6.18) takes a reserve of constant size only, hence the size classes; the barrier
 * keeps clang from dropping the bound that the verifier has to see.
 */
static __always_inline void deliver(struct weft_follow_entry *f, const struct flush *x,
				    const __u32 class)
{
	struct batch_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r) + class, 0);
	__u64 n = x->bytes;

	if (!r) {
		__sync_fetch_and_add(&f->full, 1);
		return;
	}
	barrier_var(n);
	if (n > class || bpf_probe_read_user(r + 1, n, x->page)) {
		__sync_fetch_and_add(&f->failed, 1);
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return;
	}
	fill(r, x, f->process);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

SEC("uprobe")
int weft_flush(struct pt_regs *ctx)
{
	struct flush x = { (void *)ctx->di, ctx->si, ctx->dx, ctx->cx };
	struct weft_follow_entry *f = follow_at(bpf_get_attach_cookie(ctx));

	if (!f || f->tgid != bpf_get_current_pid_tgid() >> 32)
		return 0;
	__sync_fetch_and_add(&f->hits, 1);
	__sync_fetch_and_add(&f->bytes, x.bytes);
	if (x.bytes < sizeof(struct weft_batch) || x.bytes > WEFT_BATCH_BYTES || x.bytes % 8)
		__sync_fetch_and_add(&f->failed, 1);
	else if (x.bytes <= 256)
		deliver(f, &x, 256);
	else if (x.bytes <= 1024)
		deliver(f, &x, 1024);
	else if (x.bytes <= 4096)
		deliver(f, &x, 4096);
	else if (x.bytes <= 8192)
		deliver(f, &x, 8192);
	else
		deliver(f, &x, WEFT_BATCH_BYTES);
	return 0;
}

/* Carries the semaphore of a level; its place is never executed. */
SEC("uprobe")
int weft_level(struct pt_regs *ctx)
{
	return 0;
}

/* The work of weft_flush for a full batch at rdi, without its effect: for measuring what a hit costs. */
SEC("uprobe")
int weft_calibrate(struct pt_regs *ctx)
{
	struct batch_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r) + WEFT_BATCH_BYTES, 0);

	if (!r)
		return 0;
	bpf_probe_read_user(r + 1, WEFT_BATCH_BYTES, (void *)ctx->di);
	bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
	return 0;
}
