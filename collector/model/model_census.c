/* SPDX-License-Identifier: MIT */
/*
 * Walks over all tasks of a process, read out of its memory: tasks that existed before the attach, and
 * the truth about those whose events were lost. A walk is not atomic, so a task is only taken for
 * gone when two complete walks in a row did not meet it.
 */
#include "collector/model/model_internal.h"

#include <stdlib.h>
#include <string.h>

#define OLDEST_NS (1ull << 60) /* no task is older; nonsense of a target */
#define SLACK_NS  10000000u

void model_census_begin(struct model *m, const struct record *r)
{
	struct model_process *p = model_process_get(m, r->process);

	if (!p)
		return;
	p->walk++;
	p->walk_ns = r->t_ns;
	if (p->awaits && r->ev && r->ev->flags & WEFT_EVF_CHAINS)
		await_store_clear(p->awaits, r->t_ns);
	for (uint32_t i = 0; i < m->ntypes; i++)
		if (m->types[i]->process == p->index)
			m->types[i]->held_now = 0;
}

static void set_polls(struct model *m, struct model_process *p, struct model_task *t,
		      uint32_t polls)
{
	uint64_t dt = p->walk_ns > p->walk_before_ns ? p->walk_ns - p->walk_before_ns : 0;
	bool again = t->walk && (uint8_t)(t->walk + 1) == (uint8_t)p->walk;

	/* Runnable at both walks, and polled in between: not the same wait. Where polls are told it may have begun after them. */
	if (again && polls != t->census_polls && t->ready_ns &&
	    (t->ready_ns <= p->walk_done_ns || !model_sees_polls(m, p->index)))
		model_task_ready(m, t, 0);
	if (again && dt)
		t->census_rate = (float)((double)(polls - t->census_polls) * 1e9 / (double)dt);
	t->census_polls = polls;
	p->walk_polls |= polls > 0;
}

static void set_name(struct model *m, struct model_task *t, const struct weft_ev_snapshot_task *e)
{
	size_t n = strnlen(e->name, sizeof(e->name));

	if (!n || t->name || !strncmp(m->types[t->type]->name, e->name, n + 1))
		return;
	t->name = strndup(e->name, n);
}

static void set_state(struct model *m, struct model_task *t, const struct record *r,
		      const struct weft_ev_snapshot_task *e)
{
	bool runnable = (e->state & WEFT_T_NOTIFIED) &&
			!(e->state & (WEFT_T_RUNNING | WEFT_T_COMPLETE));
	uint64_t age = e->wake_age_ns < r->t_ns ? e->wake_age_ns : 0;

	if (e->state & WEFT_T_COMPLETE) {
		t->flags |= MODEL_T_HELD;
		m->types[t->type]->held_now++;
	}
	/* The target knows since when, and a poll or a wake that ended another wait may have been lost. */
	if (runnable && (!t->ready_ns || (age && t->ready_ns + SLACK_NS < r->t_ns - age)))
		model_task_ready(m, t, r->t_ns - age ? r->t_ns - age : 1);
	else if (runnable && model_task_doubted(m, t))
		model_task_ready(m, t, t->ready_ns);
	else if (!runnable && t->ready_ns && t->ready_ns + SECOND_NS < r->t_ns)
		model_task_ready(m, t, 0); /* its poll was lost, or is not seen at this level */
}

/* Complete, and kept only by a handle: for us it has ended, its memory has not. */
static void seen_ended(struct model *m, struct model_task *t, const struct weft_ev_snapshot_task *e)
{
	if (!(e->state & WEFT_T_COMPLETE))
		return;
	t->flags |= MODEL_T_HELD;
	m->types[t->type]->held_now++;
}

/* Every waker is a reference; so are the task itself until it ends, and its handle. */
static bool has_wakers(const struct weft_ev_snapshot_task *e, uint64_t n)
{
	uint64_t refs = e->state >> WEFT_TASK_REF_SHIFT;

	return refs && !(e->state & (WEFT_T_RUNNING | WEFT_T_COMPLETE | WEFT_T_NOTIFIED)) &&
	       refs == 1 + ((e->state & WEFT_T_JOIN_INTEREST) != 0) + n;
}

