// SPDX-License-Identifier: MIT
/*
 * All tasks of a process's async-executors (async-std, smol) as SNAPSHOT_TASK events, a part of the walks of source_tokio_census.c. An
 * executor is found through any of its tasks that is known, or through the program's own variables: then also one that
 * nobody runs. Tasks get their ids here when the programs have not given them any yet.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "probes/rust/async_task.h"
#include "probes/rust/executor_walk.h"
#include "probes/source_tokio_internal.h"
#include "probes/symbols/proc_maps.h"
#include "tokio.skel.h"

#define EXECUTORS     WEFT_ROW_MAX /* each thread may have one */
#define KNOWN_TASKS   512u         /* of the programs' table that are tried in a walk */
#define VARIABLES_MAX (4u << 20)   /* bytes of the program's own variables that are searched */
#define CHUNK         4096u
#define TASKS_MAX     262144u
#define MISSES_MAX    2u /* walks in a row that did not find its slab, which may just grow */
#define EMPTY_WALKS   2u /* it is given up then, if there is no place for another */
#define IDLE_WALKS    2u /* walks in a row in which all its tasks wait in its queue */
#define STUCK_WALKS   3u /* the same of some, others being idle */

struct executor {
	struct rust_executor at; /* pointer 0 = free */
	uint32_t runtime;        /* 0 = not known yet */
	uint32_t idle_walks, misses;
	uint32_t empty_walks; /* in a row: it may be what is left of one */
	uint64_t waits;       /* a task that the last walk met in its queue */
	bool fresh;           /* its tasks were not told of `runtime` yet */
};

struct tokio_executors {
	struct executor executor[EXECUTORS];
	uint32_t used;     /* those in use are below it */
	uint32_t left_out; /* times that one without a place was met, in this walk */
	uint64_t bias;
	bool bias_known, said_left_out;
};

/* One walk over one of them. */
struct round {
	struct tokio_process *w;
	struct executor *e;
	uint32_t tasks, idle, driven; /* driven: has been polled since we watch, or is just now */
	uint64_t waits;               /* the first in its queue */
	bool still;                   /* the one that waited there at the last walk does so yet */
};

bool tokio_executors_may_be(const struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->plan->n_types; i++)
		if (w->plan->types[i].family == RUST_ASYNC_TASK && !w->plan->types[i].blocking)
			return true;
	return false;
}

static struct rust_walk_target target_of(const struct tokio_process *w)
{
	return (struct rust_walk_target){ .pid = w->p->pid,
					  .bias = w->executors->bias,
					  .plan = w->plan };
}

static bool read_words(const struct tokio_process *w, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };

	return process_vm_readv(w->p->pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* ---- where the file is ---- */

/* A vtable that is there with this bias has its poll function where the file says. */
static bool is_bias(const struct tokio_process *w, uint64_t bias)
{
	for (uint32_t i = 0; i < w->plan->n_types; i++) {
		const struct rust_type *t = &w->plan->types[i];
		uint64_t run;

		if (t->family == RUST_ASYNC_TASK)
			return read_words(w, bias + t->vtable + 8 * RUST_ASYNC_RUN, &run,
					  sizeof(run)) &&
			       run == bias + t->poll;
	}
	return false;
}

static bool is_ours(const struct proc_map *map, const struct stat *st)
{
	return map->inode && map->inode == st->st_ino;
}

static void find_bias(struct tokio_process *w, const struct proc_maps *maps, const struct stat *st)
{
	struct tokio_executors *x = w->executors;

	for (size_t i = 0; i < proc_maps_count(maps) && !x->bias_known; i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (!is_ours(map, st) || map->offset)
			continue;
		x->bias_known = is_bias(w, map->start);
		x->bias = x->bias_known ? map->start : 0;
	}
	if (!x->bias_known)
		x->bias_known = is_bias(w, 0);
}

/* ---- finding them ---- */

static struct executor *executor_at(struct tokio_executors *x, const struct rust_executor *at)
{
	struct executor *e, *place = NULL;

	for (e = x->executor; e < x->executor + x->used; e++) {
		if (e->at.pointer == at->pointer)
			return e;
		if (!e->at.pointer && (!place || place->at.pointer))
			place = e;
		if (e->empty_walks >= EMPTY_WALKS && !place)
			place = e;
	}
	if (x->used < EXECUTORS && (!place || place->at.pointer))
		place = &x->executor[x->used++];
	if (place)
		*place = (struct executor){ .at = *at };
	else
		x->left_out++;
	return place;
}

/* What the threads poll, or polled last: of a runtime that is known. */
static void find_by_threads(struct tokio_process *w)
{
	struct rust_walk_target target = target_of(w);

	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct weft_row *row = tokio_row(w->state, i);

		for (unsigned k = 0; w->state->lane[i].owner == w->p && k < WEFT_POLL_DEPTH; k++) {
			struct rust_executor at;
			struct executor *e;

			if (!(row->roles & WEFT_ROW_ASYNC_TASK) || !row->open[k].header ||
			    rust_executor_of(&target, row->open[k].header, &at))
				continue;
			e = executor_at(w->executors, &at);
			if (e && w->state->lane[i].runtime)
				e->runtime = w->state->lane[i].runtime;
		}
	}
}

