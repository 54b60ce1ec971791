// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Unmodified Tokio: what its poll loops, wakers and spawns do, from probes inside them. Each thread has a row
 * (probes/layout.h) that only its own hits write, so nothing here needs an atomic.
 */
#include "probes/bpf/async_timer.bpf.h"
#include "probes/bpf/tokio_late.bpf.h"
#include "probes/bpf/tokio_poll.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- polls ---- */

SEC("uprobe")
int tokio_poll_begin(struct pt_regs *ctx)
{
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || x.rust->closed || is_job(&x))
		return 0;
	if (x.rust->raised && read_head(&x, x.header, &h) && is_raised(&x, &h))
		return 0; /* tokio_raised_begin is here, too */
	drop_stale(&x, ctx->sp);
	if (!read_head(&x, x.header, &h)) {
		x.row->odd_state++;
		h.id = h.state = h.vtable = h.owner = 0;
	} else if (x.row->polls < SELF_TEST_POLLS) {
		self_test(&x, &h);
	}
	open_poll(ctx, &x, &h, 0);
	return 0;
}

/* At the polls of types that are raised: between windows too. */
SEC("uprobe")
int tokio_raised_begin(struct pt_regs *ctx)
{
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !x.rust->raised ||
	    !read_head(&x, x.header, &h) || !is_raised(&x, &h))
		return 0;
	drop_stale(&x, ctx->sp);
	open_poll(ctx, &x, &h, WEFT_OPEN_RAISED);
	return 0;
}

SEC("uprobe")
int tokio_poll_end(struct pt_regs *ctx)
{
	struct weft_open_poll *p, *outer;
	struct hit x;
	bool closed;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	closed = x.rust->closed;
	if (closed && !x.rust->raised)
		return 0;
	if (!x.row->depth || (x.rust->raised && is_deeper(&x, ctx->sp))) {
		x.row->unpaired += !closed;
		return 0;
	}
	x.row->roles |= x.what;
	p = open_at(x.row, --x.row->depth);
	if (!p)
		return 0;
	if (x.what & (WEFT_ROW_WORKER | WEFT_ROW_CURRENT_THREAD) && p->owner)
		x.row->owner = p->owner;
	x.row->task = 0;
	outer = x.row->depth ? open_at(x.row, x.row->depth - 1) : 0;
	if (outer) {
		x.row->poll_start = outer->start_ns;
		x.row->task = outer->task;
	}
	if (closed && !(p->flags & WEFT_OPEN_RAISED))
		return 0; /* it began in a window */
	outlive_panic(&x, p);
	if (!closed)
		count_poll(&x, x.now - p->start_ns);
	if (!closed && x.rust->level <= WEFT_LEVEL_LIGHT)
		count_wakes(&x, p);
	if (!p->task || (x.rust->level <= WEFT_LEVEL_LIGHT && !(p->flags & WEFT_OPEN_RAISED) &&
			 x.now - p->start_ns < x.rust->slow_ns))
		leave_poll(&x, p);
	else
		close_poll(&x, p);
	return 0;
}

/* Harness::complete, dealloc and the like: inside the poll, or, at shutdown, outside of one. */
SEC("uprobe")
int tokio_complete(struct pt_regs *ctx)
{
	struct weft_open_poll *p;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h))
		return 0;
	p = x.row->depth ? open_at(x.row, x.row->depth - 1) : 0;
	if (p && p->header == x.header) {
		/* async-task: freed by its own poll, so its handle went before. */
		if (x.async_task)
			p->state &= h.state | ~STATE_HANDLE;
		end_state(p, h.state);
	} else {
		end_task(&x, x.header, h.id,
			 h.state & STATE_CANCELLED ? WEFT_E_SHUTDOWN : WEFT_E_DONE);
	}
	return 0;
}

SEC("uprobe")
int tokio_panic(struct pt_regs *ctx)
{
	struct weft_task_key key = {};
	struct weft_open_poll *p;
	struct weft_task *t;
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	p = x.row->depth ? open_at(x.row, x.row->depth - 1) : 0;
	if (!p)
		return 0;
	p->flags |= WEFT_OPEN_PANICKED;
	p->panic_ns = x.now;
	key.header = p->header;
	key.follow = x.follow;
	t = bpf_map_lookup_elem(&tasks, &key);
	if (t)
		t->panicked = 1;
	return 0;
}

/* ---- jobs of the blocking pool ---- */

