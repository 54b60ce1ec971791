/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What the compiler has built into code where no probe is, and how it is told all the same: wakes, and the end of a task. */
#ifndef WEFT_BPF_TOKIO_UNSEEN_H
#define WEFT_BPF_TOKIO_UNSEEN_H

#include "probes/bpf/tokio_task.bpf.h"

static __always_inline void tell_unseen(const struct hit *x, struct weft_task *t, __u32 poll)
{
	if (__sync_lock_test_and_set(&t->waking, poll) == poll)
		return;
	x->row->wakes++;
	x->row->self_wakes++;
	emit3(x, WEFT_K_TASK_WAKE, t->id, (t->id & WEFT_ID_MASK) | (__u64)WEFT_W_TASK << 48);
}

/*
 * wake_by_ref may be built into a small future's poll, where no probe sees it. What is queued again by or after its poll, and was
 * not seen to be woken, has woken itself: anyone else goes by the waker's functions.
 */
static __always_inline void unseen_wake(const struct hit *x, struct weft_open_poll *p,
					struct weft_task *t, __u64 state)
{
	if (p->flags & WEFT_OPEN_WOKEN || is_ready(x, t) ||
	    (state & (STATE_NOTIFIED | STATE_RUNNING | STATE_CANCELLED)) != STATE_NOTIFIED)
		return;
	p->flags |= WEFT_OPEN_WOKEN;
	make_ready(x, t, p->number);
	tell_unseen(x, t, p->number);
}

/* The same, polled by a thief before the poll that woke it was seen to end. */
static __always_inline void unseen_before(const struct hit *x, struct weft_task *t, __u64 state)
{
	if (t->open_ns <= x->rust->since_ns || is_ready(x, t) ||
	    state & (STATE_CANCELLED | STATE_COMPLETE))
		return;
	tell_unseen(x, t, t->polls);
	if (!x->async_task && t->open_lane && t->open_lane != x->row->lane + 1)
		tell_steal(x, t->open_lane - 1);
}

/* Is the header's task of the type of which this thread builds one? */
static __always_inline bool is_built(const struct hit *x, __u64 vtable)
{
	__u32 site = x->row->building ? site_of(x, link_time(x, vtable)) : ~0u;

	return site != ~0u && WEFT_TYPE_MARK(site) == x->row->building;
}

/*
 * async-task, made runnable: is it the task that this thread has just built? Then what the table has of its place was freed, by
 * code that has no probe or in a poll that is not over yet: its end was not told. Notified and with its handle is how a
 * task is born; one that was woken is none, nor one that goes back to the queue from its poll.
 */
static __always_inline void look_at_birth(const struct hit *x, __u64 polled)
{
	struct weft_task_key key = { .header = x->header, .follow = x->follow };
	struct weft_task *t;
	__u64 state, vtable;

	if (polled == x->header || !read_async_state(x, x->header, &state) ||
	    (state & ~(STATE_REFS | STATE_AWAITED)) != (STATE_NOTIFIED | STATE_HANDLE) ||
	    bpf_probe_read_user(&vtable, sizeof(vtable),
				(void *)(x->header + x->rust->async_vtable)) ||
	    !is_built(x, vtable))
		return;
	x->row->building = 0;
	t = bpf_map_lookup_elem(&tasks, &key);
	if (t)
		end_task(x, x->header, t->id,
			 t->panicked               ? WEFT_E_ERROR
			 : t->closed || t->dropped ? WEFT_E_CANCELLED
						   : WEFT_E_DONE);
}

#endif
