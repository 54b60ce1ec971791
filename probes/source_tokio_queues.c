// SPDX-License-Identifier: MIT
/*
 * How many tasks wait in the queues of Tokio's runtimes, read from outside. Each task points to its scheduler's handle; in
 * there are a boxed slice of { thief's end of a worker's queue, parker of the worker } and the common queue, at places that
 * differ by version and compiler: they are searched for by shape. Whose queue it is the parker tells: a worker that parks
 * waits on a futex inside of its own. What was read may be anything by then, so all of it is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "probes/source_tokio_internal.h"

#define PIECE          256u /* a handle may end at the end of what is mapped */
#define SCHEDULER_SLOT 64u  /* of the vtable: where the scheduler's Arc lies in the block */
#define QUEUE_ROOM     256u /* tasks */
#define QUEUE_BYTES    40u  /* two counts, then buffer, head, tail */
#define PARKER_BYTES   64u
#define WORKERS_MAX    1024u
#define CHAIN_MAX      65536u
#define LOOKS_MAX      200u /* for queues in a handle that may have none: a current-thread one */
#define PAGE           4096u

/* ---- memory of the target ---- */

bool tokio_read(const struct tokio_process *w, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };

	return process_vm_readv(w->p->pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* What of the handle is there. */
size_t tokio_read_handle(const struct tokio_process *w, uint64_t handle,
			 uint64_t word[TOKIO_HANDLE_WORDS])
{
	struct iovec local = { word, TOKIO_HANDLE_WORDS * 8 },
		     remote[TOKIO_HANDLE_WORDS * 8 / PIECE];
	ssize_t n;

	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		remote[i] = (struct iovec){ (void *)(uintptr_t)(handle + i * PIECE), PIECE };
	n = process_vm_readv(w->p->pid, &local, 1, remote, sizeof(remote) / sizeof(remote[0]), 0);
	return n > 0 ? (size_t)n / 8 : 0;
}

static bool is_pointer(uint64_t word)
{
	return word >= PAGE && word % 8 == 0 && word < 1ull << 47;
}

/* Strong and weak count of an Arc. */
bool tokio_is_arc(const uint64_t *word)
{
	return word[0] && word[0] < 1u << 31 && word[1] && word[1] < 1u << 31;
}

/* ---- the handle ---- */

/* By a task that is polled now or was. */
static uint64_t handle_by(struct tokio_process *w, const struct tokio_runtime *r,
			  const struct weft_open_poll *poll)
{
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];
	uint64_t word[8], offset, handle, counts[2];

	if (!poll->header || poll->owner != r->owner || l->vtable < 0 || l->vtable >= 64 ||
	    l->owner < 0 || l->owner >= 64 || !tokio_read(w, poll->header, word, sizeof(word)) ||
	    word[l->owner / 8] != r->owner || !rust_plan_type(w->plan, poll->vtable) ||
	    (word[l->vtable / 8] - poll->vtable) % PAGE ||
	    !tokio_read(w, word[l->vtable / 8] + SCHEDULER_SLOT, &offset, sizeof(offset)) ||
	    offset >= PAGE || !tokio_read(w, poll->header + offset, &handle, sizeof(handle)) ||
	    !is_pointer(handle) || !tokio_read(w, handle, counts, sizeof(counts)) ||
	    !tokio_is_arc(counts))
		return 0;
	w->bias = word[l->vtable / 8] - poll->vtable;
	return handle;
}

static void find_handle(struct tokio_process *w, struct tokio_runtime *r)
{
	for (uint32_t i = 0; i < w->state->lanes_used && !r->handle; i++) {
		const struct weft_row *row = tokio_row(w->state, i);

		if (w->state->lane[i].owner != w->p || w->state->lane[i].runtime != r->id)
			continue;
		for (unsigned k = 0; k < WEFT_POLL_DEPTH && !r->handle; k++) {
			struct weft_open_poll poll =
				row->open[k]; /* torn at worst: it is checked */

			r->handle = handle_by(w, r, &poll);
		}
	}
}

/* ---- the workers' own queues ---- */

/* head: where the owner takes, and in the upper half where a thief has begun to. */
static bool depth_of(uint64_t head, uint32_t tail, uint32_t *ret)
{
	uint32_t real = (uint32_t)head, stolen = (uint32_t)(head >> 32);

	*ret = tail - real;
	return *ret <= QUEUE_ROOM && real - stolen <= QUEUE_ROOM;
}

/* The words behind an Arc's counts. */
static bool read_queue(const struct tokio_process *w, uint64_t address, bool buffer_first,
		       uint32_t *ret_depth)
{
	uint64_t word[QUEUE_BYTES / 8], at;

	if (!tokio_read(w, address, word, sizeof(word)) || !tokio_is_arc(word))
		return false;
	at = word[buffer_first ? 2 : 3];
	return is_pointer(at) && depth_of(word[buffer_first ? 3 : 2], (uint32_t)word[4], ret_depth);
}

