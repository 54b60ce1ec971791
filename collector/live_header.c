/* SPDX-License-Identifier: MIT */
#include "collector/live_internal.h"

#include <errno.h>

static void fill_states(const struct live *l, const struct model_process *p, struct live_header *h)
{
	uint64_t taken;

	for (uint32_t i = 0; i < p->nlanes; i++) {
		const struct model_lane *lane = p->lanes[i];

		if (!lane || !lane->open.task || !model_task(l->model, lane->open.task))
			continue;
		h->blocked += lane->open.state == 2;
		h->running += lane->open.state != 2;
	}
	h->alive = p->alive;
	h->ready = p->ready < h->alive ? p->ready : h->alive;
	taken = h->ready + h->running + h->blocked;
	if (taken > h->alive) { /* a task that is runnable again while it is polled counts once */
		h->ready = h->alive > h->running + h->blocked ? h->alive - h->running - h->blocked
							      : 0;
		taken = h->alive;
	}
	h->idle = h->alive - taken;
}

static void fill_rates(const struct live *l, const struct model_process *p, struct live_header *h)
{
	struct hist recent = p->recent[0];
	struct model_rates rates;

	process_rates(p, h->now_ns, &rates);
	for (uint32_t i = 0; i < p->nlanes; i++)
		h->estimated |= p->lanes[i] && p->lanes[i]->estimated;
	h->polls_s = rates.polls;
	h->wakes_s = rates.wakes;
	h->steals_s = rates.steals;
	h->spawns_s = rates.spawns;
	h->ends_s = rates.ends;
	h->alive_per_s = rates.alive;
	h->rss_per_s = rates.rss;
	h->own_cost = rates.own_cost;
	h->self_cpu = rates.own_self;
	h->rss_bytes = p->sample_ns ? p->sample.rss_bytes : LIVE_UNKNOWN;
	hist_merge(&recent, &p->recent[1]);
	h->poll_p99_ns = model_sees_polls(l->model, p->index)
				 ? hist_quantile(&recent, 0.99, LIVE_UNKNOWN)
				 : LIVE_UNKNOWN;
}

static void fill_gauges(const struct model_process *p, struct live_header *h)
{
	h->runtimes = p->nruntimes;
	h->driver_worker = UINT32_MAX;
	h->driver_age_ns = LIVE_UNKNOWN;
	if (p->nruntimes)
		h->runtime = p->runtime[0].info;
	for (uint32_t i = 0;
	     i < p->nruntimes && i < sizeof(h->all_runtimes) / sizeof(*h->all_runtimes); i++)
		h->all_runtimes[i] = p->runtime[i].info;
	if (p->nruntimes && p->runtime[0].sample_ns) {
		h->driver_worker = p->runtime[0].gauge.driver_worker;
		h->driver_age_ns = p->runtime[0].gauge.driver_age_ns;
	}
	for (uint32_t i = 0; i < p->nruntimes; i++) {
		const struct weft_ev_runtime_sample *g = &p->runtime[i].gauge;

		h->inject_depth += g->inject_depth;
		h->pool_threads += g->pool_threads;
		h->pool_busy += g->pool_busy;
		h->pool_queue += g->pool_queue;
		h->timers += g->timers;
		h->fds += g->fds;
	}
}

static void fill_bars(const struct model_process *p, struct live_header *h)
{
	for (uint32_t i = 0; i < p->nlanes; i++) {
		const struct model_lane *lane = p->lanes[i];
		struct live_worker_bar *bar = &h->bar[h->bars];
		struct lane_parts parts;

		if (!lane || lane->role != WEFT_LANE_WORKER)
			continue;
		h->workers++;
		if (h->bars == sizeof(h->bar) / sizeof(*h->bar))
			continue;
		h->bars++;
		bar->worker = lane->worker;
		bar->runtime = lane->runtime;
		if (!lane_shares(lane, h->now_ns, &parts))
			continue;
		bar->busy = (float)parts.busy / (float)parts.span;
		bar->blocked = (float)parts.blocked / (float)parts.span;
		bar->runnable = (float)parts.runnable / (float)parts.span;
		bar->own = (float)parts.own / (float)parts.span;
		bar->parked = (float)parts.parked / (float)parts.span;
	}
}

static void fill_accounts(struct live *l, struct live_header *h)
{
	struct engine_account rows[512];
	int n = l->engine ? engine_accounts(l->engine, rows, 512) : 0;

	for (int i = 0; i < n && i < 512; i++) {
		if (rows[i].process != h->process)
			continue;
		h->produced += rows[i].produced;
		h->stored += rows[i].stored;
		h->lost += rows[i].lost;
		h->filtered += rows[i].filtered;
		h->expired += rows[i].expired;
	}
}

int live_header(struct live *l, uint32_t process, struct live_header *ret)
{
	const struct weft_ev_session *session;
	const struct model_process *p;

	*ret = (struct live_header){ .process = process, .exit_code = -1 };
	pthread_mutex_lock(&l->lock);
	p = model_process(l->model, process);
	for (uint32_t i = 0; i < model_processes(l->model); i++)
		ret->processes += model_process(l->model, i) != NULL;
	session = model_session(l->model);
	ret->now_ns = model_now(l->model);
	ret->realtime_ns = session ? session->realtime_ns + ret->now_ns : LIVE_UNKNOWN;
	ret->replay = l->replay;
	ret->paused = l->paused;
	if (p) {
		ret->info = p->info;
		ret->attached_ns = p->attached_ns;
		ret->looked_ns = p->looked_ns;
		ret->gone = p->gone;
		ret->exit_code = p->exit_code;
		ret->exit_signal = p->exit_signal;
		ret->level = p->level;
		ret->level_auto = p->level_auto;
		ret->raised = p->raised_sites;
		ret->raised_task = p->raised_task;
		ret->chain_walks = p->chain_walks;
		fill_states(l, p, ret);
		fill_rates(l, p, ret);
		fill_gauges(p, ret);
		fill_bars(p, ret);
		detect_count(l->detect, process, &ret->findings_crit, &ret->findings_warn,
			     &ret->findings_muted);
	}
	pthread_mutex_unlock(&l->lock);
	if (p)
		fill_accounts(l, ret);
	return p ? 0 : -ENOENT;
}
