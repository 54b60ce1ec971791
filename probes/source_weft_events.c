// SPDX-License-Identifier: MIT
/* The C runtime's mapping: runtimes, sites, lanes, samples and counts as events. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/source_weft_internal.h"
#include "probes/thread_stat.h"

#define NO_WORKER 0xffffffffu

static struct weft_ev event(const struct weft_process *w, uint16_t kind, uint16_t flags)
{
	return (struct weft_ev){ .kind = kind,
				 .flags = flags,
				 .process = w->p->index,
				 .tid = (uint32_t)w->p->pid,
				 .time_ns = w->p->session->now_ns };
}

/* ---- runtimes and sites ---- */

void weft_tell_runtimes(struct weft_process *w, bool all)
{
	for (uint32_t i = 0; i < WEFT_MAX_RUNTIMES; i++) {
		struct weft_ev_runtime e = { .kind = WEFT_RT_WEFT };
		struct weft_runtime_entry r;

		if (!target_map_runtime(w->map, i, &r) || !r.id ||
		    (!all && r.id == w->runtime_told[i]))
			continue;
		w->runtime_told[i] = r.id;
		e.runtime = r.id;
		e.flavour = (uint16_t)r.flavour;
		e.workers = r.workers;
		e.fingerprint = target_map_shape(w->map)->fingerprint;
		if (!e.fingerprint)
			e.fingerprint = process_fingerprint(w->p, WEFT_RT_WEFT);
		snprintf(e.version, sizeof(e.version), "abi %u", target_map_shape(w->map)->abi);
		memcpy(e.name, r.name, sizeof(e.name));
		e.name[sizeof(e.name) - 1] = '\0';
		session_emit(w->p->session, event(w, WEFT_EV_RUNTIME, 0), &e, sizeof(e));
	}
}

void weft_sample_runtimes(struct weft_process *w)
{
	for (uint32_t i = 0; i < WEFT_MAX_RUNTIMES; i++) {
		struct weft_ev_runtime_sample e = { 0 };
		struct weft_runtime_entry r;
		uint64_t turned;

		if (!target_map_runtime(w->map, i, &r) || !r.id)
			continue;
		turned = r.driver_stamp ? process_stamp_ns(w->p, r.driver_stamp) : 0;
		e.runtime = r.id;
		e.driver_worker = r.driver_worker;
		e.alive = r.alive;
		e.inject_depth = r.inject_depth;
		e.timers = r.timers;
		e.driver_age_ns = turned && turned < w->p->session->now_ns
					  ? w->p->session->now_ns - turned
					  : 0;
		e.fds = r.fds;
		e.pool_threads = r.pool_threads;
		e.pool_busy = r.pool_busy;
		e.stopped = r.stopped;
		e.pool_queue = r.pool_queue;
		session_emit(w->p->session, event(w, WEFT_EV_RUNTIME_SAMPLE, 0), &e, sizeof(e));
	}
}

void weft_tell_sites(struct weft_process *w)
{
	uint32_t n = target_map_sites(w->map);

	for (; w->sites_told < n; w->sites_told++) {
		struct weft_ev_site e = { .site = w->sites_told };
		struct weft_site_entry site;

		if (!target_map_site(w->map, w->sites_told, &site))
			return;
		e.line = site.line;
		e.kind = site.kind;
		memcpy(e.func, site.func, sizeof(e.func) - 1);
		memcpy(e.name, site.name, sizeof(e.name) - 1);
		memcpy(e.file, site.file, sizeof(e.file) - 1);
		session_emit(w->p->session, event(w, WEFT_EV_SITE, 0), &e, sizeof(e));
	}
}

/* ---- lanes ---- */

static void end_thread(struct weft_process *w, uint32_t lane)
{
	struct lane_told *t = &w->told[lane];

	if (!t->tid)
		return;
	process_thread_end(w->p, lane);
	if (t->schedstat >= 0)
		close(t->schedstat);
	t->schedstat = -1;
	t->tid = 0;
}

static void begin_thread(struct weft_process *w, uint32_t lane, uint32_t ns_tid)
{
	struct lane_told *t = &w->told[lane];

	t->tid = thread_stat_host_tid(w->p->pid, w->p->ns_pid, ns_tid);
	t->schedstat = -1;
	if (!t->tid)
		return;
	t->schedstat = thread_stat_open(w->p->pid, t->tid);
	t->cpu_base_ns = t->runq_base_ns = 0;
	thread_stat_read(t->schedstat, &t->cpu_base_ns, &t->runq_base_ns);
	t->cpu_ns = t->runq_ns = 0;
	process_thread_begin(w->p, lane, t->tid,
			     target_map_shape(w->map)->address +
				     target_map_lane_offset(w->map, lane));
}

static void tell_lane(struct weft_process *w, uint32_t i)
{
	struct weft_ev ev = event(w, WEFT_EV_LANE, 0);
	struct lane_told *t = &w->told[i];
	struct weft_ev_lane e = { .lane = i };
	struct weft_lane status;

	if (!lanes_status(w->lanes, i, &status))
		return;
	end_thread(w, i);
	t->role = status.role;
	t->generation = status.generation;
	if (status.role == WEFT_LANE_FREE)
		return;
	if (status.role != WEFT_LANE_DEAD)
		begin_thread(w, i, status.tid);
	e.role = status.role;
	e.runtime = status.runtime;
	e.worker = status.worker;
	e.generation = status.generation;
	e.ns_tid = status.tid;
	memcpy(e.name, status.name, sizeof(e.name) - 1);
	ev.tid = t->tid;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

void weft_tell_lanes(struct weft_process *w)
{
	uint32_t n = lanes_count(w->lanes);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = target_map_lane_offset(w->map, i);
		uint32_t role = 0, generation = 0;

		target_map_load32(w->map, at + offsetof(struct weft_lane, role), &role);
		target_map_load32(w->map, at + offsetof(struct weft_lane, generation), &generation);
		if (role != w->told[i].role || generation != w->told[i].generation)
			tell_lane(w, i);
	}
	w->lanes_told = n;
}