static bool is_queue(const struct tokio_process *w, uint64_t address, bool *ret_buffer_first)
{
	uint64_t word[QUEUE_BYTES / 8], last;
	uint32_t depth;

	for (int first = 1; first >= 0; first--) {
		if (!read_queue(w, address, first, &depth) ||
		    !tokio_read(w, address, word, sizeof(word)) ||
		    !tokio_read(w, word[first ? 2 : 3] + 8 * (QUEUE_ROOM - 1), &last, sizeof(last)))
			continue;
		*ret_buffer_first = first;
		return true;
	}
	return false;
}

static bool take_slice(struct tokio_process *w, struct tokio_runtime *r, uint64_t at, uint32_t n)
{
	uint64_t pair[2];
	struct tokio_queue *queue = calloc(n, sizeof(*queue));

	for (uint32_t i = 0; queue && i < n; i++) {
		struct tokio_queue *q = &queue[i];
		bool found = false;

		if (tokio_read(w, at + 16ull * i, pair, sizeof(pair)) && is_pointer(pair[0]) &&
		    is_pointer(pair[1]))
			for (unsigned k = 0; k < 2 && !found; k++) {
				q->queue = pair[k];
				q->parker = pair[!k];
				found = is_queue(w, q->queue, &q->buffer_first);
			}
		if (found)
			continue;
		free(queue);
		return false;
	}
	r->queue = queue;
	r->queues = queue ? n : 0;
	return queue;
}

static void find_queues(struct tokio_process *w, struct tokio_runtime *r, const uint64_t *word,
			size_t n)
{
	for (size_t i = 2; i + 1 < n && !r->queue; i++)
		if (is_pointer(word[i]) && word[i + 1] && word[i + 1] <= WORKERS_MAX)
			take_slice(w, r, word[i], (uint32_t)word[i + 1]);
	if (!r->queue || r->queues <= r->workers)
		return;
	r->workers = r->queues; /* all that it was built with, those that never ran too */
	tokio_runtime_tell(w, r);
}

/* ---- the common queue ---- */

/* A task that waits in a queue: the link to the next. */
static bool queued(const struct tokio_process *w, uint64_t header, uint64_t *ret_next)
{
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];
	uint64_t word[4];
	const struct rust_type *type;

	if (!is_pointer(header) || !tokio_read(w, header, word, sizeof(word)) || l->vtable != 16 ||
	    l->queue_next != 8)
		return false;
	type = rust_plan_type(w->plan, word[2] - w->bias);
	*ret_next = word[1];
	return type && type->family == RUST_TOKIO && word[0] & WEFT_T_NOTIFIED;
}

/* Tasks from head to tail; 0 = it is no such chain, or has changed meanwhile. */
static uint32_t chain(const struct tokio_process *w, uint64_t head, uint64_t tail)
{
	uint64_t next;

	for (uint32_t n = 1; n < CHAIN_MAX; n++) {
		if (!queued(w, head, &next))
			return 0;
		if (head == tail)
			return next ? 0 : n;
		head = next;
	}
	return 0;
}

/* Beside its ends lies its length. One task alone proves nothing: a list of owned tasks looks like that, too. */
static void find_inject(struct tokio_process *w, struct tokio_runtime *r, const uint64_t *word,
			size_t n)
{
	for (size_t i = 2; i + 1 < n && r->inject_at <= 0; i++) {
		uint32_t length = is_pointer(word[i]) && is_pointer(word[i + 1]) &&
						  word[i] != word[i + 1]
					  ? chain(w, word[i], word[i + 1])
					  : 0;

		for (size_t k = i > 4 ? i - 4 : 2; length > 1 && k < i + 6 && k < n; k++)
			if (word[k] == length)
				r->inject_at = (int32_t)(8 * k);
	}
}

/* ---- looking ---- */

static void look_inject(struct tokio_process *w, struct tokio_runtime *r)
{
	uint64_t length;

	r->inject = 0;
	if (r->inject_at > 0 &&
	    tokio_read(w, r->handle + (uint32_t)r->inject_at, &length, sizeof(length)) &&
	    length < 1u << 31)
		r->inject = (uint32_t)length;
}

/* The runtime has ended: what lies there now are no lengths. */
static void forget_handle(struct tokio_process *w, struct tokio_runtime *r)
{
	r->handle = 0;
	r->inject = 0;
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p && w->state->lane[i].runtime == r->id)
			w->state->lane[i].depth = 0;
}

