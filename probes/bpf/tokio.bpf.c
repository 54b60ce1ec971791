// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Unmodified Tokio: what its poll loops, wakers and spawns do, from probes inside them. Each thread has a row
 * (probes/layout.h) that only its own hits write, so nothing here needs an atomic.
 */
#include "probes/bpf/async_timer.bpf.h"
#include "probes/bpf/tokio_late.bpf.h"
#include "probes/bpf/tokio_unseen.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define SELF_TEST_POLLS 64u /* of each thread: their type and state are checked */

/* ---- polls ---- */

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

static __always_inline void close_poll(const struct hit *x, struct weft_open_poll *p)
{
	bool light = x->rust->level <= WEFT_LEVEL_LIGHT;
	struct weft_task *t = light ? 0 : still_there(x, p);
	__u64 result, state;

	if (light || t)
		look_at_end(x, p);
	result = result_of(p);
	if (result == WEFT_R_PENDING && t && read_state(x, p->header, &state))
		unseen_wake(x, p, t, state);
	if (x->async_task && result == WEFT_R_CANCELLED)
		look_at_handle(x, p);
	if (result == WEFT_R_ERROR && !(p->state & STATE_HANDLE)) /* nobody will hear of it */
		emit3(x, WEFT_K_HANDLE_DROP, p->task, (__u64)WEFT_D_DETACH << 48);
	if (light)
		tell_slow(x, p);
	emit_poll(x, p, result);
	if (light)
		return;
	if (result != WEFT_R_PENDING && !x->async_task && p->state & STATE_HANDLE)
		tell_kept(x, p);
	if (result != WEFT_R_PENDING)
		end_task(x, p->header, p->task, reason_of(result));
	else if (t && is_ready(x, t) && t->ready_ns < x->now)
		make_ready(x, t,
			   p->number); /* woken in its own poll: runnable from the end of that */
	if (t) /* unless a thief has begun the next one since it was looked up */
		__sync_val_compare_and_swap(&t->open_ns, p->start_ns, 0);
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

SEC("uprobe")
int tokio_poll_begin(struct pt_regs *ctx)
{
	struct hit x;
	struct head h;
	struct weft_open_poll *p;
	struct weft_task *t = 0;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || x.rust->closed)
		return 0;
	drop_stale(&x, ctx->sp);
	p = open_at(x.row, x.row->depth++);
	if (!p)
		return 0;
	p->sp = ctx->sp;
	if (!read_head(&x, x.header, &h)) {
		x.row->odd_state++;
		h.id = h.state = h.vtable = h.owner = 0;
	} else if (x.row->polls < SELF_TEST_POLLS) {
		self_test(&x, &h);
	}
	p->header = x.header;
	p->vtable = link_time(&x, h.vtable);
	p->task = h.id;
	p->state = h.state;
	p->owner = h.owner;
	p->flags = p->number = 0;
	if (h.state & STATE_COMPLETE &&
	    !x.async_task) { /* shut down while it was queued: its future is not polled */
		p->flags = WEFT_OPEN_COMPLETED;
		p->state |= STATE_CANCELLED;
	}
	p->delay_ns = WEFT_TICKS_UNKNOWN;
	if (x.rust->level > WEFT_LEVEL_LIGHT && h.id)
		t = task_at(&x, x.header, &h);
	if (t) {
		meet(&x, t, &h, !x.async_task);
		if (x.async_task)
			unseen_before(&x, t, h.state);
		take_ready(&x, t, p);
		t->open_ns = x.now;
		p->number = ++t->polls;
		t->panicked = 0;
		t->closed = !!(h.state & STATE_CANCELLED);
	}
	p->start_ns = x.now;
	x.row->park_on = 0;
	if (x.row->due_ns)
		look_at_driver(&x);
	x.row->scope = 0; /* not every way out of a driver can be probed */
	x.row->poll_start = x.now;
	x.row->poll_seq++;
	x.row->task = h.id;
	return 0;
}

SEC("uprobe")
int tokio_poll_end(struct pt_regs *ctx)
{
	struct weft_open_poll *p, *outer;
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || x.rust->closed)
		return 0;
	if (!x.row->depth) {
		x.row->unpaired++;
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
	count_poll(&x, x.now - p->start_ns);
	if (x.rust->level <= WEFT_LEVEL_LIGHT)
		count_wakes(&x, p);
	if (!p->task ||
	    (x.rust->level <= WEFT_LEVEL_LIGHT && x.now - p->start_ns < x.rust->slow_ns))
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

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h))
		return 0;
	runnable = !(h.state & (STATE_RUNNING | STATE_COMPLETE | STATE_NOTIFIED));
	x.row->wakes++;
	x.row->self_wakes += x.row->task == h.id;
	woken_inside(&x);
	if (is_built(&x, h.vtable))
		x.row->building = 0;
	leave_trail(&x, &h);
	t = h.state & STATE_COMPLETE ? 0 : task_at(&x, x.header, &h);
	if (t) {
		meet(&x, t, &h, !x.async_task);
		if (!is_ready(&x, t) && !(h.state & STATE_NOTIFIED))
			make_ready(&x, t, t->polls);
	}
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
	if (x.async_task && h.state & STATE_CANCELLED && !t->dropped) {
		t->aborter = x.row->task & WEFT_ID_MASK;
		tell_stack(&x, ctx, &h, WEFT_STACK_CANCELLER);
	}
	return 0;
}

/* The runtime is about to cancel it; one that was never polled is met here. */
SEC("uprobe")
int tokio_shutdown(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h) ||
	    h.state & STATE_COMPLETE)
		return 0;
	t = task_at(&x, x.header, &h);
	if (t)
		meet(&x, t, &h, !x.async_task);
	return 0;
}

SEC("uprobe")
int tokio_abort(struct pt_regs *ctx)
{
	struct weft_task *t;
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h))
		return 0;
	t = h.state & STATE_COMPLETE ? 0 : task_at(&x, x.header, &h);
	if (t && !t->aborter)
		t->aborter = x.row->task & WEFT_ID_MASK;
	return 0;
}

SEC("uprobe")
int tokio_handle_drop(struct pt_regs *ctx)
{
	struct hit x;
	struct head h;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x) || !read_head(&x, x.header, &h))
		return 0;
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
 * inside of a turn and wakes all that is due at the end of it.
 */
SEC("uprobe")
int tokio_scope_begin(struct pt_regs *ctx)
{
	struct hit x;

	if (!enter(ctx, bpf_get_attach_cookie(ctx), &x))
		return 0;
	x.row->scope = x.async_task ? x.row->scope | x.what : x.what;
	if (x.what != WEFT_SCOPE_TIMERS)
		return 0;
	if (x.async_task && x.rust->has_timers & WEFT_TIMERS_ASYNC_IO)
		reactor_looks(&x, ctx->di);
	else if (!x.async_task && x.rust->has_timers & WEFT_TIMERS_TOKIO)
		clock_turns(&x, ctx->di, x.header);
	return 0;
}

SEC("uprobe")
int tokio_scope_end(struct pt_regs *ctx)
{
	struct hit x;

	if (enter(ctx, bpf_get_attach_cookie(ctx), &x))
		x.row->scope = x.async_task ? x.row->scope & ~x.what : 0;
	return 0;
}
