/* SPDX-License-Identifier: MIT */
/* Events that say how things are: processes, lanes, samples, levels, what can't be seen. */
#include "collector/model/model_internal.h"

#include <stdio.h>
#include <string.h>

#define STUCK_NS 10000000u /* a poll open for so long keeps its worker */

static void ends_text(char *text, size_t size)
{
	text[size - 1] = 0;
}

static void apply_process(struct model *m, const struct record *r)
{
	const struct weft_ev_process *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;

	if (!p)
		return;
	p->info = *e;
	ends_text(p->info.comm, sizeof(p->info.comm));
	ends_text(p->info.exe, sizeof(p->info.exe));
	ends_text(p->info.build_id, sizeof(p->info.build_id));
	p->attached_ns = p->quiet_ns = r->t_ns;
	p->known = true;
}

static void apply_session(struct model *m, const struct record *r)
{
	const struct weft_ev_session *e = model_payload(r, sizeof(*e));

	if (!e)
		return;
	m->session = *e;
	m->session_known = true;
}

static void apply_exit(struct model *m, const struct record *r)
{
	const struct weft_ev_exit *e = model_payload(r, sizeof(*e));
	struct model_process *p = model_process_get(m, r->process);

	if (!p)
		return;
	p->gone = true;
	p->exit_code = e ? e->code : -1;
	p->exit_signal = e ? e->signal : 0;
}

/* Another program in the same process: none of the old tasks lives on. */
static void apply_exec(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	const struct weft_ev_exec *e = model_payload(r, sizeof(*e));
	struct model_task *t;
	uint32_t cursor = 0;

	if (!p)
		return;
	if (e)
		snprintf(p->info.exe, sizeof(p->info.exe), "%.*s", (int)sizeof(e->exe) - 1, e->exe);
	while ((t = model_task_each(m, &cursor))) {
		if (t->process != r->process || !task_alive(t))
			continue;
		t->end_reason = WEFT_E_SHUTDOWN;
		model_task_finish(m, t, LIVE_CANCELLED, r->t_ns);
	}
}

static void apply_runtime(struct model *m, const struct record *r)
{
	const size_t least = offsetof(struct weft_ev_runtime, fingerprint);
	const struct weft_ev_runtime *e = model_payload(r, least);
	struct model_runtime *rt = e ? model_runtime_get(m, r->process, e->runtime) : NULL;

	if (!rt)
		return;
	rt->info = (struct weft_ev_runtime){ 0 };
	memcpy(&rt->info, e, model_payload(r, sizeof(*e)) ? sizeof(*e) : least);
	ends_text(rt->info.version, sizeof(rt->info.version));
	ends_text(rt->info.name, sizeof(rt->info.name));
}

static void apply_lane(struct model *m, const struct record *r)
{
	const struct weft_ev_lane *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct model_lane *l = p ? model_lane_get(m, p, e->lane) : NULL;

	if (!l)
		return;
	if (e->role == WEFT_LANE_DEAD || e->generation != l->generation) {
		l->open.task = 0;
		l->met_ns = 0;
	}
	if (!l->met_ns && e->role != WEFT_LANE_DEAD)
		l->met_ns = r->t_ns;
	l->role = e->role;
	l->runtime = e->runtime;
	l->worker = e->worker;
	l->generation = e->generation;
	l->tid = r->tid ? r->tid : e->ns_tid;
	snprintf(l->name, sizeof(l->name), "%.*s", (int)sizeof(e->name) - 1, e->name);
}

static void apply_site(struct model *m, const struct record *r)
{
	const struct weft_ev_site *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct model_site *s = p && e->site < WEFT_MAX_SITES ? model_site_get(m, p, e->site) : NULL;

	if (!s)
		return;
	s->line = e->line;
	s->kind = e->kind;
	s->known = true;
	snprintf(s->func, sizeof(s->func), "%.*s", (int)sizeof(e->func) - 1, e->func);
	snprintf(s->name, sizeof(s->name), "%.*s", (int)sizeof(e->name) - 1, e->name);
	snprintf(s->file, sizeof(s->file), "%.*s", (int)sizeof(e->file) - 1, e->file);
	if (s->type != MODEL_NONE)
		model_type_title(m->types[s->type], s);
}