SEC("uprobe")
int tokio_job_begin(struct pt_regs *ctx)
{
	struct hit x;
	struct head h = {};

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	if (x.async_task)
		h.id = x.header; /* no id, and no need of one that lasts */
	else if (bpf_probe_read_user(&h.vtable, sizeof(h.vtable),
				     (void *)(x.header + x.rust->vtable)) ||
		 !read_id(x.rust, x.header, &h))
		return 0;
	x.row->roles |= WEFT_ROW_POOL;
	x.row->job = h.id;
	x.row->job_start = x.now;
	emit4(&x, WEFT_K_JOB_START, h.id, 0, WEFT_TICKS_UNKNOWN);
	return 0;
}

SEC("uprobe")
int tokio_job_end(struct pt_regs *ctx)
{
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !x.row->job)
		return 0;
	emit4(&x, WEFT_K_JOB_END, x.row->job, 0, (x.now - x.row->job_start) & WEFT_ID_MASK);
	x.row->job = 0;
	return 0;
}

/* ---- wakes, spawns ---- */

static __always_inline void woken_inside(const struct hit *x)
{
	struct weft_open_poll *p = x->row->depth ? open_at(x->row, x->row->depth - 1) : 0;

	if (p && p->header == x->header)
		p->flags |= WEFT_OPEN_WOKEN;
}

/*
 * A walk over all tasks begins with one of them: what a thread outside of polls makes runnable leads to a runtime that nobody
 * drives. In the last place, which deep nests of polls alone use.
 */
static __always_inline void leave_trail(const struct hit *x, const struct head *h)
{
	if (x->row->depth || x->async_task)
		return;
	x->row->open[WEFT_POLL_DEPTH - 1].header = x->header;
	x->row->open[WEFT_POLL_DEPTH - 1].vtable = link_time(x, h->vtable);
}

/* Inside of a turn, outside of a poll. Tokio's timers have a scope of their own, async-io's are known when they fire. */
static __always_inline bool look_at_timers_of(const struct hit *x, struct weft_task *t)
{
	if (x->async_task)
		return look_at_async_timers(x, t);
	if (!(x->row->scope & WEFT_SCOPE_TIMERS))
		return 0;
	look_at_timers(x, t);
	return 1;
}

SEC("uprobe")
int tokio_wake(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;
	__u64 runnable, by;
	bool late, fresh; /* fresh: it was not notified before this wake */

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h))
		return 0;
	late = x.what & WEFT_WAKE_LATE;
	fresh = late == !!(h.state & STATE_NOTIFIED);
	x.row->wakes++;
	x.row->self_wakes += x.row->task == h.id;
	woken_inside(&x);
	if (is_built(&x, h.vtable))
		x.row->building = 0;
	leave_trail(&x, &h);
	t = h.state & STATE_COMPLETE ? 0 : task_at(&x, x.header, &h);
	if (t) {
		meet(&x, t, &h, !x.async_task);
		if (late && is_ready(&x, t))
			fresh = 0;
		if (fresh && !is_ready(&x, t))
			make_ready(&x, t, t->polls);
	}
	runnable = fresh && !(h.state & (STATE_RUNNING | STATE_COMPLETE));
	by = waker_kind(x.row);
	if (t && !x.row->task && x.row->scope && look_at_timers_of(&x, t))
		by = WEFT_W_TIMER;
	emit3(&x, WEFT_K_TASK_WAKE, h.id, (x.row->task & WEFT_ID_MASK) | by << 48 | runnable << 56);
	return 0;
}

/* A task is being built. The cookie's address: number of the probe : 20 | place of a return address, in words : 20 << 20. */
SEC("uprobe")
int tokio_spawn(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct hit x;

	if (!enter(ctx, cookie, &x))
		return 0;
	x.row->building = x.what;
	tell_spawn(&x, x.address & WEFT_SPAWN_PROBES, caller_of(ctx, cookie >> 8, x.address >> 20));
	return 0;
}

/* The same of a raised type, whose tasks are met at their first poll; above light tokio_spawn is there. */
SEC("uprobe")
int tokio_raised_spawn(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct hit x;

	if (enter(ctx, cookie, &x) && x.rust->raised && x.rust->level <= WEFT_LEVEL_LIGHT)
		tell_spawn(&x, x.address & WEFT_SPAWN_PROBES,
			   caller_of(ctx, cookie >> 8, x.address >> 20));
	return 0;
}

