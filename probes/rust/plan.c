// SPDX-License-Identifier: MIT
#include "probes/rust/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/async_task.h"
#include "probes/rust/blocking.h"
#include "probes/rust/library.h"
#include "probes/rust/named.h"
#include "probes/rust/names.h"
#include "probes/rust/panics.h"
#include "probes/rust/plan_internal.h"
#include "probes/rust/polls.h"
#include "probes/rust/sights.h"
#include "probes/rust/spawn_places.h"
#include "probes/rust/spawns.h"
#include "probes/rust/tokio.h"
#include "probes/rust/unoptimised.h"

#define MAX_LIBRARIES 32

static void find_libraries(struct rust_builder *b)
{
	struct rust_library found[MAX_LIBRARIES];
	uint32_t n = 0;

	for (size_t i = 0; i < b->image->n; i++) {
		const struct rust_segment *s = &b->image->segment[i];

		if (!(s->flags & PF_W))
			rust_library_find(s->data, s->bytes, found, MAX_LIBRARIES, &n);
	}
	for (uint32_t i = 0; i < n; i++)
		rust_builder_library(b, &found[i]);
}

/* So seldom hit that stepping does not matter. */
static bool is_rare(uint8_t kind)
{
	return kind == RUST_ABORT || kind == RUST_PANIC || kind == RUST_SHUTDOWN;
}

bool rust_plan_is_placed(const struct rust_probe *at)
{
	return at->emulated || is_rare(at->kind);
}

static bool has_tokio_probe(const struct rust_plan *plan, uint8_t kind)
{
	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == kind && plan->probes[i].family == RUST_TOKIO)
			return true;
	return false;
}

bool rust_plan_has_types(const struct rust_plan *plan, uint8_t family)
{
	for (uint32_t i = 0; i < plan->n_types; i++)
		if (plan->types[i].family == family)
			return true;
	return false;
}

bool rust_plan_has_polls(const struct rust_plan *plan)
{
	bool begin[RUST_ASYNC_TASK + 1] = { false }, end[RUST_ASYNC_TASK + 1] = { false };

	for (uint32_t i = 0; i < plan->n_probes; i++) {
		const struct rust_probe *at = &plan->probes[i];

		if (at->family > RUST_ASYNC_TASK || !rust_plan_is_placed(at))
			continue;
		begin[at->family] |= at->kind == RUST_POLL_BEGIN;
		end[at->family] |= at->kind == RUST_POLL_END && at->poller != RUST_BY_BLOCKING_POOL;
	}
	return (begin[RUST_TOKIO] && end[RUST_TOKIO]) ||
	       (begin[RUST_ASYNC_TASK] && end[RUST_ASYNC_TASK]);
}

static int compare_types(const void *a, const void *b)
{
	const struct rust_type *x = a, *y = b;

	return x->vtable < y->vtable ? -1 : x->vtable > y->vtable;
}

/* The vtables' order is final before anything refers to a type by its index. */
static void find_types(struct rust_builder *b)
{
	rust_tokio_types(b);
	rust_async_task_types(b);
	if (b->plan->n_types > 1)
		qsort(b->plan->types, b->plan->n_types, sizeof(*b->plan->types), compare_types);
	rust_blocking_mark(b);
}

static void find_probes(struct rust_builder *b)
{
	if (rust_plan_has_types(b->plan, RUST_TOKIO)) {
		rust_polls_find(b, RUST_TOKIO, RUST_TOKIO_POLL,
				&b->plan->layout[RUST_TOKIO].vtable);
		rust_tokio_tasks(b);
		rust_tokio_wakes(b);
		if (!has_tokio_probe(b->plan, RUST_POLL_END))
			rust_unoptimised_polls(b);
		if (!has_tokio_probe(b->plan, RUST_COMPLETE))
			rust_unoptimised_completions(b);
		if (!has_tokio_probe(b->plan, RUST_WAKE))
			rust_unoptimised_wakes(b);
	}
	if (rust_plan_has_types(b->plan, RUST_ASYNC_TASK))
		rust_async_task_tasks(b);
	rust_spawns_find(b);
	rust_unoptimised_spawns(b);
	rust_named_find(b);
	rust_panics_find(b);
}

int rust_plan_analyse(int fd, struct rust_plan **ret)
{
	struct rust_builder b;
	int rc = rust_builder_init(&b, fd);

	if (rc == 0) {
		find_libraries(&b);
		find_types(&b);
	}
	if (rc == 0 && b.rc == 0 && b.plan->n_types > 0) {
		find_probes(&b);
		rust_sizes_add(&b);
		rust_names_add(&b);
		rust_spawn_places_add(&b);
	}
	if (rc == 0) {
		rust_sights_judge(&b);
		rc = b.rc;
	}
	if (rc == 0 && b.plan->n_types == 0 && b.plan->n_gaps == 0)
		rc = -ENOENT;
	if (rc == 0)
		*ret = rust_builder_take(&b);
	rust_builder_done(&b);
	return rc;
}

void rust_plan_destroy(struct rust_plan *plan)
{
	if (!plan)
		return;
	for (struct rust_texts *t = rust_plan_box(plan)->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	free(plan->libraries);
	free(plan->types);
	free(plan->probes);
	free(plan->spawn_places);
	free(plan->gaps);
	free(plan->can_see);
	free(rust_plan_box(plan));
}

const struct rust_type *rust_plan_type(const struct rust_plan *plan, uint64_t vtable)
{
	uint32_t low = 0, high = plan->n_types;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (plan->types[mid].vtable == vtable)
			return &plan->types[mid];
		if (plan->types[mid].vtable < vtable)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