/* ---- samples ---- */

static void looked(struct model_process *p, uint64_t t_ns)
{
	if (t_ns > p->looked_ns)
		p->looked_ns = t_ns;
}

static bool all_workers_stuck(const struct model_process *p, const struct model_lane *l,
			      uint64_t *ret_workers)
{
	*ret_workers = 0;
	for (uint32_t i = 0; i < p->nlanes; i++) {
		const struct model_lane *o = p->lanes[i];

		if (!o || o->role != WEFT_LANE_WORKER || o->runtime != l->runtime)
			continue;
		++*ret_workers;
		if (o != l && lane_open_ns(o, o->sample_ns) < STUCK_NS)
			return false;
	}
	return *ret_workers;
}

/*
 * Tasks that have to wait for lane l: what is in its own queue and, when no worker of the runtime is free, its part of all that
 * is runnable. A queue's depth is told by its owner, so it is stale while that is stuck and thieves
 * come by: where wakes are seen, it is at most what is known to be runnable.
 */
static uint64_t tasks_behind(const struct model *m, const struct model_process *p,
			     const struct model_lane *l, const struct weft_ev_lane_sample *s)
{
	uint16_t rt = model_runtime_index(p, l->runtime);
	uint64_t ready, depth = s->local_depth, workers;
	bool stuck = all_workers_stuck(p, l, &workers);

	if (rt == MODEL_NO_RUNTIME)
		return depth;
	ready = p->runtime[rt].ready;
	if (!model_sees_polls(m, p->index))
		return stuck ? depth + p->runtime[rt].gauge.inject_depth / workers : depth;
	if (stuck)
		return (ready + workers - 1) / workers;
	return depth < ready ? depth : ready;
}

/* At `light` short polls leave no record: a task seen in one stands for the time since the last sample. */
static void count_sampled(struct model *m, struct model_task *t, const struct model_lane *l,
			  uint64_t dt)
{
	struct model_second *now = &t->now;

	task_roll(t, (uint32_t)(m->now_ns / SECOND_NS));
	if (l->open.state == 2)
		now->blocked += (uint32_t)dt;
	else
		now->busy += (uint32_t)dt;
}

static void apply_open(struct model *m, struct model_process *p, struct model_lane *l, uint64_t dt)
{
	struct model_task *t = task_table_find(&m->tasks, l->open.task);

	if (!t)
		t = model_task_found(m, p, l->open.task, MODEL_NONE);
	if (!t || !task_alive(t) || t->process != p->index) {
		l->open.task = 0;
		return;
	}
	t->lane = (uint16_t)l->lane;
	if (t->ready_ns && (l->open.start_ns == LIVE_UNKNOWN || t->ready_ns <= l->open.start_ns))
		model_task_ready(m, t, 0);
	if (!model_sees_task(m, t) && lane_open_ns(l, l->sample_ns) < WEFT_LIGHT_POLL_NS &&
	    dt < SECOND_NS)
		count_sampled(m, t, l, dt);
}

/* The last one may be read when the probes are out, seconds after its stamp: what the thread did meanwhile is not of this time. */
static void limit_last(const struct model_lane *l, const struct record *r,
		       struct weft_ev_lane_sample *s)
{
	uint64_t dt = r->t_ns > l->sample_ns ? r->t_ns - l->sample_ns : 0;

	if (!r->ev || !(r->ev->flags & WEFT_EVF_LAST) || !l->sample_ns)
		return;
	if (s->cpu_ns > l->last.cpu_ns + dt)
		s->cpu_ns = l->last.cpu_ns + dt;
	if (s->runq_ns > l->last.runq_ns + dt)
		s->runq_ns = l->last.runq_ns + dt;
}

