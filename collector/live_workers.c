/* SPDX-License-Identifier: MIT */
#include "collector/live_internal.h"

#include <stdio.h>

#include "probes/symbols/resolver.h"

static void fill_shares(const struct model_lane *lane, uint64_t now_ns, struct live_worker *w)
{
	struct lane_parts p;

	if (!lane_shares(lane, now_ns, &p))
		return;
	w->busy = (float)p.busy / (float)p.span;
	w->blocked_share = (float)p.blocked / (float)p.span;
	w->runnable = (float)p.runnable / (float)p.span;
	w->own = (float)p.own / (float)p.span;
	w->parked = (float)p.parked / (float)p.span;
}

/* The last 60 full seconds, oldest first. */
static void fill_history(const struct model_lane *lane, uint64_t now_ns, struct live_worker *w)
{
	uint64_t second = now_ns / 1000000000;

	for (unsigned i = 0; i < LANE_HISTORY; i++) {
		uint64_t s = second + i - LANE_HISTORY;
		bool seen = second + i >= LANE_HISTORY && s <= lane->history_second &&
			    s + LANE_HISTORY > lane->history_second;

		w->last_60s[i] = seen ? lane->history[s % LANE_HISTORY] : -1;
		w->last_60s_blocked[i] = seen ? lane->history_blocked[s % LANE_HISTORY] : -1;
	}
}

static void fill_now(struct live *l, const struct model_lane *lane, struct live_worker *w)
{
	struct model_task *t = lane->open.task ? model_task(l->model, lane->open.task) : NULL;

	if (!t)
		return;
	w->task = t->id;
	w->open_ns = lane_open_ns(lane, model_now(l->model));
	snprintf(w->task_name, sizeof(w->task_name), "%s", model_task_name(l->model, t));
	if (lane->open.state == 2 && lane->open.syscall >= 0)
		snprintf(w->syscall, sizeof(w->syscall), "%s",
			 resolver_syscall_name(lane->open.syscall));
}

static void fill_worker(struct live *l, const struct model_lane *lane, struct live_worker *w)
{
	*w = (struct live_worker){ .worker = lane->worker,
				   .runtime = lane->runtime,
				   .process = lane->process,
				   .lane = lane->lane,
				   .tid = lane->tid,
				   .state = lane->state,
				   .blocked = lane->blocked,
				   .estimated = lane->estimated,
				   .local_depth = lane->local_depth,
				   .polls = lane->polls,
				   .steals = lane->steals,
				   .stolen = lane->stolen,
				   .parks = lane->parks,
				   .parks_s = lane->parks_s };
	fill_shares(lane, model_now(l->model), w);
	fill_history(lane, model_now(l->model), w);
	fill_now(l, lane, w);
}

int live_workers(struct live *l, uint32_t process, struct live_worker *rows, size_t max)
{
	const struct model_process *p;
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	p = model_process(l->model, process);
	for (uint32_t i = 0; p && i < p->nlanes; i++) {
		if (!p->lanes[i] || p->lanes[i]->role != WEFT_LANE_WORKER)
			continue;
		if (n < max)
			fill_worker(l, p->lanes[i], &rows[n]);
		n++;
	}
	pthread_mutex_unlock(&l->lock);
	return (int)n;
}