/* Tasks that the programs have met: also those that were spawned or woken, and that nobody polls. */
static void find_by_tasks(struct tokio_process *w)
{
	struct rust_walk_target target = target_of(w);
	int fd = bpf_map__fd(w->state->skel->maps.tasks);
	struct weft_task_key key, *from = NULL;

	for (uint32_t i = 0; i < KNOWN_TASKS && !bpf_map_get_next_key(fd, from, &key); i++) {
		struct rust_executor at;

		from = &key;
		if (key.follow == w->p->follow && !rust_executor_of(&target, key.header, &at))
			executor_at(w->executors, &at);
	}
}

/* Each word that may point to an executor's state. */
static void search(struct tokio_process *w, const struct proc_maps *maps, uint64_t from,
		   uint64_t to)
{
	struct rust_walk_target target = target_of(w);
	uint64_t word[CHUNK / 8], last = 0;

	for (uint64_t at = from; at < to; at += CHUNK) {
		if (!read_words(w, at, word, CHUNK))
			continue;
		for (size_t i = 0; i < CHUNK / 8; i++) {
			const struct proc_map *map = word[i] % 8 || word[i] == last
							     ? NULL
							     : proc_maps_find(maps, word[i]);
			struct rust_executor found;

			if (!map || map->inode || !(map->flags & PROC_MAP_WRITE))
				continue;
			last = word[i];
			if (!rust_executor_find(&target, word[i], &found))
				executor_at(w->executors, &found);
		}
	}
}

/* Variables that begin as zeros have no file behind them: they follow those of the file. */
static void find_by_variables(struct tokio_process *w, const struct proc_maps *maps,
			      const struct stat *st)
{
	uint64_t left = VARIABLES_MAX, end = 0;

	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *map = proc_maps_at(maps, i);
		uint64_t bytes = map->end - map->start;
		bool ours = is_ours(map, st) || (!map->inode && map->start == end && !map->path[0]);

		if (!ours)
			continue;
		end = map->end;
		if (!(map->flags & PROC_MAP_WRITE) || bytes > left)
			continue;
		left -= bytes;
		search(w, maps, map->start, map->end);
	}
}

static void find_all(struct tokio_process *w)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	struct stat st;

	if (fstat(w->file, &st) || proc_maps_read(w->p->pid, &maps))
		return;
	if (!w->executors->bias_known)
		find_bias(w, maps, &st);
	if (!w->executors->bias_known)
		return;
	find_by_threads(w);
	find_by_tasks(w);
	find_by_variables(w, maps, &st);
}

/* ---- telling ---- */

/*
 * In Tokio's bits, and its count: the executor's own waker stands for the task, and a handle is a reference. One that is held and not
 * awaited may still be used to cancel the task.
 */