static void apply_lane_sample(struct model *m, const struct record *r)
{
	const struct weft_ev_lane_sample *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct model_lane *l = p ? model_lane_get(m, p, e->lane) : NULL;
	struct weft_ev_lane_sample s;
	uint64_t before;

	if (!l)
		return;
	if (!l->tid)
		l->tid = r->tid;
	s = *e;
	s.task = model_task_id(r->process, e->task);
	if (s.open_ns != UINT64_MAX && s.open_ns >= 1ull << 62)
		s.open_ns = UINT64_MAX;
	l->estimated = r->ev && r->ev->flags & WEFT_EVF_ESTIMATE;
	looked(p, r->t_ns);
	limit_last(l, r, &s);
	before = l->sample_ns;
	lane_sample(l, r->t_ns, &s, s.task ? tasks_behind(m, p, l, &s) : 0);
	if (l->open.task)
		apply_open(m, p, l, before && r->t_ns > before ? r->t_ns - before : 0);
}

static void apply_runtime_sample(struct model *m, const struct record *r)
{
	const struct weft_ev_runtime_sample *e = model_payload(r, sizeof(*e));
	struct model_runtime *rt = e ? model_runtime_get(m, r->process, e->runtime) : NULL;

	if (!rt)
		return;
	rt->gauge = *e;
	rt->ended = e->stopped;
	rt->sample_ns = r->t_ns;
	looked(m->process[r->process], r->t_ns);
}

static void apply_block_on(struct model *m, const struct record *r)
{
	const struct weft_ev_block_on *e = model_payload(r, sizeof(*e));
	struct model_runtime *rt = e ? model_runtime_get(m, r->process, e->runtime) : NULL;

	if (rt)
		rt->block_on = (struct model_block_on){ r->t_ns, r->tid, r->task, *e };
}

/* Polls of those that wait may have gone unseen: none counts as certain until it is told again. */
static void doubt_ready(struct model_process *p)
{
	p->doubts++;
	for (uint32_t i = 0; i < p->nruntimes; i++)
		p->runtime[i].sure = 0;
}

/* At light the kernel says nothing of a thread that leaves the CPU: what came before doesn't hold any more. */
static void take_level(struct model_process *p, uint64_t level, uint64_t t_ns)
{
	if (!level || level > WEFT_LEVEL_FULL)
		return;
	if (p->level == WEFT_LEVEL_LIGHT && level > WEFT_LEVEL_LIGHT) {
		doubt_ready(p);
		for (uint32_t i = 0; i < p->nlanes; i++)
			if (p->lanes[i])
				lane_seen_whole(p->lanes[i], t_ns);
	}
	p->level = (uint32_t)level;
	if (level == WEFT_LEVEL_LIGHT)
		p->offcpu_ns = 0;
}

static void apply_process_sample(struct model *m, const struct record *r)
{
	const struct weft_ev_process_sample *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;

	if (!p)
		return;
	if (p->sample_ns && r->t_ns > p->sample_ns) {
		uint64_t before = p->sample.cpu_user_ns + p->sample.cpu_sys_ns;
		uint64_t now = e->cpu_user_ns + e->cpu_sys_ns;

		p->cpu_share = now < before
				       ? 0
				       : (double)(now - before) / (double)(r->t_ns - p->sample_ns);
	}
	p->sample = *e;
	p->sample_ns = r->t_ns;
	looked(p, r->t_ns);
	take_level(p, e->level, r->t_ns);
}

static void apply_cpus(struct model *m, const struct record *r)
{
	const struct weft_ev_cpus *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;

	if (!p)
		return;
	p->cpus_before = p->cpus_ns ? p->cpus : *e;
	p->cpus_before_ns = p->cpus_ns;
	p->cpus = *e;
	p->cpus_ns = r->t_ns;
}

/* ---- levels, blind spots ---- */

