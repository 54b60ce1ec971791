/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Single timers of async-io (async-std, smol): armed in Reactor::insert_timer(self, when, waker), taken out in
 * Reactor::remove_timer(self, when, id), and all that are due are taken in Reactor::process_timers(self), whose callers wake
 * them at the end of a turn. `when` is CLOCK_MONOTONIC, seconds and nanoseconds in two registers. A turn looks at
 * the timers once before it waits and once after it, so what it wakes was due since the look before those two.
 * Link-time optimisation leaves `self` out, as there is one reactor: then what is known of it goes by ANY_REACTOR.
 */
#ifndef WEFT_BPF_ASYNC_TIMER_H
#define WEFT_BPF_ASYNC_TIMER_H

#include "probes/bpf/tokio_timer.bpf.h"

#define LOOK_NS 50000ull /* from the entry of process_timers to its own look at the clock */

#define ANY_REACTOR 1ull
#define RSI         4 /* DWARF's number */

static __always_inline void look_of(const struct hit *x, __u64 reactor)
{
	struct weft_task_key key = { .header = reactor, .follow = x->follow };
	struct weft_tick_clock fresh = { .now = x->now }, *c = bpf_map_lookup_elem(&clocks, &key);

	if (!c) {
		bpf_map_update_elem(&clocks, &key, &fresh, BPF_ANY);
		return;
	}
	c->start_ns = c->before;
	c->before = c->now;
	c->now = x->now;
}

static __always_inline void reactor_looks(const struct hit *x)
{
	if (x->header) /* its address */
		look_of(x, x->header);
	look_of(x, ANY_REACTOR);
}

static __always_inline bool look_at_async_timer(const struct hit *x, struct weft_timer *timer,
						const struct weft_tick_clock *c, __u64 task)
{
	__u64 deadline = timer->tick;

	if (!timer->entry || deadline > c->now + LOOK_NS)
		return 0;
	timer->entry = 0;
	if (deadline <= c->start_ns)
		return 0;
	emit4(x, WEFT_K_TIMER_FIRE, deadline & WEFT_ID_MASK, task, deadline);
	return 1;
}

/* A wake inside of a turn, outside of a poll: was it a timer's? */
static __always_inline bool look_at_async_timers(const struct hit *x, struct weft_task *t)
{
	const struct weft_tick_clock *c = t->clock ? clock_at(x, t->clock) : 0;

	return c && (look_at_async_timer(x, &t->timer[0], c, t->id) |
		     look_at_async_timer(x, &t->timer[1], c, t->id));
}

/* Is `self` left out? */
static __always_inline bool is_selfless(__u64 cookie)
{
	return (cookie >> 8 & 0xff) == RSI;
}

/* 0 = beyond what is kept. */
static __always_inline __u64 when_of(const struct pt_regs *ctx, __u64 cookie)
{
	__u64 s = is_selfless(cookie) ? READ(di) : READ(si);
	__u64 ns = (__u32)(is_selfless(cookie) ? READ(si) : READ(dx));

	return s < WHEN_S && ns < SECOND_NS ? s * SECOND_NS + ns : 0;
}

/* Whose timer it is, NULL = nobody's that is known. */
static __always_inline struct weft_task *enter_timer(const struct pt_regs *ctx, __u64 cookie,
						     __u64 when, struct hit *x)
{
	return when && enter(ctx, cookie, x) ? polled_task(x) : 0;
}

SEC("uprobe")
int async_timer_arm(struct pt_regs *ctx)
{
	struct hit x;
	__u64 cookie = bpf_get_attach_cookie(ctx), when = when_of(ctx, cookie);
	struct weft_task *t = enter_timer(ctx, cookie, when, &x);

	if (!t)
		return 0;
	t->clock = is_selfless(cookie) ? ANY_REACTOR : READ(di);
	keep_timer(t, when, when);
	emit4(&x, WEFT_K_TIMER_ARM, when & WEFT_ID_MASK, t->id, when);
	return 0;
}

/* One that has fired is taken out by its task, too, and is not kept any more. */
SEC("uprobe")
int async_timer_drop(struct pt_regs *ctx)
{
	struct hit x;
	__u64 cookie = bpf_get_attach_cookie(ctx), when = when_of(ctx, cookie);
	struct weft_task *t = enter_timer(ctx, cookie, when, &x);

	if (!t)
		return 0;
	for (__u32 i = 0; i < WEFT_TASK_TIMERS; i++) {
		if (t->timer[i].entry != when)
			continue;
		t->timer[i].entry = 0;
		if (when > x.now)
			emit4(&x, WEFT_K_TIMER_CANCEL, when & WEFT_ID_MASK, t->id, when);
		break;
	}
	return 0;
}

#endif
