// SPDX-License-Identifier: MIT
/*
 * The programs' records on their way to the sink. A spawn and its task are two records: where a task is built its id
 * is not at hand yet. The task's first event (made runnable, or polled) takes the oldest waiting spawn of its
 * type; ids only grow, so a task that was there before cannot take it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "probes/source_tokio_internal.h"
#include "tokio.skel.h"

#define BIRTHS_MAX     65536u
#define BIRTH_NS       30000000000ull /* one that waits longer was no spawn, or its task starves */
#define ID_SLACK       1024u /* ids are taken a little before the task is built: others may overtake it */
#define SPAWN_WORDS    4u
#define SEEN_LATER_MAX 256u /* spawns of other types before it that are looked through */

static const struct rust_type *type_of(const struct tokio_process *w, uint32_t site)
{
	return site < w->plan->n_types ? &w->plan->types[site] : NULL;
}

static uint8_t family_of(const struct tokio_process *w, const struct weft_raw_task *raw)
{
	const struct rust_type *type = type_of(w, raw->site);

	return type ? type->family : 0;
}

/* ---- births ---- */

void tokio_births_done(struct tokio_births *b)
{
	free(b->waiting);
	*b = (struct tokio_births){ 0 };
}

static struct tokio_birth *birth_at(const struct tokio_births *b, uint32_t i)
{
	return &b->waiting[(b->first + i) & (b->room - 1)];
}

static bool grow(struct tokio_births *b)
{
	uint32_t room = b->room ? b->room * 2 : 64;
	struct tokio_birth *more;

	if (room > BIRTHS_MAX)
		return false;
	more = calloc(room, sizeof(*more));
	if (!more)
		return false;
	for (uint32_t i = 0; i < b->n; i++)
		more[i] = *birth_at(b, i);
	free(b->waiting);
	*b = (struct tokio_births){ .waiting = more, .n = b->n, .room = room };
	return true;
}

static void drop_first(struct tokio_births *b)
{
	b->first = (b->first + 1) & (b->room - 1);
	b->n--;
}

/*
 * No spawn from now on is of a task that is known already. A walk sees what is now, records come later: thousands of tasks that it met
 * may have their spawn still on the way, and only what was spawned after it is none of them.
 */
static uint64_t id_before(const struct tokio_process *w, uint8_t family, uint64_t spawn_ns)
{
	uint64_t seen = w->ids[family].seen, walked = w->ids[family].walked;

	return spawn_ns > w->walked_ns && walked > seen ? walked : seen;
}

static void remember(struct tokio_process *w, const struct weft_raw_spawn *raw)
{
	struct tokio_births *b = &w->births;
	uint8_t family;

	if (raw->probe >= w->plan->n_probes)
		return;
	family = w->plan->probes[raw->probe].family;
	while (b->n && birth_at(b, 0)->ev.time_ns + BIRTH_NS < raw->ev.time_ns)
		drop_first(b);
	if (b->n == b->room && !grow(b))
		drop_first(b);
	*birth_at(b, b->n++) = (struct tokio_birth){
		.ev = raw->ev,
		.parent = raw->parent,
		.id_before = id_before(w, family, raw->ev.time_ns),
		.site = tokio_site(w->plan->probes[raw->probe].type) + 1,
		.spawned = tokio_spawn_site(w, raw->probe, raw->caller),
	};
}

/* Those before it move up: a few that nobody takes must not hold up a queue of blanks. */
static void take_out(struct tokio_births *b, uint32_t i)
{
	for (; i > 0; i--)
		*birth_at(b, i) = *birth_at(b, i - 1);
	drop_first(b);
}

/*
 * The oldest of that type by the thread that the task is met on, else by any: a worker takes tasks of others when it has none
 * of its own left.
 */
