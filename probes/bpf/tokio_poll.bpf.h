/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* A poll from its begin to its end: the thread's stack of open ones, what of it is counted and what is told. */
#ifndef WEFT_BPF_TOKIO_POLL_H
#define WEFT_BPF_TOKIO_POLL_H

#include "probes/bpf/tokio_late.bpf.h"
#include "probes/bpf/tokio_unseen.bpf.h"

#define SELF_TEST_POLLS 64u /* of each thread: their type and state are checked */

static __always_inline struct weft_open_poll *open_at(struct weft_row *row, __u32 depth)
{
	barrier_var(depth);
	if (depth >= WEFT_POLL_DEPTH)
		return 0;
	return &row->open[depth];
}

static __always_inline void self_test(const struct hit *x, const struct head *h)
{
	if (site_of(x, link_time(x, h->vtable)) == ~0u)
		x->row->odd_type++;
	/* A poll begins with a task that is notified and owned, or cancelled meanwhile. */
	if (!(h->state & STATE_REFS) || h->state & STATE_RUNNING)
		x->row->odd_state++;
}

/* State of a task that was polled just now; false: what is there now is another, or nothing. */
static __always_inline bool state_after(const struct hit *x, const struct weft_open_poll *p,
					__u64 *state)
{
	__u64 vtable;
	struct head h;

	if (!x->async_task) {
		if (!read_head(x, p->header, &h) || h.id != p->task)
			return 0;
		*state = h.state;
		return 1;
	}
	return !bpf_probe_read_user(&vtable, sizeof(vtable),
				    (void *)(p->header + x->rust->async_vtable)) &&
	       link_time(x, vtable) == p->vtable && read_async_state(x, p->header, state);
}

static __always_inline void end_state(struct weft_open_poll *p, __u64 state)
{
	p->flags |= WEFT_OPEN_COMPLETED;
	p->state |= state & STATE_CANCELLED;
}

/* Without a probe inside that tells of the end: the header tells, while it is the same task's. */
static __always_inline void look_at_end(const struct hit *x, struct weft_open_poll *p)
{
	__u64 state;

	if (p->flags & WEFT_OPEN_COMPLETED)
		return;
	if (!state_after(x, p, &state)) {
		p->flags |= WEFT_OPEN_COMPLETED; /* freed */
	} else if (state & STATE_COMPLETE) {
		end_state(p, state);
	}
}

static __always_inline __u64 result_of(const struct weft_open_poll *p)
{
	if (!(p->flags & WEFT_OPEN_COMPLETED))
		return WEFT_R_PENDING; /* panics are caught inside some */
	if (p->flags & WEFT_OPEN_PANICKED)
		return WEFT_R_ERROR;
	return p->state & STATE_CANCELLED ? WEFT_R_CANCELLED : WEFT_R_READY;
}

/* A future that was polled before it was dropped, cancelled meanwhile, has had that poll. */
static __always_inline __u64 told_of(const struct weft_open_poll *p, __u64 result)
{
	return result == WEFT_R_CANCELLED && !(p->flags & WEFT_OPEN_CLOSED) ? WEFT_R_PENDING
									    : result;
}

static __always_inline __u64 reason_of(__u64 result)
{
	return result == WEFT_R_ERROR       ? WEFT_E_ERROR
	       : result == WEFT_R_CANCELLED ? WEFT_E_CANCELLED
					    : WEFT_E_DONE;
}

/*
 * The task of a poll that is over, NULL = it has ended or is being polled again: a task that was woken meanwhile
 * may have gone on at another worker before the end of this poll is seen here.
 */
static __always_inline struct weft_task *still_there(const struct hit *x,
						     const struct weft_open_poll *p)
{
	struct weft_task_key key = { .header = p->header, .follow = x->follow };
	struct weft_task *t = bpf_map_lookup_elem(&tasks, &key);

	return t && t->id == p->task && t->polls == p->number ? t : 0;
}

