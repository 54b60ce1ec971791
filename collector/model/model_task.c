/* SPDX-License-Identifier: MIT */
#include "collector/model/model_internal.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_NS (1ull << 50) /* 13 days: a longer poll or delay is nonsense */
#define HOT_AFTER  8u           /* polls and wakes */

static uint32_t add_sat(uint32_t a, uint64_t b)
{
	return b < UINT32_MAX - a ? a + (uint32_t)b : UINT32_MAX;
}

static inline void count_ready(struct model_process *p, const struct model_task *t, int by)
{
	struct model_runtime *rt = t->runtime < p->nruntimes ? &p->runtime[t->runtime] : NULL;

	if (!t->ready_ns)
		return;
	p->ready += (uint32_t)by;
	if (!rt)
		return;
	rt->ready += (uint64_t)(int64_t)by;
	if (t->doubts == p->doubts)
		rt->sure += (uint64_t)(int64_t)by;
}

void model_task_ready(struct model *m, struct model_task *t, uint64_t ready_ns)
{
	struct model_process *p = m->process[t->process];

	count_ready(p, t, -1);
	t->ready_ns = ready_ns;
	t->state = ready_ns ? LIVE_READY : LIVE_IDLE;
	t->doubts = p->doubts;
	count_ready(p, t, 1);
}

void model_task_runtime(struct model_process *p, struct model_task *t, uint32_t runtime)
{
	if (!task_alive(t))
		return;
	count_ready(p, t, -1);
	t->runtime = (uint8_t)model_runtime_index(p, runtime);
	count_ready(p, t, 1);
}

static struct model_task *task_new(struct model *m, struct model_process *p, uint64_t id,
				   uint32_t site)
{
	struct model_type *type = model_type_get(m, p, site);
	struct model_task *t = type ? task_table_add(&m->tasks, id) : NULL;

	if (!t) {
		m->oddities++;
		return NULL;
	}
	t->process = (uint16_t)p->index;
	t->runtime = p->nruntimes == 1 ? 0 : MODEL_NO_RUNTIME;
	t->type = (uint16_t)type->id;
	type->alive++;
	p->alive++;
	m->births++;
	return t;
}

/* A task that is seen without its birth. */
struct model_task *model_task_found(struct model *m, struct model_process *p, uint64_t id,
				    uint32_t site)
{
	struct model_task *t = task_new(m, p, id, site);

	if (!t)
		return NULL;
	t->flags |= MODEL_T_FOUND;
	m->types[t->type]->found++;
	return t;
}

void model_task_retype(struct model *m, struct model_process *p, struct model_task *t,
		       uint32_t site)
{
	struct model_type *type = model_type_get(m, p, site);

	if (!type || type->id == t->type)
		return;
	m->types[t->type]->alive--;
	type->alive++;
	if (t->flags & MODEL_T_FOUND) {
		m->types[t->type]->found--;
		type->found++;
	}
	t->type = (uint16_t)type->id;
}

/* Births are in order of ids: an unknown id in the middle has ended and been forgotten. */
static bool may_be_alive(const struct model_process *p, uint64_t id)
{
	return p->first_spawn == UINT64_MAX || id < p->first_spawn || id > p->last_spawn;
}

/* A task's id carries its process; ids are so unique in the table whatever a target says. */
static inline struct model_process *process_of(struct model *m, const struct record *r)
{
	if (!r->task || r->task >> WEFT_TASK_PROCESS_SHIFT != r->process) {
		m->oddities++;
		return NULL;
	}
	if (r->process < m->nprocesses && m->process[r->process])
		return m->process[r->process];
	return model_process_get(m, r->process);
}

static inline struct model_lane *lane_of(struct model *m, struct model_process *p, uint16_t lane)
{
	return lane < p->nlanes && p->lanes[lane] ? p->lanes[lane] : model_lane_get(m, p, lane);
}

static inline struct model_task *task_of(struct model *m, const struct record *r)
{
	if (m->guess && m->guess->id == r->task)
		return m->guess;
	return task_table_find(&m->tasks, r->task);
}