SEC("uprobe")
int tokio_schedule(struct pt_regs *ctx)
{
	struct weft_open_poll *p;
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	p = x.row->depth ? open_at(x.row, x.row->depth - 1) : 0;
	if (x.row->building)
		look_at_birth(&x, p ? p->header : 0);
	if (!read_head(&x, x.header, &h))
		return 0;
	leave_trail(&x, &h);
	t = task_at(&x, x.header, &h);
	if (!t)
		return 0;
	meet(&x, t, &h, 1);
	if (x.async_task && p && p->header == x.header) /* before a thief can have it */
		unseen_wake(&x, p, t, h.state);
	if (!is_ready(&x, t))
		make_ready(&x, t, t->polls);
	if (h.state & STATE_CANCELLED && !t->dropped && (x.async_task || !t->aborter))
		t->aborter = x.row->task & WEFT_ID_MASK;
	if (x.async_task && h.state & STATE_CANCELLED && !t->dropped)
		tell_stack(&x, ctx, &h, WEFT_STACK_CANCELLER);
	return 0;
}

/* The runtime is about to cancel it; one that was never polled is met here. */
SEC("uprobe")
int tokio_shutdown(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	x.row->scope = 0; /* what is woken now, is by no turn of a driver */
	if (!read_head(&x, x.header, &h) || h.state & STATE_COMPLETE)
		return 0;
	t = task_at(&x, x.header, &h);
	if (t)
		meet(&x, t, &h, !x.async_task);
	return 0;
}

/* remote_abort(&self): of a handle, that is, a pointer to the header; a build that sees through it hands over the header itself. */
static __always_inline bool find_aborted(struct hit *x, struct head *h)
{
	__u64 handle = x->header;

	if (!bpf_probe_read_user(&x->header, sizeof(x->header), (void *)handle) &&
	    read_head(x, x->header, h) && is_task_type(x, h->vtable))
		return 1;
	x->header = handle;
	return read_head(x, handle, h) && is_task_type(x, h->vtable);
}

/* What is complete, or aborted already, stays as it is. */
SEC("uprobe")
int tokio_abort(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !find_aborted(&x, &h) ||
	    h.state & (STATE_COMPLETE | STATE_CANCELLED))
		return 0;
	t = task_at(&x, x.header, &h);
	if (!t)
		return 0;
	meet(&x, t, &h, 1);
	t->aborter = x.row->task & WEFT_ID_MASK;
	tell_stack(&x, ctx, &h, WEFT_STACK_CANCELLER);
	return 0;
}

SEC("uprobe")
int tokio_handle_drop(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h) ||
	    !is_task_type(&x, h.vtable))
		return 0;
	t = h.state & STATE_COMPLETE ? 0 : task_at(&x, x.header, &h);
	if (t && t->detached) /* without optimisation the quick way and the slow one are two */
		return 0;
	if (t)
		t->detached = 1;
	emit3(&x, WEFT_K_HANDLE_DROP, h.id,
	      (x.row->task & WEFT_ID_MASK) |
		      (__u64)(h.state & STATE_COMPLETE ? WEFT_D_COMPLETE : WEFT_D_DETACH) << 48);
	return 0;
}

/* Task::drop of async-task: the argument points to the handle. What has not ended is cancelled by it. */
SEC("uprobe")
int async_handle_drop(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) ||
	    bpf_probe_read_user(&x.header, sizeof(x.header), (void *)x.header) ||
	    !read_async_state(&x, x.header, &h.state) ||
	    h.state & (STATE_COMPLETE | STATE_CANCELLED) || !read_head(&x, x.header, &h))
		return 0;
	t = task_at(&x, x.header, &h);
	if (!t || t->dropped)
		return 0;
	meet(&x, t, &h, 0);
	tell_dropped(&x, t, h.id, x.row->task);
	tell_stack(&x, ctx, &h, WEFT_STACK_CANCELLER);
	return 0;
}

/*
 * what: enum weft_row_scope. Tokio's driver turns, then timers fire: one after the other. async-io looks after its timers
 * inside of a turn and wakes all that is due at the end of it, so that is no scope: nothing is woken in there.
 */
SEC("uprobe")
int tokio_scope_begin(struct pt_regs *ctx)
{
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	if (x.async_task && x.what == WEFT_SCOPE_TIMERS) {
		reactor_looks(&x);
		return 0;
	}
	x.row->scope = x.what;
	if (x.what == WEFT_SCOPE_TIMERS && x.rust->has_timers & WEFT_TIMERS_TOKIO)
		clock_turns(&x, ctx->di, x.header);
	return 0;
}

SEC("uprobe")
int tokio_scope_end(struct pt_regs *ctx)
{
	struct hit x;

	if (enter(ctx, bpf_get_attach_cookie(ctx), &x))
		x.row->scope = 0;
	return 0;
}