static void apply_level(struct model *m, const struct record *r)
{
	const struct weft_ev_level *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;

	if (!p)
		return;
	if (!p->level)
		p->attached_ns = r->t_ns; /* placing the probes may have taken seconds */
	take_level(p, e->level, r->t_ns);
	p->level_auto = e->automatic;
	p->quiet_ns = r->t_ns;
}

static void apply_raised(struct model *m, const struct record *r)
{
	const struct weft_ev_raised *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct model_site *site;

	if (!p)
		return;
	for (uint32_t i = 0; e->first && i < p->nsites; i++)
		p->sites[i].raised = false;
	if (e->first)
		p->raised_sites = 0;
	p->raised_task = model_task_id(p->index, e->task);
	site = e->site < WEFT_MAX_SITES ? model_site_get(m, p, e->site) : NULL;
	if (site && !site->raised)
		p->raised_sites += site->raised = true;
}

static void apply_cannot_see(struct model *m, const struct record *r)
{
	const struct weft_ev_cannot_see *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct live_cannot_see row;

	if (!p)
		return;
	row.doubt = r->ev->flags & WEFT_EVF_DOUBT;
	snprintf(row.what, sizeof(row.what), "%.*s", (int)sizeof(e->what) - 1, e->what);
	snprintf(row.why, sizeof(row.why), "%.*s", (int)sizeof(e->why) - 1, e->why);
	for (uint32_t i = 0; i < p->ncannot_see; i++)
		if (!strcmp(p->cannot_see[i].what, row.what)) {
			p->cannot_see[i] = row;
			return;
		}
	if (p->ncannot_see < MODEL_CANNOT_SEE)
		p->cannot_see[p->ncannot_see++] = row;
}

/* ---- plain records that are no task's ---- */

static void apply_worker(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	struct model_lane *l = p ? model_lane_get(m, p, r->lane) : NULL;

	if (!l)
		return;
	if (l->role == WEFT_LANE_FREE)
		l->role = WEFT_LANE_WORKER;
	l->worker = (uint32_t)r->a;
	l->runtime = (uint32_t)r->b;
	if (r->kind == WEFT_K_WORKER_START && !l->tid)
		l->tid = r->tid ? r->tid : (uint32_t)r->c;
	if (r->kind == WEFT_K_WORKER_UNPARK && r->c < 1ull << 50)
		l->rec.parked += r->c;
	if (r->kind == WEFT_K_WORKER_UNPARK && l->driver_ns == UINT64_MAX)
		l->driver_ns = r->t_ns;
	if (r->kind == WEFT_K_WORKER_PARK) {
		if (r->c == WEFT_PARK_DRIVER)
			l->driver_ns = UINT64_MAX;
		l->rec_parks++;
		if (l->rec_parks > l->parks)
			l->parks = l->rec_parks;
	}
}

static void apply_steal(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);
	struct model_lane *l = p ? model_lane_get(m, p, r->lane) : NULL;

	if (!l)
		return;
	l->rec_steals++;
	l->rec_stolen += r->c < 1u << 20 ? r->c : 0;
	if (l->rec_steals > l->steals)
		l->steals = l->rec_steals;
	if (l->rec_stolen > l->stolen)
		l->stolen = l->rec_stolen;
}

/* Stopped, or in a debugger's hands, a thread waits for others to let it go on: as one that has lost its CPU. */
static bool is_stopped(const struct record *r)
{
	const struct weft_ev_offcpu *e = model_payload(r, sizeof(*e));

	return e && e->prev_state & WEFT_STATE_STOPPED;
}

static void apply_offcpu(struct model *m, const struct record *r)
{
	struct record stopped;
	struct model_process *p = model_process_get(m, r->process);
	struct model_lane *l = p ? model_lane_get(m, p, r->lane) : NULL;

	if (!l || r->a >= 1ull << 50 || r->b >= 1ull << 50) {
		m->oddities++;
		return;
	}
	if (!p->offcpu_ns && p->level != WEFT_LEVEL_LIGHT)
		p->offcpu_ns = r->t_ns;
	if (is_stopped(r)) {
		stopped = *r;
		stopped.a = 0;
		stopped.b = r->a + r->b;
		r = &stopped;
	}
	lane_offcpu(l, r);
}