/* ---- birth and end ---- */

void model_task_spawn(struct model *m, const struct record *r)
{
	struct model_process *p = process_of(m, r);
	struct model_task *t = p ? task_of(m, r) : NULL;
	uint32_t site = (uint32_t)r->b;

	if (!p)
		return;
	if (t && (!task_alive(t) || !(t->flags & MODEL_T_FOUND))) {
		if (task_alive(t)) {
			m->oddities++;
			return;
		}
		task_table_recycle(&m->tasks, t);
		t->process = (uint16_t)p->index;
		t->type = (uint16_t)model_type_get(m, p, MODEL_NONE)->id;
		m->types[t->type]->alive++;
		p->alive++;
	} else if (!t) {
		t = task_new(m, p, r->task, site);
	}
	if (!t)
		return;
	if (t->flags & MODEL_T_FOUND)
		m->types[t->type]->found--;
	t->flags = (uint8_t)(t->flags & ~MODEL_T_FOUND);
	model_task_retype(m, p, t, site);
	t->parent = r->a;
	t->bytes = (uint32_t)r->c;
	t->spawn_ns = r->t_ns;
	if (r->d >> 32 & WEFT_S_BLOCK_ON)
		t->flags |= MODEL_T_BLOCK_ON;
	if (r->d >> 32 & WEFT_S_DETACHED)
		t->flags |= MODEL_T_DETACHED;
	model_task_runtime(p, t, (uint32_t)r->d);
	if (model_sees_polls(m, p->index) && !t->ready_ns && !t->polls)
		model_task_ready(m, t, r->t_ns ? r->t_ns : 1);
	p->spawns++;
	m->types[t->type]->spawned++;
	m->types[t->type]->bytes += t->bytes;
	m->types[t->type]->one_bytes = t->bytes;
	m->types[t->type]->runtime = (uint32_t)r->d;
	if (p->first_spawn > r->task)
		p->first_spawn = r->task;
	if (p->last_spawn < r->task)
		p->last_spawn = r->task;
}

void model_task_finish(struct model *m, struct model_task *t, enum live_task_state how,
		       uint64_t t_ns)
{
	struct model_process *p = m->process[t->process];
	struct model_type *type = m->types[t->type];
	struct model_lane *l = p->lanes && t->lane < p->nlanes ? p->lanes[t->lane] : NULL;

	model_task_ready(m, t, 0);
	if (l && l->open.task == t->id)
		l->open.task = 0;
	type->alive--;
	type->found -= (t->flags & MODEL_T_FOUND) != 0;
	p->alive--;
	if (task_born_here(t) && t_ns >= t->spawn_ns)
		hist_add(&type->life_hist, t_ns - t->spawn_ns);
	m->births++;
	task_table_end(&m->tasks, t, how, t_ns);
}

void model_task_revive(struct model *m, struct model_task *t)
{
	struct model_type *type = m->types[t->type];

	task_table_revive(&m->tasks, t);
	type->alive++;
	type->found += (t->flags & MODEL_T_FOUND) != 0;
	m->process[t->process]->alive++;
}

void model_task_end(struct model *m, const struct record *r)
{
	static const uint8_t how[] = { [0] = LIVE_DONE,
				       [WEFT_E_DONE] = LIVE_DONE,
				       [WEFT_E_CANCELLED] = LIVE_CANCELLED,
				       [WEFT_E_ERROR] = LIVE_FAILED,
				       [WEFT_E_SHUTDOWN] = LIVE_CANCELLED };
	struct model_process *p = process_of(m, r);
	struct model_task *t = p ? task_of(m, r) : NULL;

	if (!p || !t || !task_alive(t))
		return;
	t->end_reason = (r->b & 0xff) <= WEFT_E_SHUTDOWN ? r->b & 7 : 0;
	if (how[t->end_reason] == LIVE_CANCELLED || how[t->end_reason] == LIVE_FAILED)
		model_notable_end(m, t, r);
	p->ends++;
	m->types[t->type]->ended++;
	model_task_finish(m, t, (enum live_task_state)how[t->end_reason], r->t_ns);
}

