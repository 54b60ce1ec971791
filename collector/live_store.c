/* SPDX-License-Identifier: MIT */
/*
 * Rows beside the chunks. A task gets one when it has outlived the chunk of its birth; the rows of tasks
 * that are active are brought up to date in turn, so that a recording whose writer was killed is not far behind.
 */
#include "collector/live_internal.h"

#include "collector/model/timer.h"
#include "collector/store/store.h"
#include "probes/base/cleanup.h"

#define ROWS_PER_SECOND 2000u
#define MANY_WAKES      64u
#define LATE_NS         1000000

static uint64_t seen(uint64_t v)
{
	return v ? v : LIVE_UNKNOWN;
}

static void put_task(struct live *l, struct store *s, struct model_task *t)
{
	const struct model_process *p = model_process(l->model, t->process);
	struct store_task row = { .id = t->id,
				  .native_id = t->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1),
				  .parent = t->parent,
				  .spawn_ns = t->spawn_ns,
				  .end_ns = task_alive(t) ? LIVE_UNKNOWN : t->end_ns,
				  .polls = t->polls,
				  .busy_ns = t->busy_ns,
				  .blocked_ns = t->blocked_ns,
				  .runnable_ns = t->runnable_ns,
				  .wakes = t->wakes,
				  .self_wakes = t->self_wakes,
				  .poll_max_ns = t->poll_max_ns,
				  .process = t->process,
				  .type = t->type,
				  .bytes = t->bytes,
				  .fingerprint = live_fingerprint(l, t),
				  .state = model_task_state(l->model, t),
				  .end_reason = t->end_reason,
				  .name = model_task_name(l->model, t),
				  .location = model_task_location(l->model, t) };

	row.runtime = t->runtime < p->nruntimes ? p->runtime[t->runtime].info.runtime : 0;
	if (!model_sees_polls(l->model, t->process)) {
		if (!model_sees_task(l->model, t))
			row.polls = model_walks_tell_polls(l->model, t) ? t->census_polls
									: LIVE_UNKNOWN;
		row.wakes = row.self_wakes = LIVE_UNKNOWN;
		/* Of long polls only. */
		row.busy_ns = seen(row.busy_ns);
		row.blocked_ns = seen(row.blocked_ns);
		row.runnable_ns = seen(row.runnable_ns);
		row.poll_max_ns = seen(row.poll_max_ns);
	}
	store_put_task(s, &row);
	t->flags |= MODEL_T_ROW;
}

static void put_wakes(struct store *s, struct model_task *t)
{
	for (uint32_t i = 0; i < t->hot->nwakers; i++) {
		const struct model_waker *w = &t->hot->waker[i];

		store_put_wake(s, w->kind, w->task, t->id, w->count, w->first_ns, w->last_ns);
	}
	t->hot->dirty = false;
}

static void put_types(struct live *l, struct store *s)
{
	for (uint32_t i = 0; i < model_types(l->model); i++) {
		struct model_type *t = model_type_edit(l->model, i);

		if (t->row)
			continue;
		store_put_type(s, &(struct store_type){
					  .id = t->id,
					  .process = t->process,
					  .runtime = t->runtime,
					  .name = t->name,
					  .location = t->location,
					  .bytes = t->spawned ? (uint32_t)(t->bytes / t->spawned)
							      : 0 });
		t->row = true;
	}
}

/* An end: the row of a task that has one, or that was born in an earlier chunk. */
void live_store_record(struct live *l, struct store *s, const struct record *r)
{
	struct model_task *t = model_task(l->model, r->task);

	if (!t || task_alive(t))
		return;
	if (!(t->flags & MODEL_T_ROW) && task_born_here(t) && t->spawn_ns >= store_chunk_start(s))
		return;
	put_task(l, s, t);
	if (t->hot && t->hot->dirty && t->wakes >= MANY_WAKES)
		put_wakes(s, t);
}