/* At light no task was met before: whose poll it was. */
static __always_inline void tell_slow(const struct hit *x, const struct weft_open_poll *p)
{
	struct head h = { .id = p->task, .state = p->state, .owner = p->owner };
	__u32 site = site_of(x, p->vtable);

	if (site != ~0u)
		tell_task(x, &h, site, 0);
}

/*
 * A handle that goes before the first poll does so in the code that spawns, where no probe is: the task's state tells. Of a
 * task that nothing is kept of, only when it fails, of which nobody will hear.
 */
static __always_inline void look_at_detached(const struct hit *x, const struct weft_open_poll *p,
					     struct weft_task *t, __u64 result)
{
	if (p->state & STATE_HANDLE || result == WEFT_R_CANCELLED ||
	    (t ? t->detached : result != WEFT_R_ERROR))
		return;
	if (t)
		t->detached = 1;
	emit3(x, WEFT_K_HANDLE_DROP, p->task, (__u64)WEFT_D_DETACH << 48);
}

static __always_inline void close_poll(const struct hit *x, struct weft_open_poll *p)
{
	bool light = x->rust->level <= WEFT_LEVEL_LIGHT,
	     alone = light && !(p->flags & WEFT_OPEN_RAISED);
	struct weft_task *t = alone ? 0 : still_there(x, p);
	__u64 result, state;

	if (light || t)
		look_at_end(x, p);
	result = result_of(p);
	if (!light && result == WEFT_R_PENDING && t && read_state(x, p->header, &state))
		unseen_wake(x, p, t, state);
	if (x->async_task && result == WEFT_R_CANCELLED)
		look_at_handle(x, p);
	look_at_detached(x, p, t, result);
	if (alone)
		tell_slow(x, p);
	emit_poll(x, p, told_of(p, result));
	if (alone)
		return;
	if (!light && result != WEFT_R_PENDING && !x->async_task && p->state & STATE_HANDLE)
		tell_kept(x, p);
	if (result != WEFT_R_PENDING)
		end_task(x, p->header, p->task, reason_of(result));
	else if (!light && t && is_ready(x, t) && t->ready_ns < x->now)
		make_ready(x, t,
			   p->number); /* woken in its own poll: runnable from the end of that */
	if (t) /* unless a thief has begun the next one since it was looked up */
		__sync_val_compare_and_swap(&t->open_ns, p->start_ns, 0);
}

/*
 * async-task: a poll that is seen to end after a panic has caught it, or the panic would have taken the executor along. The
 * task lives on, under its id.
 */
static __always_inline void outlive_panic(const struct hit *x, const struct weft_open_poll *p)
{
	struct weft_task_key key = { .header = p->header, .follow = x->follow };
	struct weft_task *t;

	if (!x->async_task || !(p->flags & WEFT_OPEN_PANICKED))
		return;
	t = bpf_map_lookup_elem(&tasks, &key);
	if (t && t->id == p->task)
		t->panicked = 0;
}

/* A poll that is only counted. */
static __always_inline void leave_poll(const struct hit *x, const struct weft_open_poll *p)
{
	struct weft_task_key key = { .header = p->header, .follow = x->follow };

	x->row->filtered[WEFT_K_TASK_POLL]++;
	if (x->async_task && p->flags & WEFT_OPEN_COMPLETED)
		bpf_map_delete_elem(&tasks, &key); /* or the next task there gets its id */
}

static __always_inline void count_poll(const struct hit *x, __u64 ns)
{
	x->row->polls++;
	if (!x->row->depth)
		x->row->busy_ns += ns;
	if (ns > x->row->poll_max_ns)
		x->row->poll_max_ns = ns;
}

/*
 * At light no wake is seen. Each poll has one, and a task that is notified again when its poll ends was most likely
 * woken by itself. Of a task that has ended and is freed the word means nothing: one in eight of those counts.
 */
static __always_inline void count_wakes(const struct hit *x, const struct weft_open_poll *p)
{
	__u64 state;

	x->row->wakes++;
	if (read_state(x, p->header, &state) &&
	    (state & (STATE_RUNNING | STATE_COMPLETE | STATE_NOTIFIED)) == STATE_NOTIFIED)
		x->row->self_wakes++;
}