void model_task_named(struct model *m, const struct record *r)
{
	const __u64 *w = model_payload(r, 2 * sizeof(*w));
	struct model_process *p = process_of(m, r);
	struct model_task *t = p ? task_of(m, r) : NULL;
	uint32_t bytes;

	if (!w || !t)
		return;
	bytes = w[0] >> 16 & 0xffff;
	if (bytes > WEFT_NAME_MAX || !model_payload(r, 2 * sizeof(*w) + bytes)) {
		m->oddities++;
		return;
	}
	free(t->name);
	t->name = strndup((const char *)(w + 2), bytes < 127 ? bytes : 127);
}

void model_task_labelled(struct model *m, const struct record *r)
{
	const __u64 *w = model_payload(r, 2 * sizeof(*w));
	struct label_word key, value;

	if (!w)
		return;
	key.bytes = w[0] >> 16 & 0xffff;
	value.bytes = w[0] >> 32 & 0xffff;
	key.text = (const char *)(w + 2);
	value.text = key.text + key.bytes;
	if (key.bytes > WEFT_NAME_MAX || value.bytes > WEFT_NAME_MAX || !r->task ||
	    !model_payload(r, 2 * sizeof(*w) + key.bytes + value.bytes)) {
		m->oddities++;
		return;
	}
	label_store_set(&m->labels, r->task, &key, &value);
}

const char *model_task_labels(const struct model *m, const struct model_task *t)
{
	return label_store_get(&m->labels, t->id);
}

/* ---- polls ---- */

/* Adds a poll's time to the seconds in which it fell. */
static void count_second(struct model_task *t, uint64_t end_ns, uint64_t busy, uint64_t blocked)
{
	uint64_t second = end_ns / SECOND_NS, dur = busy + blocked, here, there;

	if (second >= t->second || t->second > second + 2)
		task_roll(t, (uint32_t)second);
	t->now.polls++;
	here = end_ns - second * SECOND_NS;
	if (dur <= here) {
		t->now.busy = add_sat(t->now.busy, busy);
		t->now.blocked = add_sat(t->now.blocked, blocked);
		return;
	}
	there = dur - here < SECOND_NS ? dur - here : SECOND_NS;
	t->now.busy = add_sat(t->now.busy, (uint64_t)((double)busy / (double)dur * (double)here));
	t->now.blocked =
		add_sat(t->now.blocked, (uint64_t)((double)blocked / (double)dur * (double)here));
	t->before.busy =
		add_sat(t->before.busy, (uint64_t)((double)busy / (double)dur * (double)there));
	t->before.blocked = add_sat(t->before.blocked,
				    (uint64_t)((double)blocked / (double)dur * (double)there));
}

/* A poll's time in the proportions that samples have proven of a part of it. True: of its greater part. */
static bool share_out(struct lane_poll *k, const struct lane_open *o, uint64_t dur)
{
	double proven = (double)(o->cpu_ns + o->runq_ns + o->blocked_ns);

	if (proven <= 0)
		return false;
	k->blocked_ns = (uint64_t)((double)dur * ((double)o->blocked_ns / proven));
	k->runnable_ns = (uint64_t)((double)dur * ((double)o->runq_ns / proven));
	if (k->blocked_ns > dur)
		k->blocked_ns = dur;
	if (k->runnable_ns > dur - k->blocked_ns)
		k->runnable_ns = dur - k->blocked_ns;
	return proven >= (double)dur / 2;
}

/* What the kernel (off-CPU records) or else the samples say of the poll [start, end] of task t. */
static void split_poll(struct model_lane *l, struct lane_poll *k)
{
	const struct lane_open *o = &l->open;
	uint64_t dur = k->end_ns - k->start_ns;
	struct lane_off off;

	k->syscall = -1;
	if (lane_take_off(l, k->task, k->start_ns, k->end_ns, &off)) {
		k->blocked_ns = off.blocked_ns;
		k->runnable_ns = off.runnable_ns;
		k->syscall = off.syscall;
		k->seq = off.seq;
		k->split = true;
	}
	if (o->task == k->task && o->sample_ns <= k->end_ns && o->seen_ns >= k->start_ns) {
		k->behind_ns = o->behind_ns;
		k->seq = o->seq;
		if (!k->split) {
			k->proven = share_out(k, o, dur);
			k->sampled = true;
			k->syscall = o->syscall;
		}
	}
	k->busy_ns = dur - k->blocked_ns - k->runnable_ns;
}

