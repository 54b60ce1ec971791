// SPDX-License-Identifier: MIT
/*
 * Tasks that are done and whose handle somebody has: Tokio takes them out of its list, so that no walk meets them, but their
 * memory stays until the handle goes. Above light the programs tell each at its end; a walk looks at them again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "probes/source_tokio_internal.h"

#define KEPT_MAX  32768u
#define SETTLE_NS 1000000000ull /* who awaits it has it by then */
#define BATCH     128u
#define HEAD      32u    /* bytes */
#define REFS_MAX  65536u /* a block that is free again has other things there */

void tokio_kept_add(struct tokio_process *w, const struct weft_raw_kept *raw)
{
	struct tokio_kept *k = &w->kept;
	uint32_t room = k->room ? k->room * 2 : 64;
	struct tokio_kept_task *grown;

	if (raw->site >= w->plan->n_types || w->plan->types[raw->site].id_offset <= 0 ||
	    k->n == KEPT_MAX)
		return;
	if (k->n == k->room) {
		grown = reallocarray(k->task, room, sizeof(*grown));
		if (!grown)
			return;
		k->task = grown;
		k->room = room;
	}
	k->task[k->n++] = (struct tokio_kept_task){ .header = raw->header,
						    .task = raw->task,
						    .since_ns = raw->ev.time_ns,
						    .site = raw->site };
}

void tokio_kept_done(struct tokio_kept *k)
{
	free(k->task);
	*k = (struct tokio_kept){ 0 };
}

struct look {
	uint64_t head[HEAD / 8], id;
};

/* How many of n could be read; < 0: the process can't be read any more. */
static int read_all(const struct tokio_process *w, const struct tokio_kept_task *k, uint32_t n,
		    struct look *to)
{
	struct iovec local[2 * BATCH], remote[2 * BATCH];
	ssize_t got;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = k[i].header;

		local[2 * i] = (struct iovec){ to[i].head, HEAD };
		local[2 * i + 1] = (struct iovec){ &to[i].id, sizeof(to[i].id) };
		remote[2 * i] = (struct iovec){ (void *)(uintptr_t)at, HEAD };
		at += (uint32_t)w->plan->types[k[i].site].id_offset;
		remote[2 * i + 1] = (struct iovec){ (void *)(uintptr_t)at, sizeof(to[i].id) };
	}
	got = process_vm_readv(w->p->pid, local, 2 * n, remote, 2 * n, 0);
	if (got < 0)
		return errno == EFAULT ? 0 : -errno;
	return (int)((size_t)got / (HEAD + sizeof(to->id)));
}

static bool is_kept(uint64_t state)
{
	uint64_t refs = state >> RUST_TOKIO_REF_SHIFT;

	return state & RUST_TOKIO_COMPLETE && state & RUST_TOKIO_JOIN_INTEREST && refs &&
	       refs < REFS_MAX;
}

static void tell(struct tokio_process *w, const struct tokio_kept_task *k, uint64_t state)
{
	uint64_t low = state & ((1u << RUST_TOKIO_REF_SHIFT) - 1);
	struct weft_ev_snapshot_task e = {
		.task = k->task,
		.age_ns = UINT64_MAX,
		.wake_age_ns = UINT64_MAX,
		.state = low | state >> RUST_TOKIO_REF_SHIFT << WEFT_TASK_REF_SHIFT,
		.site = tokio_site(k->site),
		.bytes = w->plan->types[k->site].size,
	};

	session_emit(w->p->session, tokio_event(w, WEFT_EV_SNAPSHOT_TASK, WEFT_EVF_SNAPSHOT), &e,
		     sizeof(e));
}

/* Those of n that are still there go to the end of what is left. */
static uint32_t look_at(struct tokio_process *w, const struct tokio_kept_task *from,
			const struct look *look, uint32_t n, uint32_t *left)
{
	uint32_t state_at = (uint32_t)w->plan->layout[RUST_TOKIO].state / 8, told = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct tokio_kept_task t = from[i];
		uint64_t state = look[i].head[state_at];

		if (look[i].id != t.task || !is_kept(state))
			continue;
		w->kept.task[(*left)++] = t;
		if (w->p->session->now_ns < t.since_ns + SETTLE_NS)
			continue;
		tell(w, &t, state);
		told++;
	}
	return told;
}

uint32_t tokio_kept_walk(struct tokio_process *w)
{
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];
	struct tokio_kept *k = &w->kept;
	uint32_t told = 0, left = 0, n;
	struct look look[BATCH];
	int got = 0;

	if (l->state < 0 || l->state >= (int32_t)HEAD)
		return 0;
	/* The one that can't be read is gone. */
	for (uint32_t i = 0; i < k->n && got >= 0; i += (uint32_t)got + ((uint32_t)got < n)) {
		n = k->n - i < BATCH ? k->n - i : BATCH;
		got = read_all(w, &k->task[i], n, look);
		if (got > 0)
			told += look_at(w, &k->task[i], look, (uint32_t)got, &left);
	}
	k->n = left;
	return told;
}