static void look_handle(struct tokio_process *w, struct tokio_runtime *r)
{
	bool settled = r->inject_at > 0 && (r->queue || r->looks >= LOOKS_MAX);
	uint64_t word[TOKIO_HANDLE_WORDS];
	size_t n = settled ? 2 : TOKIO_HANDLE_WORDS;

	if (!settled)
		n = tokio_read_handle(w, r->handle, word);
	else if (!tokio_read(w, r->handle, word, 2 * sizeof(word[0])))
		n = 0;
	if (n < 2 || !tokio_is_arc(word)) {
		forget_handle(w, r);
		return;
	}
	if (settled)
		return;
	if (!r->queue && r->flavour == WEFT_F_MULTI_THREAD && r->looks < LOOKS_MAX) {
		r->looks++;
		find_queues(w, r, word, n);
	}
	if (r->inject_at <= 0)
		find_inject(w, r, word, n);
}

static bool of_other(const struct tokio_runtime *r, const struct tokio_queue *q, uint64_t futex)
{
	for (uint32_t i = 0; i < r->queues; i++)
		if (&r->queue[i] != q && futex - r->queue[i].parker < PARKER_BYTES)
			return true;
	return false;
}

/* Whose queue it is: of the worker that parked in its parker, or of the only one that is left. */
static struct tokio_queue *queue_of(struct tokio_process *w, struct tokio_runtime *r, uint32_t lane)
{
	struct tokio_queue *left = NULL;
	uint64_t futex = tokio_row(w->state, lane)->futex;
	uint32_t free_queues = 0;

	for (uint32_t i = 0; i < r->queues; i++) {
		struct tokio_queue *q = &r->queue[i];

		if (futex - q->parker < PARKER_BYTES)
			q->lane_plus = lane + 1;
		else if (q->lane_plus == lane + 1 && of_other(r, q, futex))
			q->lane_plus = 0; /* another thread has the lane by now */
		if (q->lane_plus == lane + 1)
			return q;
		if (q->lane_plus)
			continue;
		left = q;
		free_queues++;
	}
	return free_queues == 1 ? left : NULL;
}

static void look_queues(struct tokio_process *w, struct tokio_runtime *r)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		struct tokio_lane *lane = &w->state->lane[i];
		struct tokio_queue *q;

		if (lane->owner != w->p || lane->runtime != r->id || lane->role != WEFT_LANE_WORKER)
			continue;
		lane->depth = 0;
		q = queue_of(w, r, i);
		if (q && !read_queue(w, q->queue, q->buffer_first, &lane->depth))
			lane->depth = 0;
	}
}

/* ---- gauges ---- */

static void take_thread(const struct tokio_lane *lane, const struct weft_row *row, uint64_t now,
			struct weft_ev_runtime_sample *e)
{
	uint64_t turn = row->turn_ns;

	if (lane->role == WEFT_LANE_POOL) {
		e->pool_threads++;
		e->pool_busy += row->job != 0;
	}
	if (lane->role != WEFT_LANE_WORKER)
		return;
	if (row->park_on == WEFT_PARK_DRIVER) {
		e->driver_worker = lane->worker;
		turn = row->park_start;
	}
	if (turn && turn <= now && (!e->driver_age_ns || now - turn < e->driver_age_ns))
		e->driver_age_ns = now - turn;
}

static void tell_gauges(struct tokio_process *w, const struct tokio_runtime *r)
{
	struct weft_ev_runtime_sample e = { .runtime = r->id,
					    .driver_worker = 0xffffffffu,
					    .inject_depth = r->inject };

	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p && w->state->lane[i].runtime == r->id)
			take_thread(&w->state->lane[i], tokio_row(w->state, i),
				    w->p->session->now_ns, &e);
	session_emit(w->p->session, tokio_event(w, WEFT_EV_RUNTIME_SAMPLE, 0), &e, sizeof(e));
}

/* At full. */
static void tell_depths(struct tokio_process *w, const struct tokio_runtime *r)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct tokio_lane *lane = &w->state->lane[i];
		uint64_t words[2] = { lane->depth | (uint64_t)r->inject << 32,
				      r->id | (uint64_t)(lane->worker & 0xffff) << 32 };
		struct weft_ev ev = tokio_event(w, WEFT_K_QUEUE_DEPTH, 0);

		if (lane->owner != w->p || lane->runtime != r->id || lane->role != WEFT_LANE_WORKER)
			continue;
		ev.tid = lane->tid;
		w->depths++;
		session_emit(w->p->session, ev, words, sizeof(words));
	}
}

void tokio_queues_look(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->runtimes; i++) {
		struct tokio_runtime *r = &w->runtime[i];

		if (r->owner && !r->handle)
			find_handle(w, r);
		if (r->handle)
			look_handle(w, r);
		if (r->handle) {
			look_inject(w, r);
			look_queues(w, r);
		}
		tell_gauges(w, r);
		if (r->handle && w->p->level == WEFT_LEVEL_FULL)
			tell_depths(w, r);
	}
}

void tokio_queues_done(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->runtimes; i++)
		free(w->runtime[i].queue);
}