static uint64_t as_us(uint64_t ns)
{
	return ns / 1000 < UINT32_MAX ? ns / 1000 : UINT32_MAX;
}

static inline void count_delay(struct model_type *type, struct model_task *t, struct model_lane *l,
			       const struct record *r, uint64_t start)
{
	uint64_t delay = r->b;
	unsigned bucket;

	if (delay == LIVE_UNKNOWN && t->ready_ns && t->ready_ns <= start)
		delay = start - t->ready_ns;
	if (delay >= LONGEST_NS)
		return;
	bucket = hist_bucket(delay);
	hist_count_in(&type->delay_hist, bucket);
	if (t->hot)
		hist_count_in(&t->hot->delays, bucket);
	if (l->npolls && delay >= 1000)
		lane_victim(l, start > delay ? start - delay : 0, start);
}

static inline void count_poll(struct model *m, struct model_task *t, struct model_lane *l,
			      const struct lane_poll *k)
{
	struct model_process *p = m->process[t->process];
	struct model_type *type = m->types[t->type];
	uint64_t dur = k->end_ns - k->start_ns;
	unsigned bucket = hist_bucket(dur);

	t->polls++;
	t->busy_ns += k->busy_ns;
	if (k->blocked_ns | k->runnable_ns) {
		t->blocked_ns += k->blocked_ns;
		t->runnable_ns += k->runnable_ns;
	}
	if (dur > t->poll_max_ns)
		t->poll_max_ns = dur;
	if (k->end_ns > t->poll_ns)
		t->poll_ns = k->end_ns;
	count_second(t, k->end_ns, k->busy_ns, k->blocked_ns);
	if (t->hot || (t->polls + t->wakes >= HOT_AFTER && task_table_heat(&m->tasks, t)))
		hist_count_in(&t->hot->polls, bucket);
	type->polls++;
	type->busy_ns += k->busy_ns;
	if (k->blocked_ns | k->runnable_ns) {
		type->blocked_ns += k->blocked_ns;
		type->runnable_ns += k->runnable_ns;
	}
	if (dur > type->poll_max_ns)
		type->poll_max_ns = dur;
	hist_count_in(&type->poll_hist, bucket);
	hist_count_in(&p->recent[0], bucket);
	p->seen_polls++;
	l->rec_polls++;
	if (k->end_ns > l->poll_ns)
		l->poll_ns = k->end_ns;
	l->rec.busy += k->busy_ns;
	if (l->rec_polls > l->polls)
		l->polls = l->rec_polls;
}

