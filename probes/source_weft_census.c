// SPDX-License-Identifier: MIT
/* The C runtime's task census as SNAPSHOT events, spread over many drains. */
#include <string.h>

#include "probes/source_weft_internal.h"

#define STEP_NS 2000000ull
#define PACE_NS \
	1000000ull /* per task of the last walk: 200,000 tasks are walked every 200 s, a recording grows by < 100 kB/s */
#define NOT_KNOWN UINT64_MAX

static struct weft_ev event(const struct weft_process *w, uint16_t kind)
{
	return (struct weft_ev){ .kind = kind,
				 .flags = WEFT_EVF_SNAPSHOT,
				 .process = w->p->index,
				 .tid = (uint32_t)w->p->pid,
				 .time_ns = w->p->session->now_ns };
}

static uint64_t age(const struct weft_process *w, uint64_t stamp)
{
	uint64_t at = stamp ? process_stamp_ns(w->p, stamp) : 0, now = w->p->session->now_ns;

	return !stamp ? NOT_KNOWN : now > at ? now - at : 0;
}

static void on_task(void *ctx, const struct census_task *task)
{
	struct weft_process *w = ctx;
	const struct weft_task_head *h = &task->head;
	struct weft_ev_snapshot_task e = { .task = h->id,
					   .parent = h->parent,
					   .state = h->state,
					   .site = h->site,
					   .polls = h->polls,
					   .bytes = h->bytes,
					   .runtime = h->runtime };

	e.age_ns = age(w, h->spawn_stamp);
	e.wake_age_ns = age(w, h->wake_stamp);
	memcpy(e.name, task->name, sizeof(e.name));
	session_emit(w->p->session, event(w, WEFT_EV_SNAPSHOT_TASK), &e, sizeof(e));
}

static void on_end(void *ctx, uint32_t tasks, uint32_t torn, uint32_t missed)
{
	struct weft_process *w = ctx;
	struct weft_ev_snapshot e = {
		.snapshot = w->snapshots, .tasks = tasks, .torn = torn, .missed = missed
	};

	w->census_tasks = tasks;
	session_emit(w->p->session, event(w, WEFT_EV_SNAPSHOT_END), &e, sizeof(e));
}

void weft_census_begin(struct weft_process *w)
{
	struct weft_ev_snapshot e = { 0 };

	if (census_running(w->census))
		return;
	e.snapshot = ++w->snapshots;
	census_begin(w->census);
	w->census_ns = w->p->session->now_ns;
	session_emit(w->p->session, event(w, WEFT_EV_SNAPSHOT_BEGIN), &e, sizeof(e));
}

void weft_census_due(struct weft_process *w)
{
	unsigned every = w->p->session->options.census_ms;
	uint64_t wait_ns = every * 1000000ull, paced_ns = w->census_tasks * PACE_NS;

	if (paced_ns > wait_ns)
		wait_ns = paced_ns;
	if (every != ~0u && w->p->session->now_ns - w->census_ns >= wait_ns)
		weft_census_begin(w);
}

void weft_census_step(struct weft_process *w)
{
	const struct census_out out = { .ctx = w, .task = on_task, .end = on_end };

	census_step(w->census, clock_pair_now_ns() + STEP_NS, &out);
}