static uint32_t find_birth(const struct tokio_births *b, const struct weft_raw_task *raw)
{
	uint32_t oldest = b->n;

	for (uint32_t i = 0; i < b->n && i < SEEN_LATER_MAX; i++) {
		const struct tokio_birth *at = birth_at(b, i);

		if (at->site != raw->site + 1)
			continue;
		if (at->ev.tid == raw->ev.tid)
			return i;
		if (oldest == b->n)
			oldest = i;
	}
	return oldest;
}

static bool take_birth(struct tokio_process *w, const struct weft_raw_task *raw,
		       struct tokio_birth *ret)
{
	uint32_t i = find_birth(&w->births, raw);

	if (i == w->births.n)
		return false;
	*ret = *birth_at(&w->births, i);
	if (raw->task <= w->ids[family_of(w, raw)].found || raw->task + ID_SLACK <= ret->id_before)
		return false;
	take_out(&w->births, i);
	return true;
}

/* ---- tasks ---- */

static void tell_spawn(struct tokio_process *w, const struct weft_raw_task *raw, uint32_t lane,
		       const struct tokio_birth *birth)
{
	const struct rust_type *type = type_of(w, raw->site);
	struct weft_ev ev = birth->ev;
	uint64_t words[SPAWN_WORDS] = {
		raw->task,
		birth->parent,
		birth->spawned | (type ? (uint64_t)type->size << 32 : 0),
		tokio_runtime_of_task(w, raw->owner, lane),
	};

	ev.kind = WEFT_K_TASK_SPAWN;
	w->spawns++;
	session_emit(w->p->session, ev, words, sizeof(words));
}

static void tell_task(struct tokio_process *w, const struct weft_ev_snapshot_task *task,
		      struct weft_ev ev)
{
	struct weft_ev_snapshot_task e = *task;
	const struct rust_type *type = type_of(w, e.site);

	e.age_ns = e.wake_age_ns = UINT64_MAX;
	e.bytes = type ? type->size : 0;
	ev.kind = WEFT_EV_SNAPSHOT_TASK;
	ev.flags = WEFT_EVF_SNAPSHOT;
	session_emit(w->p->session, ev, &e, sizeof(e));
}

void tokio_tell_found(struct tokio_process *w, uint64_t task, uint32_t site, uint32_t lane)
{
	struct weft_ev_snapshot_task e = { .task = task,
					   .state = WEFT_T_RUNNING,
					   .site = site,
					   .runtime = w->state->lane[lane].runtime };

	tell_task(w, &e, tokio_event(w, WEFT_EV_SNAPSHOT_TASK, 0));
}

static void tell_found(struct tokio_process *w, const struct weft_raw_task *raw, uint32_t lane)
{
	struct weft_ev_snapshot_task e = { .task = raw->task,
					   .state = raw->state & 0x3f & ~(uint64_t)WEFT_T_NOTIFIED,
					   .site = raw->site,
					   .runtime = tokio_runtime_of_task(w, raw->owner, lane) };

	uint64_t *found = &w->ids[family_of(w, raw)].found;

	tell_task(w, &e, raw->ev);
	if (raw->newborn && raw->task > *found && !tokio_is_unborn(w, raw->site))
		*found = raw->task;
}

static void deliver_task(struct tokio_process *w, const struct weft_raw_task *raw, uint32_t lane)
{
	uint64_t *seen = &w->ids[family_of(w, raw)].seen;
	struct tokio_birth birth;

	if (raw->newborn && take_birth(w, raw, &birth))
		tell_spawn(w, raw, lane, &birth);
	else
		tell_found(w, raw, lane);
	if (raw->task > *seen)
		*seen = raw->task;
}

void tokio_ask_programs(const struct tokio_process *w, uint64_t header, uint64_t id,
			struct weft_ev_snapshot_task *e)
{
	struct weft_task_key key = { .header = header, .follow = w->p->follow };
	uint64_t now = w->p->session->now_ns;
	struct weft_task known;

	if (w->p->level <= WEFT_LEVEL_LIGHT ||
	    bpf_map_lookup_elem(bpf_map__fd(w->state->skel->maps.tasks), &key, &known) ||
	    known.id != id)
		return;
	e->polls = known.polls;
	if (known.ready_ns > w->state->rust[w->p->follow].since_ns)
		e->wake_age_ns = now > known.ready_ns ? now - known.ready_ns : 0;
}