void weft_forget_lanes(struct weft_process *w)
{
	for (uint32_t i = 0; i < w->lanes_told; i++)
		end_thread(w, i);
}

static uint64_t since(uint64_t now, uint64_t base)
{
	return now > base ? now - base : 0;
}

static void fill_totals(const struct weft_process *w, const struct weft_lane *now,
			const struct weft_lane *base, struct weft_ev_lane_sample *e)
{
	e->polls = since(now->polls, base->polls);
	e->busy_ns = process_ticks_ns(w->p, since(now->busy_ticks, base->busy_ticks));
	e->poll_max_ns = process_ticks_ns(w->p, now->poll_max_ticks);
	e->park_ns = process_ticks_ns(w->p, since(now->park_ticks, base->park_ticks));
	e->wakes = since(now->wakes, base->wakes);
	e->self_wakes = since(now->self_wakes, base->self_wakes);
	e->steals = since(now->steals, base->steals);
	e->stolen_tasks = since(now->stolen_tasks, base->stolen_tasks);
	e->parks = since(now->parks, base->parks);
}

static uint64_t open_for(const struct weft_process *w, const struct weft_lane *now)
{
	uint64_t begun;

	if (!now->task || !now->poll_start)
		return now->task ? UINT64_MAX : 0;
	begun = process_stamp_ns(w->p, now->poll_start);
	return since(w->p->session->now_ns, begun);
}

static void sample_lane(struct weft_process *w, uint32_t i, uint16_t flags)
{
	struct weft_ev ev = event(w, WEFT_EV_LANE_SAMPLE, flags);
	struct weft_ev_lane_sample e = { .lane = i, .off_cpu = 3, .syscall = -1 };
	struct lane_told *t = &w->told[i];
	struct weft_lane now;
	uint64_t cpu, runq, before = t->cpu_ns;
	bool still;

	if (!lanes_status(w->lanes, i, &now))
		return;
	fill_totals(w, &now, lanes_status_base(w->lanes, i), &e);
	if (thread_stat_read(t->schedstat, &cpu, &runq)) {
		t->cpu_ns = since(cpu, t->cpu_base_ns) + 1; /* 0 = not known */
		t->runq_ns = since(runq, t->runq_base_ns);
	}
	e.cpu_ns = t->cpu_ns;
	e.runq_ns = t->runq_ns;
	e.state = now.state;
	e.task = now.task;
	e.open_ns = open_for(w, &now);
	e.poll_seq = now.poll_seq;
	e.local_depth = now.local_depth;
	if (!w->p->dead)
		process_off_cpu(w->p, i, &e);
	still = t->cpu_ns && (!before || t->cpu_ns == before);
	if (!w->p->dead && e.task && (e.off_cpu == 3 || (e.off_cpu == 0 && still)))
		thread_stat_look(w->p->pid, t->tid, still, &e);
	ev.tid = t->tid;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

void weft_sample_lanes(struct weft_process *w, uint16_t flags)
{
	for (uint32_t i = 0; i < w->lanes_told; i++)
		if (w->told[i].role == WEFT_LANE_WORKER)
			sample_lane(w, i, flags);
}

void weft_tell_counts(struct weft_process *w, uint16_t flags)
{
	struct weft_ev_counts e;
	uint64_t lost = 0;

	lanes_counts(w->lanes, e.emitted, e.filtered);
	if (target_map_load64(w->map, offsetof(struct weft_map_header, lost_events), &lost))
		e.emitted[0] = since(lost, w->lost_base);
	session_emit(w->p->session, event(w, WEFT_EV_COUNTS, flags), &e, sizeof(e));
}

#define VARIABLE_BYTES 48u /* of names and labels, about */

static const struct kind_cost {
	uint8_t level, words;
} kind_cost[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, words) [code] = { level, words },
	WEFT_WIRE_EVENTS(X)
#undef X
};

void weft_read_load(struct weft_process *w, struct source_load *ret)
{
	struct weft_ev_counts c;
	uint64_t parks = 0;

	lanes_counts(w->lanes, c.emitted, c.filtered);
	*ret = (struct source_load){ 0 };
	for (unsigned k = 1; k < WEFT_MAX_KINDS; k++) {
		uint64_t all = c.emitted[k] + c.filtered[k];

		ret->events += c.emitted[k];
		if (!kind_cost[k].level || kind_cost[k].level > WEFT_LEVEL_NORMAL)
			continue;
		ret->normal_events += all;
		ret->normal_bytes +=
			all * (kind_cost[k].words ? kind_cost[k].words * 8u : VARIABLE_BYTES);
	}
	for (uint32_t i = 0; i < w->lanes_told; i++) {
		struct weft_lane now;

		if (lanes_status(w->lanes, i, &now))
			parks += since(now.parks, lanes_status_base(w->lanes, i)->parks);
	}
	ret->switches = 2 * parks; /* out and in */
}
