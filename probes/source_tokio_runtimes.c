// SPDX-License-Identifier: MIT
/*
 * Runtimes of a process. Tokio numbers its lists of tasks, one for each runtime (and for each LocalSet), and writes the
 * number into each task's header: threads whose loops poll tasks of the same number are workers of the same runtime.
 */
#include <stdlib.h>
#include <string.h>

#include "probes/rust/library.h"
#include "probes/source_tokio_internal.h"

#define TELL (WEFT_ROW_WORKER | WEFT_ROW_CURRENT_THREAD | WEFT_ROW_ASYNC_TASK)

/* Of the first of these crates that is there, the newest where there are several: tasks of the oldest are not seen. NULL = none is. */
static const char *version_of(const struct tokio_process *w, const char *const *crates)
{
	const char *newest = NULL;

	for (; *crates && !newest; crates++)
		for (uint32_t i = 0; i < w->plan->n_libraries; i++) {
			const struct rust_library *l = &w->plan->libraries[i];

			if (!strcmp(l->crate, *crates) &&
			    (!newest || rust_library_compare(l->version, newest) > 0))
				newest = l->version;
		}
	return newest;
}

/* async-std and smol run async-task's tasks on the same executor; async-std leaves its own name. */
static uint16_t kind_of(const struct tokio_process *w, uint16_t flavour, const char **ret_version)
{
	static const char *const tokio[] = { "tokio", NULL },
				 *const async_std[] = { "async-std", NULL },
				 *const smol[] = { "smol", NULL };

	if (flavour == WEFT_F_MULTI_THREAD || flavour == WEFT_F_CURRENT_THREAD) {
		*ret_version = version_of(w, tokio);
		return WEFT_RT_TOKIO;
	}
	*ret_version = version_of(w, flavour == WEFT_F_REACTOR_POOL ? async_std : smol);
	return flavour == WEFT_F_REACTOR_POOL ? WEFT_RT_ASYNC_STD : WEFT_RT_SMOL;
}

void tokio_runtime_tell(struct tokio_process *w, const struct tokio_runtime *r)
{
	struct weft_ev_runtime e = { .runtime = r->id,
				     .flavour = r->flavour,
				     .workers = r->workers };
	const char *version;

	e.kind = kind_of(w, r->flavour, &version);
	session_text(e.version, sizeof(e.version), version ? version : "");
	if (e.kind == WEFT_RT_TOKIO) /* async-task's have the ids that a session gives them */
		e.fingerprint = process_fingerprint(w->p, WEFT_RT_TOKIO);
	session_emit(w->p->session, tokio_event(w, WEFT_EV_RUNTIME, 0), &e, sizeof(e));
}

static bool is_polled(const struct tokio_process *w, const struct tokio_runtime *r)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p && w->state->lane[i].runtime == r->id)
			return true;
	return r->threads;
}

/* The oldest that no thread polls and whose tasks no walk meets. One with the same handle may have come after it. */
static struct tokio_runtime *find_gone(struct tokio_process *w)
{
	struct tokio_runtime *gone = NULL;

	for (uint32_t i = 0; i < w->runtimes; i++) {
		struct tokio_runtime *r = &w->runtime[i];

		if (r->owner && (!gone || r->owner < gone->owner) && !is_polled(w, r) &&
		    !tokio_census_knows(w, r))
			gone = r;
	}
	return gone;
}

/* NULL: there are as many as can be told. */
static struct tokio_runtime *add_runtime(struct tokio_process *w, uint16_t flavour, uint64_t owner)
{
	struct tokio_runtime *r = w->runtimes < TOKIO_RUNTIMES ? &w->runtime[w->runtimes++]
							       : find_gone(w);

	if (!r && !w->said_runtimes)
		session_cannot_see(w->p->session, w->p->index, "which runtime some workers are of",
				   "it has more than %u runtimes at once", TOKIO_RUNTIMES);
	w->said_runtimes |= !r;
	if (!r)
		return NULL;
	free(r->queue);
	*r = (struct tokio_runtime){ .id = (uint32_t)(r - w->runtime) + 1,
				     .flavour = flavour,
				     .owner = owner };
	return r;
}

