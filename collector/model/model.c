/* SPDX-License-Identifier: MIT */
#include "collector/model/model_internal.h"
#include "collector/model/task_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD             16u /* records under way in model_apply_all */
#define TASK_AFTER        8u
#define TIMER_PATIENCE_NS 2000000000ull

int model_new(struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	hist_setup();
	if (task_table_init(&m->tasks) < 0 || stack_store_new(&m->stacks) < 0) {
		model_free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

static void process_free(struct model_process *p)
{
	for (uint32_t i = 0; p->lanes && i < WEFT_MAX_LANES; i++)
		free(p->lanes[i]);
	free(p->lanes);
	free(p->sites);
	await_store_free(p->awaits);
	free(p);
}

struct model *model_free(struct model *m)
{
	if (!m)
		return NULL;
	task_table_done(&m->tasks);
	stack_store_free(m->stacks);
	label_store_done(&m->labels);
	for (uint32_t i = 0; i < m->nprocesses; i++)
		if (m->process[i])
			process_free(m->process[i]);
	for (uint32_t i = 0; i < m->ntypes; i++)
		free(m->types[i]);
	free(m->types);
	free(m);
	return NULL;
}

/* ---- get or make ---- */

struct model_process *model_process_get(struct model *m, uint32_t process)
{
	struct model_process *p;

	if (process >= MODEL_MAX_PROCESSES) {
		m->oddities++;
		return NULL;
	}
	if (m->process[process])
		return m->process[process];
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->index = process;
	p->exit_code = -1;
	p->first_spawn = UINT64_MAX;
	p->attached_ns = m->now_ns;
	m->process[process] = p;
	if (m->nprocesses <= process)
		m->nprocesses = process + 1;
	return p;
}

struct model_lane *model_lane_get(struct model *m, struct model_process *p, uint32_t lane)
{
	if (lane >= WEFT_MAX_LANES) {
		m->oddities += lane != WEFT_NO_LANE;
		return NULL;
	}
	if (!p->lanes)
		p->lanes = calloc(WEFT_MAX_LANES, sizeof(*p->lanes));
	if (!p->lanes)
		return NULL;
	if (!p->lanes[lane]) {
		p->lanes[lane] = malloc(sizeof(*p->lanes[lane]));
		if (!p->lanes[lane])
			return NULL;
		lane_init(p->lanes[lane], p->index, lane);
		if (p->nlanes <= lane)
			p->nlanes = lane + 1;
	}
	return p->lanes[lane];
}

/* site WEFT_MAX_SITES stands for all that are not known. */
struct model_site *model_site_get(struct model *m, struct model_process *p, uint32_t site)
{
	uint32_t want = p->nsites ? p->nsites : 16;
	struct model_site *sites;

	if (site > WEFT_MAX_SITES) {
		m->oddities += site != MODEL_NONE;
		site = WEFT_MAX_SITES;
	}
	while (want <= site)
		want *= 2;
	if (want != p->nsites) {
		sites = realloc(p->sites, want * sizeof(*sites));
		if (!sites)
			return NULL;
		memset(sites + p->nsites, 0, (want - p->nsites) * sizeof(*sites));
		for (uint32_t i = p->nsites; i < want; i++)
			sites[i].type = MODEL_NONE;
		p->sites = sites;
		p->nsites = want;
	}
	return &p->sites[site];
}

void model_type_title(struct model_type *t, const struct model_site *s)
{
	const char *name = s->name[0] ? s->name : s->func;

	snprintf(t->func, sizeof(t->func), "%.*s", (int)sizeof(s->func) - 1, s->func);
	t->row = false;
	if (!s->known)
		snprintf(t->name, sizeof(t->name),
			 t->site < WEFT_MAX_SITES ? "task of site %u" : "task", t->site);
	else
		snprintf(t->name, sizeof(t->name), "%.*s", (int)sizeof(s->name) - 1, name);
	if (s->known && s->file[0])
		snprintf(t->location, sizeof(t->location), "%.*s:%u", (int)sizeof(s->file) - 1,
			 s->file, s->line);
}

static struct model_type *type_new(struct model *m, struct model_process *p, uint32_t site)
{
	uint32_t room = m->room_types ? m->room_types * 2 : 64;
	struct model_type **types = m->types, *t;

	if (m->ntypes == m->room_types) {
		types = realloc(m->types, room * sizeof(struct model_type *));
		if (!types)
			return NULL;
		m->types = types;
		m->room_types = room;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->id = m->ntypes;
	t->process = p->index;
	t->site = site;
	t->first_second = UINT64_MAX;
	types[m->ntypes++] = t;
	model_type_title(t, &p->sites[site]);
	return t;
}

struct model_type *model_type_get(struct model *m, struct model_process *p, uint32_t site)
{
	struct model_site *s = model_site_get(m, p, site);
	struct model_type *t;

	if (!s)
		return NULL;
	if (s->type != MODEL_NONE)
		return m->types[s->type];
	if (m->ntypes >= MODEL_MAX_TYPES)
		return m->types[0];
	t = type_new(m, p, (uint32_t)(s - p->sites));
	if (t)
		s->type = t->id;
	return t;
}

/* A complete task that was never known alive. */
void model_type_held(struct model *m, struct model_process *p, uint32_t site)
{
	struct model_type *t = model_type_get(m, p, site);

	if (t)
		t->held_now++;
}

uint16_t model_runtime_index(const struct model_process *p, uint32_t runtime)
{
	for (uint16_t i = 0; i < p->nruntimes; i++)
		if (p->runtime[i].info.runtime == runtime)
			return i;
	return MODEL_NO_RUNTIME;
}

/* ---- feeding ---- */

/* Kinds that are rare. */
static void apply_other(struct model *m, struct record *r)
{
	switch (r->kind) {
	case WEFT_K_TASK_SPAWN:
		model_task_spawn(m, r);
		break;
	case WEFT_K_TASK_END:
		model_task_end(m, r);
		break;
	case WEFT_K_TASK_NAME:
		model_task_named(m, r);
		break;
	case WEFT_K_LABEL:
		model_task_labelled(m, r);
		break;
	case WEFT_EV_SNAPSHOT_BEGIN:
		model_census_begin(m, r);
		break;
	case WEFT_EV_SNAPSHOT_TASK:
		model_census_task(m, r);
		break;
	case WEFT_EV_SNAPSHOT_END:
		model_census_end(m, r);
		break;
	case WEFT_EV_PLACE:
	case WEFT_EV_AWAIT:
	case WEFT_EV_AWAITED:
		model_await(m, r);
		break;
	default:
		model_session_apply(m, r);
	}
}

static inline void apply(struct model *m, struct record *r)
{
	if (r->t_ns - m->now_ns - 1 < 86400 * SECOND_NS) /* later, and not by more than a day */
		m->now_ns = r->t_ns;
	if (r->kind == WEFT_K_TASK_POLL)
		model_task_poll(m, r);
	else if (r->kind == WEFT_K_TASK_WAKE)
		model_task_wake(m, r);
	else
		apply_other(m, r);
}

void model_apply(struct model *m, struct record *r)
{
	apply(m, r);
}

/* Tasks lie all over the memory: what a record needs is asked for while those before it are dealt with. */
void model_apply_all(struct model *m, struct record *records, size_t n)
{
	struct model_task *guess[AHEAD] = { NULL };
	uint64_t hash[AHEAD] = { 0 };

	/* Record i is hashed in round i, its task guessed in round i + TASK_AFTER, applied in round i + AHEAD. */
	for (size_t i = 0; i < n + AHEAD; i++) {
		size_t middle = i - TASK_AFTER, last = i - AHEAD;

		if (last < n) {
			m->guess = guess[last % AHEAD];
			apply(m, &records[last]);
		}
		if (middle < n)
			guess[middle % AHEAD] = task_index_guess(&m->tasks, hash[middle % AHEAD],
								 records[middle].task);
		if (i < n) {
			hash[i % AHEAD] = task_index_hash(&m->tasks, records[i].task);
			task_index_fetch(&m->tasks, hash[i % AHEAD], records[i].task);
		}
	}
	m->guess = NULL;
}

static void type_tick(struct model_type *t, uint64_t second)
{
	struct model_type_sample *s = &t->history[second % MODEL_SECONDS];

	if (t->first_second == UINT64_MAX) {
		t->first_second = second;
		t->last_second = second;
	}
	for (uint64_t k = t->last_second + 1; k < second && k < t->last_second + MODEL_SECONDS; k++)
		t->history[k % MODEL_SECONDS] = t->history[t->last_second % MODEL_SECONDS];
	*s = (struct model_type_sample){
		.alive = t->alive, .held = t->held, .spawned = t->spawned, .ended = t->ended
	};
	t->last_second = second;
}

/* Room for tasks that become busy: those that have been still for long need no histograms. */
static void cool_idle(struct model *m)
{
	for (uint32_t slot = 0; slot < m->tasks.used; slot++) {
		struct model_task *t = task_table_slot(&m->tasks, slot);
		uint64_t last = t->poll_ns > t->wake_ns ? t->poll_ns : t->wake_ns;

		if (t->id && t->hot && last + 10 * SECOND_NS < m->now_ns && !t->hot->dirty)
			task_table_cool(&m->tasks, t);
	}
}

void model_tick(struct model *m, uint64_t now_ns)
{
	uint64_t second;
	bool fresh;

	if (now_ns > m->now_ns)
		m->now_ns = now_ns;
	second = m->now_ns / SECOND_NS;
	fresh = second != m->second;
	m->second = second;
	notable_log_tick(&m->notables);
	for (uint32_t i = 0; i < m->nprocesses; i++)
		if (m->process[i])
			process_tick(m->process[i], m->now_ns, fresh);
	if (!fresh)
		return;
	for (uint32_t i = 0; i < m->ntypes; i++)
		type_tick(m->types[i], second);
	if (m->tasks.hot > MODEL_MAX_HOT * 9 / 10)
		cool_idle(m);
}

/* ---- reading ---- */

bool model_task_await(struct model *m, const struct model_task *t, struct live_await *ret)
{
	const struct model_process *p = model_process(m, t->process);

	*ret = (struct live_await){ .t_ns = LIVE_UNKNOWN };
	return p && p->awaits && await_store_get(p->awaits, t, ret);
}

uint64_t model_task_await_when(const struct model *m, const struct model_task *t, bool *ret_mute)
{
	const struct model_process *p = model_process(m, t->process);

	*ret_mute = false;
	return p && p->awaits ? await_store_when(p->awaits, t, ret_mute) : 0;
}

uint64_t model_task_waits_for(const struct model *m, const struct model_task *t)
{
	const struct model_process *p = model_process(m, t->process);

	return p && p->awaits ? await_store_waits_for(p->awaits, t) : 0;
}

uint64_t model_now(const struct model *m)
{
	return m->now_ns;
}

uint64_t model_oddities(const struct model *m)
{
	return m->oddities;
}

struct model_task *model_task(struct model *m, uint64_t id)
{
	return id ? task_table_find(&m->tasks, id) : NULL;
}

struct model_task *model_task_each(struct model *m, uint32_t *cursor)
{
	while (*cursor < m->tasks.used) {
		struct model_task *t = task_table_slot(&m->tasks, (*cursor)++);

		if (t->id)
			return t;
	}
	return NULL;
}

struct model_type *model_type_edit(struct model *m, uint32_t type)
{
	return type < m->ntypes ? m->types[type] : NULL;
}

const struct model_type *model_type(const struct model *m, uint32_t type)
{
	return type < m->ntypes ? m->types[type] : NULL;
}

uint32_t model_types(const struct model *m)
{
	return m->ntypes;
}

const struct model_process *model_process(const struct model *m, uint32_t process)
{
	return process < m->nprocesses ? m->process[process] : NULL;
}

uint32_t model_processes(const struct model *m)
{
	return m->nprocesses;
}

const struct model_lane *model_lane(const struct model *m, uint32_t process, uint32_t lane)
{
	const struct model_process *p = model_process(m, process);

	return p && p->lanes && lane < p->nlanes ? p->lanes[lane] : NULL;
}

const struct model_runtime *model_runtime(const struct model *m, uint32_t process, uint32_t runtime)
{
	const struct model_process *p = model_process(m, process);
	uint16_t i = p ? model_runtime_index(p, runtime) : MODEL_NO_RUNTIME;

	return i == MODEL_NO_RUNTIME ? NULL : &p->runtime[i];
}

const struct stack_store *model_stacks(const struct model *m)
{
	return m->stacks;
}

const struct weft_ev_session *model_session(const struct model *m)
{
	return m->session_known ? &m->session : NULL;
}

uint32_t model_tasks_alive(const struct model *m)
{
	return m->tasks.alive;
}

uint64_t model_births(const struct model *m)
{
	return m->births;
}

bool model_timer_next(const struct model *m, uint64_t *cursor, struct timer_fired *ret)
{
	uint64_t before = m->now_ns > TIMER_PATIENCE_NS ? m->now_ns - TIMER_PATIENCE_NS : 0;

	return timer_log_next(&m->timers, cursor, before, ret);
}

static bool is_pending(const struct model *m, const struct timer_armed *a,
		       const struct model_task *t)
{
	return task_alive(t) && t->runtime != MODEL_NO_RUNTIME && !t->ready_ns &&
	       t->polls == a->polls + 1 && t->wake_ns <= a->armed_ns &&
	       a->armed_ns >= model_polls_since(m, t->process);
}

struct model_task *model_timer_due(const struct model *m, uint32_t *cursor, struct timer_armed *ret)
{
	while (*cursor < TIMER_ARMED) {
		const struct timer_armed *a = &m->armed.entry[(*cursor)++];
		struct model_task *t = a->task && a->deadline_ns < m->now_ns
					       ? task_table_find(&m->tasks, a->task)
					       : NULL;

		if (t && is_pending(m, a, t)) {
			*ret = *a;
			return t;
		}
	}
	return NULL;
}

bool model_notable_next(const struct model *m, uint64_t *cursor, struct notable *ret)
{
	return notable_log_next(&m->notables, cursor, ret);
}

const struct model_lane *model_task_lane(const struct model *m, const struct model_task *t)
{
	const struct model_lane *l = model_lane(m, t->process, t->lane);

	return l && l->open.task == t->id && task_alive(t) ? l : NULL;
}

const char *model_task_name(const struct model *m, const struct model_task *t)
{
	return t->name ? t->name : m->types[t->type]->name;
}

const char *model_task_location(const struct model *m, const struct model_task *t)
{
	return m->types[t->type]->location;
}

enum live_task_state model_task_state(const struct model *m, const struct model_task *t)
{
	const struct model_lane *l = model_task_lane(m, t);

	if (!l)
		return (enum live_task_state)t->state;
	return l->open.state == 2 ? LIVE_BLOCKED : LIVE_RUNNING;
}

uint64_t model_polls_since(const struct model *m, uint32_t process)
{
	const struct model_process *p = model_process(m, process);

	if (!model_sees_polls(m, process))
		return UINT64_MAX;
	return p->quiet_ns > p->gap_ns ? p->quiet_ns : p->gap_ns;
}

bool model_sees_polls(const struct model *m, uint32_t process)
{
	const struct model_process *p = model_process(m, process);

	if (!p)
		return false;
	return p->level ? p->level >= WEFT_LEVEL_NORMAL : p->seen_wakes || p->seen_polls;
}

bool model_task_raised(const struct model *m, const struct model_task *t)
{
	const struct model_process *p = model_process(m, t->process);
	uint32_t site = m->types[t->type]->site;

	return p && site < p->nsites && p->sites[site].raised &&
	       (!p->raised_task || p->raised_task == t->id);
}

bool model_walks_tell_polls(const struct model *m, const struct model_task *t)
{
	return t->walk && model_process(m, t->process)->walk_polls;
}

bool model_sees_task(const struct model *m, const struct model_task *t)
{
	return model_sees_polls(m, t->process) || model_task_raised(m, t);
}
