/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What is kept of a task from its first event to its end. */
#ifndef WEFT_BPF_TOKIO_TASK_H
#define WEFT_BPF_TOKIO_TASK_H

#include "probes/bpf/tokio_record.bpf.h"

/*
 * What is kept of a task; made at its first event. Another id at the same place is another task. NULL: it has ended: a
 * waker may look at its state, and then another worker completes it and takes it out of the table.
 */
static __always_inline struct weft_task *task_at(const struct hit *x, __u64 header,
						 const struct head *h)
{
	struct weft_task_key key = { .header = header, .follow = x->follow };
	struct weft_task blank = { .id = h->id, .vtable = h->vtable },
			 *t = bpf_map_lookup_elem(&tasks, &key);
	__u64 state = STATE_COMPLETE;

	if (t && t->id == h->id)
		return t;
	if (bpf_map_update_elem(&tasks, &key, &blank, BPF_ANY))
		return 0;
	read_state(x, header, &state);
	if (state & STATE_COMPLETE) {
		bpf_map_delete_elem(&tasks, &key);
		return 0;
	}
	return bpf_map_lookup_elem(&tasks, &key);
}

static __always_inline void meet(const struct hit *x, struct weft_task *t, const struct head *h,
				 bool newborn)
{
	__u32 site;

	if (t->told)
		return;
	site = site_of(x, link_time(x, h->vtable));
	if (site != ~0u)
		t->told = tell_task(x, h, site, newborn);
}

/* A worker for such a task. */
static __always_inline __u32 lane_of_worker(const struct hit *x)
{
	__u32 role = x->async_task ? WEFT_ROW_ASYNC_TASK : WEFT_ROW_WORKER;

	return x->row->roles & role ? x->row->lane + 1 : 0;
}

/*
 * What a worker makes runnable goes into its own queue. `poll`: the last one it was seen in; where a thief began the next one meanwhile,
 * nobody takes what is written here.
 */
static __always_inline void make_ready(const struct hit *x, struct weft_task *t, __u32 poll)
{
	t->ready_ns = x->now;
	t->ready_poll = poll;
	t->ready_lane = lane_of_worker(x);
}

/* Made runnable, as far as the programs have seen it: not before a time in which no wake was seen. */
static __always_inline bool is_ready(const struct hit *x, const struct weft_task *t)
{
	return t->ready_ns > x->rust->since_ns && t->ready_poll == t->polls;
}

static __always_inline void take_ready(const struct hit *x, struct weft_task *t,
				       struct weft_open_poll *p)
{
	bool ready = is_ready(x, t);

	if (ready && t->ready_ns <= x->now)
		p->delay_ns = x->now - t->ready_ns;
	if (ready && !x->async_task && t->ready_lane && t->ready_lane != x->row->lane + 1)
		tell_steal(x, t->ready_lane - 1);
	t->ready_ns = t->ready_lane = 0;
}

/*
 * async-task: what is woken goes into a queue that all workers take from, so who woke it says nothing. That another worker polls it
 * than did before is a move; a task that is bound to its thread makes none.
 */
static __always_inline void look_at_move(const struct hit *x, const struct weft_task *t)
{
	if (x->async_task && t->open_lane && t->open_lane != x->row->lane + 1)
		tell_steal(x, t->open_lane - 1);
}

/* The first to take it out tells the end. */
static __always_inline void end_task(const struct hit *x, __u64 header, __u64 task, __u64 reason)
{
	struct weft_task_key key = { .header = header, .follow = x->follow };
	struct weft_task *t = bpf_map_lookup_elem(&tasks, &key);
	__u64 by = t && t->id == task && reason == WEFT_E_CANCELLED ? t->aborter : 0;

	if (!t || t->id != task)
		return;
	if (t->panicked && reason == WEFT_E_SHUTDOWN)
		reason = WEFT_E_ERROR;
	if (bpf_map_delete_elem(&tasks, &key))
		return;
	emit3(x, WEFT_K_TASK_END, task, by | reason << 48);
}

#endif