void model_census_task(struct model *m, const struct record *r)
{
	const struct weft_ev_snapshot_task *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	uint64_t id = e ? model_task_id(r->process, e->task) : 0;
	struct model_task *t = id ? task_table_find(&m->tasks, id) : NULL;

	if (!p || !id || (t && t->process != r->process)) {
		m->oddities++;
		return;
	}
	if (t && !task_alive(t) && !t->end_reason && !(e->state & WEFT_T_COMPLETE))
		model_task_revive(m, t); /* earlier walks had missed it */
	if (t && !task_alive(t)) {
		seen_ended(m, t, e);
		return;
	}
	if (!t && e->state & WEFT_T_COMPLETE) {
		model_type_held(m, p, e->site);
		return;
	}
	if (!t)
		t = model_task_found(m, p, id, e->site);
	if (!t)
		return;
	/* Where a spawn tells it by its thread, the list that the task is in knows better. */
	if (model_runtime_index(p, e->runtime) != MODEL_NO_RUNTIME)
		model_task_runtime(p, t, e->runtime);
	if (t->flags & MODEL_T_FOUND) {
		model_task_retype(m, p, t, e->site);
		t->parent = model_task_id(r->process, e->parent);
		t->bytes = m->types[t->type]->one_bytes = e->bytes;
		model_task_runtime(p, t, e->runtime);
		/* Older than the recording: a negative stamp. */
		if (e->age_ns < OLDEST_NS)
			t->spawn_ns = r->t_ns - e->age_ns;
	}
	set_polls(m, p, t, e->polls);
	set_name(m, t, e);
	set_state(m, t, r, e);
	t->alone = has_wakers(e, 0);
	t->stuck_on_one = e->state & WEFT_T_JOIN_WAKER && has_wakers(e, 1);
	t->walk = (uint8_t)p->walk;
	t->missed_walks = 0;
}

static void end_missing(struct model *m, struct model_process *p, uint64_t t_ns)
{
	struct model_task *t;
	uint32_t cursor = 0;

	while ((t = model_task_each(m, &cursor))) {
		bool born_later = task_born_here(t) && t->spawn_ns >= p->walk_ns;

		if (t->process != p->index || !task_alive(t) || born_later ||
		    t->walk == (uint8_t)p->walk)
			continue;
		if (t->poll_ns >= p->walk_ns || t->wake_ns >= p->walk_ns || t->missed_walks++ == 0)
			continue;
		p->ends++;
		m->types[t->type]->ended += task_born_here(t) && !(t->flags & MODEL_T_FOUND);
		model_task_finish(m, t, LIVE_DONE, t_ns);
	}
}

/* At the end of a walk: it may meet who awaits after whom that one awaits. */
static void settle_awaited(struct model *m, struct model_process *p)
{
	uint64_t by_id, id;

	while (p->awaits && await_store_next(p->awaits, &by_id, &id)) {
		const struct model_task *by = task_table_find(&m->tasks, by_id);
		const struct model_task *t = task_table_find(&m->tasks, id);

		/* A joiner may be gone, or be no task at all: the target's word. */
		if (t && by && t->process == p->index && by->process == p->index && task_alive(by))
			m->oddities += !await_store_waits(p->awaits, by, id);
	}
}

void model_census_end(struct model *m, const struct record *r)
{
	const struct weft_ev_snapshot *e = model_payload(r, sizeof(*e));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;

	if (!p)
		return;
	for (uint32_t i = 0; i < m->ntypes; i++)
		if (m->types[i]->process == p->index)
			m->types[i]->held = m->types[i]->held_now;
	settle_awaited(m, p);
	p->walk_before_ns = p->walk_ns;
	p->walk_done_ns = r->t_ns;
	p->chain_walks += (r->ev->flags & WEFT_EVF_CHAINS) != 0;
	if (e->missed)
		return;
	p->walks++;
	if (!e->torn)
		end_missing(m, p, r->t_ns);
}

void model_await(struct model *m, const struct record *r)
{
	bool place = r->kind == WEFT_EV_PLACE;
	const void *e = model_payload(r, place ? sizeof(struct weft_ev_place)
					 : r->kind == WEFT_EV_AWAITED
						 ? sizeof(struct weft_ev_awaited)
						 : sizeof(struct weft_ev_await));
	struct model_process *p = e ? model_process_get(m, r->process) : NULL;
	struct model_task *t;

	if (!p || (!p->awaits && await_store_new(&p->awaits))) {
		m->oddities++;
		return;
	}
	if (place) {
		m->oddities += !await_store_place(p->awaits, r);
		return;
	}
	if (r->kind == WEFT_EV_AWAITED) {
		const struct weft_ev_awaited *pair = e;

		m->oddities += !await_store_awaited(p->awaits, model_task_id(r->process, pair->by),
						    model_task_id(r->process, pair->task));
		return;
	}
	t = task_table_find(&m->tasks,
			    model_task_id(r->process, ((const struct weft_ev_await *)e)->task));
	if (t && t->process == r->process && task_alive(t))
		m->oddities += !await_store_put(p->awaits, r, t);
}