/* Told when off-CPU records have been lost since the last round, and once more when no more are. */
static void apply_lost(struct model *m, const struct record *r)
{
	const struct weft_ev_lost *e = model_payload(r, sizeof(*e));
	uint64_t lost = e ? e->lost[WEFT_EV_OFFCPU - WEFT_EV_BATCH] : m->offcpu_lost;
	bool more = lost > m->offcpu_lost;

	for (uint32_t i = 0; (more || m->losing) && i < MODEL_MAX_PROCESSES; i++)
		if (m->process[i])
			m->process[i]->unsure_ns = more ? UINT64_MAX : r->t_ns;
	m->offcpu_lost = lost;
	m->losing = more;
}

static void apply_gap(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);

	if (!p)
		return;
	p->gap_ns = r->t_ns;
	doubt_ready(p);
}

static void apply_stack(struct model *m, const struct record *r)
{
	const struct weft_ev_stack *e = model_payload(r, sizeof(*e));
	struct record k = *r;

	if (e && r->kind == WEFT_EV_STACK)
		k.task = model_task_id(r->process, e->task);
	m->oddities += !stack_store_apply(m->stacks, &k);
}

static void apply_lane_level(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);

	if (p)
		take_level(p, r->a, r->t_ns);
}

void model_session_apply(struct model *m, const struct record *r)
{
	static void (*const apply[WEFT_EV_KINDS])(struct model *, const struct record *) = {
		[WEFT_K_RUNTIME_STOP] = model_runtime_stop,
		[WEFT_K_WORKER_START] = apply_worker,
		[WEFT_K_WORKER_STOP] = apply_worker,
		[WEFT_K_WORKER_PARK] = apply_worker,
		[WEFT_K_WORKER_UNPARK] = apply_worker,
		[WEFT_K_STEAL] = apply_steal,
		[WEFT_K_TIMER_ARM] = model_timer_arm,
		[WEFT_K_TIMER_FIRE] = model_timer_fire,
		[WEFT_K_LEVEL] = apply_lane_level,
		[WEFT_K_MISUSE] = model_notable_misuse,
		[WEFT_K_HANDLE_DROP] = model_notable_drop,
		[WEFT_EV_SESSION] = apply_session,
		[WEFT_EV_PROCESS] = apply_process,
		[WEFT_EV_PROCESS_EXEC] = apply_exec,
		[WEFT_EV_PROCESS_EXIT] = apply_exit,
		[WEFT_EV_RUNTIME] = apply_runtime,
		[WEFT_EV_LANE] = apply_lane,
		[WEFT_EV_SITE] = apply_site,
		[WEFT_EV_OFFCPU] = apply_offcpu,
		[WEFT_EV_LOST] = apply_lost,
		[WEFT_EV_GAP] = apply_gap,
		[WEFT_EV_FRAME] = apply_stack,
		[WEFT_EV_MODULE] = apply_stack,
		[WEFT_EV_STACK] = apply_stack,
		[WEFT_EV_LANE_SAMPLE] = apply_lane_sample,
		[WEFT_EV_RUNTIME_SAMPLE] = apply_runtime_sample,
		[WEFT_EV_BLOCK_ON] = apply_block_on,
		[WEFT_EV_PROCESS_SAMPLE] = apply_process_sample,
		[WEFT_EV_CPUS] = apply_cpus,
		[WEFT_EV_LEVEL_SET] = apply_level,
		[WEFT_EV_RAISED] = apply_raised,
		[WEFT_EV_CANNOT_SEE] = apply_cannot_see,
	};

	if (r->kind < WEFT_EV_KINDS && apply[r->kind])
		apply[r->kind](m, r);
}