static void deliver_steal(struct tokio_process *w, const struct weft_raw_steal *raw)
{
	const struct tokio_lane *from, *to;
	struct weft_ev ev = raw->ev;
	uint64_t words[2];

	if (raw->from >= WEFT_ROW_MAX || raw->to >= WEFT_ROW_MAX)
		return;
	from = &w->state->lane[raw->from];
	to = &w->state->lane[raw->to];
	if (from->owner != w->p || to->owner != w->p || from->runtime != to->runtime)
		return; /* its worker has ended meanwhile */
	words[0] = (from->worker & 0xffff) | (uint64_t)(to->worker & 0xffff) << 16 | 1ull << 32;
	words[1] = to->runtime;
	ev.kind = WEFT_K_STEAL;
	w->steals++;
	session_emit(w->p->session, ev, words, sizeof(words));
}

/* The programs know the thread, its worker is known here. */
static void deliver_park(struct tokio_process *w, const struct weft_ev *ev)
{
	const struct tokio_lane *lane = &w->state->lane[w->last_lane];
	uint64_t words[2] = { 0 };
	size_t bytes = ev->size - sizeof(*ev);

	memcpy(words, ev + 1, bytes < sizeof(words) ? bytes : sizeof(words));
	words[0] |= lane->runtime | (uint64_t)(lane->worker & 0xffff) << 32;
	session_emit(w->p->session, *ev, words, bytes);
}

/* ---- all ---- */

static bool find_lane(struct tokio_process *w, uint32_t tid)
{
	if (tid == w->last_tid)
		return true;
	if (!tokio_lane_of(w, tid, &w->last_lane))
		return false;
	w->last_tid = tid;
	return true;
}

static void deliver(struct tokio_process *w, const struct weft_ev *ev, size_t bytes)
{
	struct session *s = w->p->session;

	if (ev->kind == WEFT_RAW_TASK && bytes >= sizeof(struct weft_raw_task)) {
		deliver_task(w, (const struct weft_raw_task *)(const void *)ev, w->last_lane);
	} else if (ev->kind == WEFT_RAW_KEPT && bytes >= sizeof(struct weft_raw_kept)) {
		tokio_kept_add(w, (const struct weft_raw_kept *)(const void *)ev);
	} else if (ev->kind == WEFT_RAW_STEAL && bytes >= sizeof(struct weft_raw_steal)) {
		deliver_steal(w, (const struct weft_raw_steal *)(const void *)ev);
	} else if (ev->kind == WEFT_RAW_SPAWN && bytes >= sizeof(struct weft_raw_spawn)) {
		remember(w, (const struct weft_raw_spawn *)(const void *)ev);
	} else if (ev->kind == WEFT_K_WORKER_PARK || ev->kind == WEFT_K_WORKER_UNPARK) {
		deliver_park(w, ev);
	} else if (ev->kind < WEFT_ROW_KINDS) {
		s->sink(s->sink_ctx, ev);
		s->delivered++;
	}
}

bool tokio_record(struct tokio_process *w, const struct weft_ev *ev, size_t bytes)
{
	bool raw = ev->kind == WEFT_RAW_TASK || ev->kind == WEFT_RAW_SPAWN ||
		   ev->kind == WEFT_RAW_STEAL || ev->kind == WEFT_RAW_KEPT;

	if (!raw && ev->kind >= WEFT_ROW_KINDS)
		return false;
	/* A command that was started under trace: it has called exec, and polls already. */
	if (w->p->state == PROCESS_SPAWNED || w->p->state == PROCESS_WAITING)
		tokio_go_live(w);
	if (w->p->state == PROCESS_LIVE && !w->p->replaced && find_lane(w, ev->tid))
		deliver(w, ev, bytes);
	else if (!raw)
		w->dropped[ev->kind]++;
	return true;
}
