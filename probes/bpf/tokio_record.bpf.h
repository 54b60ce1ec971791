/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Records of the runtime's kinds as single events, counted in the row whether there was room for them or not. */
#ifndef WEFT_BPF_TOKIO_RECORD_H
#define WEFT_BPF_TOKIO_RECORD_H

#include "probes/bpf/tokio_hit.bpf.h"

struct record3 {
	struct weft_ev ev;
	__u64 w1, w2;
};
struct record4 {
	struct weft_ev ev;
	__u64 w1, w2, w3;
};

static __always_inline void fill_ev(struct weft_ev *ev, const struct hit *x, __u32 size, __u16 kind)
{
	ev->size = size;
	ev->kind = kind;
	ev->flags = 0;
	ev->process = x->process;
	ev->tid = x->row->tid;
	ev->time_ns = x->now;
}

static __always_inline void emit3(const struct hit *x, const __u16 kind, __u64 w1, __u64 w2)
{
	struct record3 *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	x->row->emitted[kind]++;
	if (!r) {
		x->row->lost[kind]++;
		return;
	}
	fill_ev(&r->ev, x, sizeof(*r), kind);
	r->w1 = w1;
	r->w2 = w2;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

static __always_inline void emit4(const struct hit *x, const __u16 kind, __u64 w1, __u64 w2,
				  __u64 w3)
{
	struct record4 *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	x->row->emitted[kind]++;
	if (!r) {
		x->row->lost[kind]++;
		return;
	}
	fill_ev(&r->ev, x, sizeof(*r), kind);
	r->w1 = w1;
	r->w2 = w2;
	r->w3 = w3;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

static __always_inline void emit_poll(const struct hit *x, const struct weft_open_poll *p,
				      __u64 result)
{
	emit4(x, WEFT_K_TASK_POLL, p->task, ((x->now - p->start_ns) & WEFT_ID_MASK) | result << 48,
	      p->delay_ns);
}

static __always_inline __u64 waker_kind(const struct weft_row *row)
{
	if (row->task)
		return WEFT_W_TASK;
	if (row->scope & WEFT_SCOPE_TIMERS)
		return WEFT_W_TIMER;
	if (row->scope & WEFT_SCOPE_DRIVER)
		return WEFT_W_IO;
	if (row->roles & (WEFT_ROW_WORKER | WEFT_ROW_CURRENT_THREAD | WEFT_ROW_ASYNC_TASK))
		return WEFT_W_RUNTIME;
	return row->roles & WEFT_ROW_POOL ? WEFT_W_JOB : WEFT_W_FOREIGN;
}

#define REG_RBP 6
#define REG_RSP 7

/* Where it will return to, as a distance from here. The cookie's register says from where to count; 0 = it is not asked. */
static __always_inline __s64 caller_of(const struct pt_regs *ctx, __u8 reg, __u64 words)
{
	__u64 base = reg == REG_RSP ? READ(sp) : reg == REG_RBP ? READ(bp) : 0, caller;

	if (!base || bpf_probe_read_user(&caller, sizeof(caller), (void *)(base + 8 * words)))
		return 0;
	return (__s64)(caller - ctx->ip);
}

/* Its task is known when it is first seen: the session brings the two together and counts the event then. */
static __always_inline void tell_spawn(const struct hit *x, __u32 probe, __s64 caller)
{
	struct weft_raw_spawn *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		x->row->emitted[WEFT_K_TASK_SPAWN]++;
		x->row->lost[WEFT_K_TASK_SPAWN]++;
		return;
	}
	fill_ev(&r->ev, x, sizeof(*r), WEFT_RAW_SPAWN);
	r->parent = x->row->task;
	r->caller = caller;
	r->probe = probe;
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* Not counted: it tells a state, no event. False: no room, so it is told at the next occasion. */
static __always_inline bool tell_task(const struct hit *x, const struct head *h, __u32 site,
				      bool newborn)
{
	struct weft_raw_task *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r)
		return 0;
	fill_ev(&r->ev, x, sizeof(*r), WEFT_RAW_TASK);
	r->task = h->id;
	r->state = h->state;
	r->owner = h->owner;
	r->site = site;
	r->newborn = newborn;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 1;
}

/* Not counted; its memory stays until the handle goes. One that finds no room is not told. */
static __always_inline void tell_kept(const struct hit *x, const struct weft_open_poll *p)
{
	__u32 site = site_of(x, p->vtable);
	struct weft_raw_kept *r = site != ~0u ? bpf_ringbuf_reserve(&ring, sizeof(*r), 0) : 0;

	if (!r)
		return;
	fill_ev(&r->ev, x, sizeof(*r), WEFT_RAW_KEPT);
	r->task = p->task;
	r->header = p->header;
	r->site = site;
	r->pad = 0;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* Counted by the session, which knows the workers' numbers; one that finds no room is not told. */
static __always_inline void tell_steal(const struct hit *x, __u32 from)
{
	struct weft_raw_steal *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	x->row->steals++;
	if (!r)
		return;
	fill_ev(&r->ev, x, sizeof(*r), WEFT_RAW_STEAL);
	r->from = from;
	r->to = x->row->lane;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

#define STACK_EVERY_NS 1000000000ull

/* Who does this to a task: not counted, and one a second of each type is enough. */
static __always_inline void tell_stack(const struct hit *x, const struct pt_regs *ctx,
				       const struct head *h, __u32 why)
{
	struct weft_type_key key = { .vtable = h->vtable, .follow = x->follow };
	__u64 now = x->now, *last = bpf_map_lookup_elem(&stacks_taken, &key);
	struct weft_raw_sample *r;

	if ((last && now - *last < STACK_EVERY_NS) ||
	    bpf_map_update_elem(&stacks_taken, &key, &now, BPF_ANY))
		return;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r)
		return;
	fill_ev(&r->ev, x, sizeof(*r), WEFT_RAW_CALLER);
	copy_regs(&r->stack, ctx);
	r->stack.syscall = -1;
	r->stack.kernel_bytes = 0;
	r->stack.task = h->id;
	r->stack.state = why;
	r->stack.poll_seq = r->stack.poll_start = 0;
	copy_own_stack(&r->stack);
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* async-task: its handle goes, and it has not ended. `by`: the task on this thread. */
static __always_inline void tell_dropped(const struct hit *x, struct weft_task *t, __u64 id,
					 __u64 by)
{
	if (t->dropped)
		return;
	t->dropped = 1;
	t->aborter = by & WEFT_ID_MASK;
	emit3(x, WEFT_K_HANDLE_DROP, id, t->aborter | (__u64)WEFT_D_CANCEL << 48);
}

/* What is cancelled and has no handle any more, was so by the drop of that; who cancels with cancel() waits for the end. */
static __always_inline void look_at_handle(const struct hit *x, const struct weft_open_poll *p)
{
	struct weft_task_key key = { .header = p->header, .follow = x->follow };
	struct weft_task *t = bpf_map_lookup_elem(&tasks, &key);

	if (t && t->id == p->task && !(p->state & STATE_HANDLE))
		tell_dropped(x, t, p->task, t->aborter);
}

#endif