uint64_t tokio_async_state(uint64_t a)
{
	uint64_t refs = a >> RUST_ASYNC_REF_SHIFT, s = 0;

	s |= a & RUST_ASYNC_RUNNING ? RUST_TOKIO_RUNNING : 0;
	s |= a & RUST_ASYNC_SCHEDULED ? RUST_TOKIO_NOTIFIED : 0;
	s |= a & RUST_ASYNC_TASK_HANDLE ? RUST_TOKIO_JOIN_INTEREST : 0;
	s |= a & RUST_ASYNC_AWAITER ? RUST_TOKIO_JOIN_WAKER : 0;
	s |= a & RUST_ASYNC_COMPLETED ? RUST_TOKIO_COMPLETE : 0;
	s |= a & RUST_ASYNC_CLOSED ? RUST_TOKIO_CANCELLED : 0;
	refs += (a & RUST_ASYNC_TASK_HANDLE) != 0;
	refs += (a & (RUST_ASYNC_TASK_HANDLE | RUST_ASYNC_AWAITER)) == RUST_ASYNC_TASK_HANDLE;
	return s | refs << WEFT_TASK_REF_SHIFT;
}

/* Read again: what the programs don't know may have ended since the walk met it, and they forgot it. */
static bool is_alive(const struct tokio_process *w, uint64_t header, uint64_t vtable)
{
	const struct rust_layout *l = &w->plan->layout[RUST_ASYNC_TASK];
	uint64_t state = 0, found = 0;
	struct iovec to[2] = { { &state, sizeof(state) }, { &found, sizeof(found) } };
	struct iovec from[2] = { { (void *)(header + (uint64_t)l->state), sizeof(state) },
				 { (void *)(header + (uint64_t)l->vtable), sizeof(found) } };

	return process_vm_readv(w->p->pid, to, 2, from, 2, 0) == sizeof(state) + sizeof(found) &&
	       found == vtable && !(state & RUST_ASYNC_COMPLETED) &&
	       (!(state & RUST_ASYNC_CLOSED) ||
		state & (RUST_ASYNC_SCHEDULED | RUST_ASYNC_RUNNING));
}

uint64_t tokio_async_id(const struct tokio_process *w, uint64_t header, uint64_t vtable)
{
	int fd = bpf_map__fd(w->state->skel->maps.tasks);
	struct weft_task_key key = { .header = header, .follow = w->p->follow };
	struct weft_task task;

	if (!bpf_map_lookup_elem(fd, &key, &task))
		return task.vtable == vtable ? task.id : 0;
	if (!is_alive(w, header, vtable))
		return 0;
	task = (struct weft_task){ .vtable = vtable, .told = 1 };
	task.id = __atomic_add_fetch(&w->state->skel->bss->ids_given, 1, __ATOMIC_RELAXED) +
		  (w->state->rust[w->p->follow].both ? WEFT_BOTH_IDS : 0);
	if (bpf_map_update_elem(fd, &key, &task, BPF_NOEXIST))
		return bpf_map_lookup_elem(fd, &key, &task) ? 0 : task.id;
	return task.id;
}

static void tell_awaiter(const struct tokio_process *w, const struct rust_walk_task *t, uint64_t id)
{
	const struct rust_walk_target target = target_of(w);
	struct rust_walk_task by;
	uint64_t by_id;

	if (!tokio_census_chains(w) || !rust_executor_awaiter(&target, t, &by))
		return;
	by_id = tokio_async_id(w, by.header, by.type->vtable + w->executors->bias);
	if (by_id)
		tokio_tell_awaited(w, id, by_id);
}