void live_store_late(struct live *l, struct store *s, const struct record *r)
{
	struct model_task *t = r->task ? model_task(l->model, r->task) : NULL;

	if (t && !task_alive(t) && t->flags & MODEL_T_ROW)
		put_task(l, s, t);
}

static void put_timers(struct live *l, struct store *s)
{
	struct timer_fired f;

	while (model_timer_next(l->model, &l->rows.timer_cursor, &f)) {
		int64_t late = (int64_t)f.fire_ns - f.deadline_ns;

		if (f.fire_ns / 1000000000 != l->rows.timer_second) {
			l->rows.timer_second = f.fire_ns / 1000000000;
			l->rows.timers = 0;
		}
		if (l->rows.timers >= ROWS_PER_SECOND * (late >= LATE_NS ? 2 : 1))
			continue;
		l->rows.timers++;
		store_put_timer(s, &(struct store_timer){ .task = f.task,
							  .runtime = f.runtime,
							  .deadline_ns = f.deadline_ns,
							  .fire_ns = f.fire_ns,
							  .poll_ns = f.poll_ns,
							  .lateness_ns = late });
	}
}

/* One task in the round: true = it cost rows. */
static bool refresh(struct live *l, struct store *s, struct model_task *t, uint64_t since_ns)
{
	bool active = t->poll_ns >= since_ns || t->wake_ns >= since_ns;
	bool put = task_alive(t) && (t->flags & MODEL_T_ROW) && active;

	if (put)
		put_task(l, s, t);
	if (t->hot && t->hot->dirty && (t->flags & MODEL_T_ROW)) {
		put_wakes(s, t);
		return true;
	}
	return put;
}

static void second_round(struct live *l, struct store *s)
{
	uint64_t now = model_now(l->model), chunk = store_chunk_start(s),
		 since = now > 10000000000ull ? now - 10000000000ull : 0;
	struct model_task *t;
	uint32_t cursor = 0, budget = ROWS_PER_SECOND;

	put_types(l, s);
	while ((t = model_task_each(l->model, &cursor)))
		if (task_alive(t) && !(t->flags & MODEL_T_ROW) &&
		    (!task_born_here(t) || t->spawn_ns < chunk))
			put_task(l, s, t);
	while (budget && (t = model_task_each(l->model, &l->rows.task_cursor)))
		budget -= refresh(l, s, t, since);
	if (budget)
		l->rows.task_cursor = 0;
}

void live_store_tick(struct live *l, struct store *s)
{
	uint64_t second = model_now(l->model) / 1000000000;

	put_timers(l, s);
	if (second == l->rows.second)
		return;
	l->rows.second = second;
	second_round(l, s);
}

void live_store_finding(struct live *l, struct store *s, const struct live_finding *f)
{
	struct model_task *t =
		model_task(l->model,
			   (uint64_t)f->process << WEFT_TASK_PROCESS_SHIFT | f->subject_id);

	if (f->subject_kind[0] == 't' && f->subject_kind[4] == 0 && t)
		put_task(l, s, t);
	store_put_finding(s, f);
}

/* The last state of everything. */
void live_store_end(struct live *l, struct store *s)
{
	auto_free struct live_finding *rows = malloc(16 * sizeof(*rows));
	struct model_task *t;
	uint32_t cursor = 0;
	size_t n;

	if (l->rows.ended)
		return;
	l->rows.ended = true;
	put_timers(l, s);
	while ((t = model_task_each(l->model, &cursor))) {
		if (task_alive(t))
			put_task(l, s, t);
		if (t->hot && t->hot->dirty && (t->flags & MODEL_T_ROW))
			put_wakes(s, t);
	}
	put_types(l, s);
	for (size_t at = 0; rows && at < (n = detect_findings(l->detect, rows, at, 16)); at += 16)
		for (size_t i = 0; i < 16 && at + i < n; i++)
			store_put_finding(s, &rows[i]);
}
