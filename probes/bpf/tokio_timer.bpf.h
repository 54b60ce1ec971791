/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Single timers of Tokio: armed in Handle::reregister(self, unpark, tick, entry), fired by Handle::process_at_time(self, now),
 * which wakes their tasks. Where that is built into TimerEntry::reset(self, deadline) (LTO, up to 1.4x), there: the deadline is an Instant,
 * seconds and nanoseconds of CLOCK_MONOTONIC in two registers, and its tick is as exact as the clock's start is known. One hit for each timer that is armed; that it fired is seen at the wake, in the live entry.
 */
#ifndef WEFT_BPF_TOKIO_TIMER_H
#define WEFT_BPF_TOKIO_TIMER_H

#include "probes/bpf/tokio_record.bpf.h"

#define TICK_NS     1000000ull
#define ENTRY_WORDS 8
#define WHEN_S      (1ull << 33) /* seconds beyond it are no deadline */
#define SECOND_NS   1000000000ull
#define TICK_LIMIT  (1ull << 40) /* beyond it: the runtime shuts down */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weft_task_key);
	__type(value, struct weft_tick_clock);
} clocks SEC(".maps");

static __always_inline struct weft_tick_clock *clock_at(const struct hit *x, __u64 address)
{
	struct weft_task_key key = { .header = address, .follow = x->follow };

	return bpf_map_lookup_elem(&clocks, &key);
}

/* A tick has been going on for less than its length when it is read: the least difference is nearest to the start. */
static __always_inline void clock_turns(const struct hit *x, __u64 address, __u64 now)
{
	struct weft_task_key key = { .header = address, .follow = x->follow };
	struct weft_tick_clock fresh = { .start_ns = x->now - now * TICK_NS, .now = now },
			       *c = bpf_map_lookup_elem(&clocks, &key);

	if (now >= TICK_LIMIT)
		return;
	x->row->clock = address;
	if (!c) {
		bpf_map_update_elem(&clocks, &key, &fresh, BPF_ANY);
		return;
	}
	if (fresh.start_ns < c->start_ns)
		c->start_ns = fresh.start_ns;
	if (c->now == now) /* several wheels are looked at in one turn */
		return;
	c->before = c->now;
	c->now = now;
}

static __always_inline void keep_timer(struct weft_task *t, __u64 entry, __u64 tick)
{
	struct weft_timer *at = &t->timer[0];

	if (at->entry != entry && (t->timer[1].entry == entry || at->entry))
		at = &t->timer[1];
	at->entry = entry;
	at->tick = tick;
}

/*
 * Fired: its tick is not in it any more, nor is another. One that a turn before this has passed by was given a later
 * deadline meanwhile, or is gone: nothing is known of when it was due.
 */
static __always_inline void look_at_timer(const struct hit *x, struct weft_timer *timer,
					  const struct weft_tick_clock *c, __u64 task)
{
	__u64 word[ENTRY_WORDS], entry = timer->entry, tick = timer->tick, deadline;
	__u64 off = 0; /* its tick may be so much more */
	bool fired = 0;

	if (x->rust->has_timers & WEFT_TIMERS_DEADLINE) {
		deadline = tick;
		tick = deadline > c->start_ns ? (deadline + TICK_NS - 1 - c->start_ns) / TICK_NS
					      : 0;
		off = 1;
	} else {
		deadline = c->start_ns + tick * TICK_NS;
	}
	if (!entry || tick > c->now)
		return;
	if (tick + off <= c->before) {
		timer->entry = 0;
		return;
	}
	if (bpf_probe_read_user(word, sizeof(word), (void *)entry))
		return;
	/* No counts: each value of one is a state to the verifier, and loading this program took a second on a busy machine. */
	for (int i = 0; i < ENTRY_WORDS; i++) {
		if (word[i] - tick <= off)
			return;
		fired |= word[i] == ~0ull;
	}
	if (!fired)
		return;
	timer->entry = 0;
	emit4(x, WEFT_K_TIMER_FIRE, entry, task, deadline);
}

static __always_inline void look_at_timers(const struct hit *x, struct weft_task *t)
{
	__u64 clock = x->rust->has_timers & WEFT_TIMERS_DEADLINE ? x->row->clock : t->clock;
	const struct weft_tick_clock *c = clock ? clock_at(x, clock) : 0;

	if (!c)
		return;
	look_at_timer(x, &t->timer[0], c, t->id);
	look_at_timer(x, &t->timer[1], c, t->id);
}

/* The task that is being polled, NULL = none: the timer of a future that is no task wakes none. */
static __always_inline struct weft_task *polled_task(const struct hit *x)
{
	struct weft_open_poll *p;
	struct weft_task_key key;
	struct weft_task *t;
	__u32 top = x->row->depth - 1;

	barrier_var(top);
	if (top >= WEFT_POLL_DEPTH)
		return 0;
	p = &x->row->open[top];
	key = (struct weft_task_key){ .header = p->header, .follow = x->follow };
	t = bpf_map_lookup_elem(&tasks, &key);
	return t && t->id == p->task ? t : 0;
}

SEC("uprobe")
int tokio_timer_arm(struct pt_regs *ctx)
{
	__u64 clock = ctx->di, tick = ctx->dx, entry = ctx->cx;
	const struct weft_tick_clock *c;
	struct weft_task *t;
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || tick >= TICK_LIMIT)
		return 0;
	t = polled_task(&x);
	if (!t)
		return 0;
	t->clock = clock;
	keep_timer(t, entry, tick);
	c = clock_at(&x, clock);
	if (c) /* else no turn was seen yet: its deadline can't be told */
		emit4(&x, WEFT_K_TIMER_ARM, entry, t->id, c->start_ns + tick * TICK_NS);
	return 0;
}

/* Its clock is not at hand here: the one whose turn wakes the task. */
SEC("uprobe")
int tokio_timer_reset(struct pt_regs *ctx)
{
	__u64 entry = ctx->di, s = ctx->si, ns = (__u32)ctx->dx, deadline = s * SECOND_NS + ns;
	struct weft_task *t;
	struct hit x;

	if (s >= WHEN_S || ns >= SECOND_NS || !enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	t = polled_task(&x);
	if (!t)
		return 0;
	keep_timer(t, entry, deadline);
	emit4(&x, WEFT_K_TIMER_ARM, entry, t->id, deadline);
	return 0;
}

#endif