static void tell(void *ctx, const struct rust_walk_task *t)
{
	struct round *r = ctx;
	struct tokio_process *w = r->w;
	struct weft_ev_snapshot_task e = {
		.task = tokio_async_id(w, t->header, t->type->vtable + w->executors->bias),
		.age_ns = UINT64_MAX,
		.wake_age_ns = UINT64_MAX,
		.state = tokio_async_state(t->state),
		.site = tokio_site((uint32_t)(t->type - w->plan->types)),
		.bytes = t->type->size,
		.runtime = r->e->runtime,
	};

	if (!e.task || e.task >= 1ull << 40)
		return;
	r->tasks++;
	tokio_ask_programs(w, t->header, e.task, &e);
	r->driven += e.polls || t->state & RUST_ASYNC_RUNNING;
	r->idle += !(t->state & RUST_ASYNC_SCHEDULED);
	if (t->state & RUST_ASYNC_SCHEDULED) {
		r->waits = r->waits ? r->waits : t->header;
		r->still |= t->header == r->e->waits;
	}
	if (e.task > w->ids[RUST_ASYNC_TASK].walked)
		w->ids[RUST_ASYNC_TASK].walked = e.task;
	session_emit(w->p->session, tokio_event(w, WEFT_EV_SNAPSHOT_TASK, WEFT_EVF_SNAPSHOT), &e,
		     sizeof(e));
	tell_awaiter(w, t, e.task);
}

/* One in whose queue a task waits, walk after walk, while none is polled, is a runtime of its own, without a worker; its tasks are told again. */
static void settle(struct tokio_process *w, struct executor *e, const struct round *r)
{
	bool stuck = !r->driven && r->waits && (r->still || !e->idle_walks);

	e->fresh = false;
	e->idle_walks = stuck ? e->idle_walks + 1 : 0;
	if (!r->still || !stuck)
		e->waits = r->waits;
	if (e->idle_walks >= (r->idle ? STUCK_WALKS : IDLE_WALKS) && !e->runtime) {
		e->runtime = tokio_runtime_idle(w);
		e->fresh = true;
	}
}

static void walk_one(struct tokio_process *w, struct executor *e, struct round *sum,
		     uint32_t *ret_torn)
{
	struct rust_walk_target target = target_of(w);
	struct round r = { .w = w, .e = e };
	struct rust_walk_result result;

	if (rust_executor_walk(&target, &e->at, TASKS_MAX, tell, &r, &result)) {
		if (++e->misses == MISSES_MAX)
			*e = (struct executor){ .runtime = 0 };
		(*ret_torn)++;
		return;
	}
	e->misses = 0;
	e->empty_walks = r.tasks || !result.whole ? 0 : e->empty_walks + 1;
	*ret_torn += !result.whole;
	sum->tasks += r.tasks;
	sum->driven++;
	settle(w, e, &r);
}

/* Their tasks are not told, so none may be taken for gone. */
static void settle_left_out(struct tokio_process *w, uint32_t *ret_torn)
{
	struct tokio_executors *x = w->executors;

	*ret_torn += x->left_out;
	if (x->left_out && !x->said_left_out)
		session_cannot_see(
			w->p->session, w->p->index, "tasks of some executors",
			"it has more than %u executors: which tasks have ended is told only where it was seen",
			EXECUTORS);
	x->said_left_out |= x->left_out != 0;
	x->left_out = 0;
}

uint32_t tokio_executors_walk(struct tokio_process *w, uint32_t *ret_torn)
{
	struct round sum = { .w = w };

	if (!tokio_executors_may_be(w))
		return 0;
	if (!w->executors)
		w->executors = calloc(1, sizeof(*w->executors));
	if (!w->executors) {
		(*ret_torn)++;
		return 0;
	}
	find_all(w);
	settle_left_out(w, ret_torn);
	for (uint32_t i = 0; i < w->executors->used; i++)
		if (w->executors->executor[i].at.pointer)
			walk_one(w, &w->executors->executor[i], &sum, ret_torn);
	if (!sum.driven &&
	    w->state->lanes_used) /* tasks are polled, and their executor is not found */
		(*ret_torn)++;
	return sum.tasks;
}

bool tokio_executors_doubt(const struct tokio_process *w)
{
	for (uint32_t i = 0; w->executors && i < w->executors->used; i++) {
		const struct executor *e = &w->executors->executor[i];

		if (e->at.pointer &&
		    (e->fresh || (e->idle_walks && e->idle_walks < STUCK_WALKS && !e->runtime)))
			return true;
	}
	return false;
}

struct tokio_executors *tokio_executors_free(struct tokio_executors *x)
{
	free(x);
	return NULL;
}