static uint16_t flavour_of(const struct tokio_process *w, uint32_t roles)
{
	static const char *const async_std[] = { "async-std", NULL };

	if (roles & WEFT_ROW_ASYNC_TASK)
		return version_of(w, async_std) ? WEFT_F_REACTOR_POOL : WEFT_F_EXECUTOR;
	return roles & WEFT_ROW_CURRENT_THREAD ? WEFT_F_CURRENT_THREAD : WEFT_F_MULTI_THREAD;
}

static struct tokio_runtime *find(struct tokio_process *w, uint16_t flavour, uint64_t owner)
{
	for (uint32_t i = 0; i < w->runtimes; i++)
		if (owner ? w->runtime[i].owner == owner
			  : w->runtime[i].flavour == flavour && !w->runtime[i].idle)
			return &w->runtime[i];
	return NULL;
}

static struct tokio_runtime *find_unnumbered(struct tokio_process *w, uint16_t flavour)
{
	for (uint32_t i = 0; i < w->runtimes; i++)
		if (!w->runtime[i].owner && w->runtime[i].flavour == flavour)
			return &w->runtime[i];
	return NULL;
}

/* Of a thread whose first poll is still open: its loop is not known yet. Those that nobody drives stay without threads. */
static uint32_t guess(const struct tokio_process *w, uint64_t owner)
{
	uint32_t first = 0;

	for (uint32_t i = w->runtimes; i-- > 0;) {
		if (owner && w->runtime[i].owner == owner)
			return w->runtime[i].id;
		if (w->runtime[i].threads)
			first = w->runtime[i].id;
	}
	return first;
}

uint32_t tokio_runtime_of(struct tokio_process *w, uint32_t roles, uint64_t owner)
{
	uint16_t flavour = flavour_of(w, roles);
	struct tokio_runtime *r;

	if (!(roles & TELL))
		return guess(w, owner);
	r = find(w, flavour, owner);
	if (!r && owner) /* one whose number was not known when its first worker was met */
		r = find_unnumbered(w, flavour);
	if (!r)
		r = add_runtime(w, flavour, owner);
	if (!r)
		return TOKIO_NO_ROOM;
	r->owner = owner ? owner : r->owner;
	if (!r->threads)
		r->flavour = flavour;
	if (++r->threads > r->workers)
		r->workers = r->threads;
	tokio_runtime_tell(w, r);
	return r->id;
}

uint32_t tokio_runtime_idle(struct tokio_process *w)
{
	struct tokio_runtime *r = add_runtime(w, flavour_of(w, WEFT_ROW_ASYNC_TASK), 0);

	if (!r)
		return TOKIO_NO_ROOM;
	r->idle = true; /* threads that are met later belong to another */
	tokio_runtime_tell(w, r);
	return r->id;
}

void tokio_runtime_left(struct tokio_process *w, uint32_t id)
{
	if (id && id <= w->runtimes && w->runtime[id - 1].threads)
		w->runtime[id - 1].threads--;
}

bool tokio_runtime_same(uint32_t roles, uint64_t owner, uint32_t roles_now, uint64_t owner_now)
{
	return (roles & TELL) == (roles_now & TELL) && owner == owner_now;
}

uint32_t tokio_runtime_of_task(const struct tokio_process *w, uint64_t owner, uint32_t lane)
{
	for (uint32_t i = 0; owner && i < w->runtimes; i++)
		if (w->runtime[i].owner == owner)
			return w->runtime[i].id;
	return w->state->lane[lane].runtime;
}

/* Where a multi-thread runtime is not driven its workers are: all of them have been met, or are in polls. */
uint32_t tokio_runtime_undriven(struct tokio_process *w, uint64_t owner)
{
	struct tokio_runtime *r = find(w, WEFT_F_CURRENT_THREAD, owner);

	if (!r)
		r = add_runtime(w, WEFT_F_CURRENT_THREAD, owner);
	if (!r)
		return TOKIO_NO_ROOM;
	tokio_runtime_tell(w, r);
	return r->id;
}