void model_task_poll(struct model *m, struct record *r)
{
	struct model_process *p = process_of(m, r);
	struct model_lane *l = p ? lane_of(m, p, r->lane) : NULL;
	struct model_task *t = p ? task_of(m, r) : NULL;
	struct lane_poll k;

	r->d = 0;
	if (!l || r->a >= LONGEST_NS) {
		m->oddities++;
		return;
	}
	k.task = r->task;
	k.end_ns = r->t_ns;
	k.start_ns = r->t_ns > r->a ? r->t_ns - r->a : 0;
	if (l->noff || l->open.task == r->task || r->a >= LANE_LONG_NS) {
		k = (struct lane_poll){ .task = r->task,
					.start_ns = k.start_ns,
					.end_ns = r->t_ns };
		split_poll(l, &k);
		r->d = as_us(k.blocked_ns) << 32 | as_us(k.runnable_ns);
	} else { /* short, and nothing but the poll itself is known of it */
		k.blocked_ns = k.runnable_ns = 0;
		k.busy_ns = k.end_ns - k.start_ns;
	}
	if (!t && may_be_alive(p, r->task))
		t = model_task_found(m, p, r->task, MODEL_NONE);
	if (!t)
		return;
	if (!task_alive(t) && !t->end_reason)
		model_task_revive(m, t);
	t->lane = r->lane;
	if (l->open.task == t->id && l->open.sample_ns <= r->t_ns) {
		l->open.task = 0;
		l->blocked = false;
	}
	if (t->flags & MODEL_T_TIMER) {
		t->flags = (uint8_t)(t->flags & ~MODEL_T_TIMER);
		timer_log_poll(&m->timers, t->id, k.start_ns);
	}
	count_delay(m->types[t->type], t, l, r, k.start_ns);
	count_poll(m, t, l, &k);
	if (r->a >= LANE_LONG_NS)
		lane_long_poll(l, &k);
	if (!task_alive(t))
		return;
	if (t->wake_ns > k.start_ns)
		model_task_ready(m, t, t->wake_ns);
	else if (t->ready_ns)
		model_task_ready(m, t, 0);
}

/* ---- wakes ---- */

/* The most frequent wakers stay: a newcomer takes over the place and the count of the rarest. */
static inline void count_waker(struct model_hot *hot, const struct record *r)
{
	struct model_waker *w = NULL, *rarest = &hot->waker[0];

	hot->dirty = true;
	for (uint32_t i = 0; i < hot->nwakers; i++) {
		if (hot->waker[i].task == r->a && hot->waker[i].kind == (uint32_t)r->b) {
			w = &hot->waker[i];
			w->count += w->count != UINT32_MAX;
			w->last_ns = r->t_ns;
			return;
		}
		if (hot->waker[i].count < rarest->count)
			rarest = &hot->waker[i];
	}
	if (hot->nwakers < MODEL_WAKERS) {
		w = &hot->waker[hot->nwakers++];
		w->count = 0;
	} else {
		w = rarest;
	}
	*w = (struct model_waker){ .task = r->a,
				   .kind = (uint32_t)r->b,
				   .count = w->count + 1,
				   .first_ns = r->t_ns,
				   .last_ns = r->t_ns };
}

static inline void count_wake(struct model *m, struct model_task *t, const struct record *r)
{
	bool self = r->a && r->a == r->task;
	uint64_t second = r->t_ns / SECOND_NS;

	if (second > t->second)
		task_roll(t, (uint32_t)second);
	t->wakes++;
	t->now.wakes++;
	t->self_wakes += self && t->self_wakes != UINT32_MAX;
	t->now.self_wakes += self;
	if (t->hot || (t->polls + t->wakes >= HOT_AFTER && task_table_heat(&m->tasks, t)))
		count_waker(t->hot, r);
	if (r->t_ns > t->wake_ns)
		t->wake_ns = r->t_ns;
}

static inline void count_lane_wake(struct model_process *p, struct model_lane *l, bool self)
{
	p->seen_wakes++;
	p->seen_self_wakes += self;
	if (!l)
		return;
	l->rec_wakes++;
	l->rec_self_wakes += self;
	if (l->rec_wakes > l->wakes)
		l->wakes = l->rec_wakes;
	if (l->rec_self_wakes > l->self_wakes)
		l->self_wakes = l->rec_self_wakes;
}

void model_task_wake(struct model *m, const struct record *r)
{
	struct model_process *p = process_of(m, r);
	struct model_task *t = p ? task_of(m, r) : NULL;

	if (!p)
		return;
	count_lane_wake(p, r->lane == WEFT_NO_LANE ? NULL : lane_of(m, p, r->lane),
			r->a && r->a == r->task);
	if (!t && p->first_spawn != UINT64_MAX && r->task < p->first_spawn)
		t = model_task_found(m, p, r->task, MODEL_NONE);
	if (!t || !task_alive(t))
		return;
	count_wake(m, t, r);
	if (r->c && (!t->ready_ns || model_task_doubted(m, t)))
		model_task_ready(m, t, r->t_ns ? r->t_ns : 1);
}