/* async-task may let a panic through its caller's loop: then no end of the poll is seen. */
static __always_inline void abandon(const struct hit *x, const struct weft_open_poll *p)
{
	count_poll(x, p->panic_ns - p->start_ns);
	emit4(x, WEFT_K_TASK_POLL, p->task,
	      ((p->panic_ns - p->start_ns) & WEFT_ID_MASK) | (__u64)WEFT_R_ERROR << 48,
	      p->delay_ns);
	end_task(x, p->header, p->task, WEFT_E_ERROR);
}

/*
 * A poll that is open lies further up the stack than one inside it. One that does not has ended unseen: a thread that
 * was in it when the probes came or went, or a hit that was lost.
 */
static __always_inline void drop_stale(const struct hit *x, __u64 sp)
{
	struct weft_row *row = x->row;

	for (__u32 i = 0; i < WEFT_POLL_DEPTH; i++) {
		struct weft_open_poll *top = row->depth ? open_at(row, row->depth - 1) : 0;

		if (row->depth > WEFT_POLL_DEPTH)
			row->depth = WEFT_POLL_DEPTH;
		else if (top && top->sp <= sp)
			row->depth--;
		else
			return;
		if (top && top->flags & WEFT_OPEN_PANICKED)
			abandon(x, top);
		else
			row->unpaired++;
	}
}

/* A task whose polls are all told: from its first to its last event the programs keep what they know of it. */
static __always_inline void meet_at_poll(const struct hit *x, const struct head *h,
					 struct weft_open_poll *p)
{
	bool light = x->rust->level <= WEFT_LEVEL_LIGHT;
	struct weft_task *t = task_at(x, x->header, h);

	if (!t)
		return;
	meet(x, t, h, !x->async_task && !(light && x->rust->raised_task));
	if (!light) { /* there no wake is seen, and no other poll */
		unseen_before(x, t, h->state);
		take_ready(x, t, p);
		look_at_move(x, t);
	}
	t->open_ns = x->now;
	t->open_lane = lane_of_worker(x);
	p->number = ++t->polls;
	t->panicked = 0;
	t->closed = !!(h->state & STATE_CANCELLED);
}

/* h: zero where the header could not be read. */
static __always_inline void open_poll(const struct pt_regs *ctx, struct hit *x,
				      const struct head *h, __u32 flags)
{
	struct weft_open_poll *p = open_at(x->row, x->row->depth++);

	if (!p)
		return;
	p->sp = ctx->sp;
	p->header = x->header;
	p->vtable = link_time(x, h->vtable);
	p->task = h->id;
	p->state = h->state;
	p->owner = h->owner;
	p->flags = flags;
	p->number = 0;
	if (h->state & STATE_CANCELLED)
		p->flags |= WEFT_OPEN_CLOSED;
	if (h->state & STATE_COMPLETE && !x->async_task) { /* shut down while it was queued */
		p->flags |= WEFT_OPEN_COMPLETED | WEFT_OPEN_CLOSED;
		p->state |= STATE_CANCELLED;
	}
	p->delay_ns = WEFT_TICKS_UNKNOWN;
	if (h->id && (flags & WEFT_OPEN_RAISED || x->rust->level > WEFT_LEVEL_LIGHT))
		meet_at_poll(x, h, p);
	p->start_ns = x->now;
	x->row->park_on = 0;
	if (x->row->due_ns)
		look_at_driver(x);
	x->row->scope = 0; /* not every way out of a driver can be probed */
	x->row->poll_start = x->now;
	x->row->poll_seq++;
	x->row->task = h->id;
}

/*
 * Of polls between windows only those of raised types were seen to begin: an end further down the stack than the innermost of them
 * is that of another one inside it.
 */
static __always_inline bool is_deeper(const struct hit *x, __u64 sp)
{
	struct weft_open_poll *p = open_at(x->row, x->row->depth - 1);

	return p && p->sp >= sp;
}

#endif
