// SPDX-License-Identifier: MIT
#include "probes/rust/builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/plan_internal.h"

#define CHUNK (64u << 10)

int rust_builder_init(struct rust_builder *b, int fd)
{
	struct rust_plan_box *box = calloc(1, sizeof(*box));
	int rc;

	*b = (struct rust_builder){ 0 };
	if (!box)
		return -ENOMEM;
	b->plan = &box->plan;
	for (size_t i = 0; i < sizeof(b->plan->layout) / sizeof(b->plan->layout[0]); i++)
		b->plan->layout[i] = (struct rust_layout){ -1, -1, -1, -1 };
	rc = rust_image_new(fd, &b->image);
	if (rc == 0)
		rc = rust_decoder_new(b->image, &b->decoder);
	if (rc < 0)
		return rc;
	strcpy(b->plan->build_id, b->image->build_id);
	b->plan->stripped = !b->image->has_symbols;
	b->plan->has_lines = b->image->has_lines;
	return 0;
}

void rust_builder_done(struct rust_builder *b)
{
	rust_graph_free(b->graph);
	rust_decoder_free(b->decoder);
	rust_image_free(b->image);
	rust_plan_destroy(b->plan);
}

/* Room for one more of `size` bytes. */
static bool reserve(struct rust_builder *b, void *list, size_t n, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 16;
	void *at, *grown;

	if (b->rc < 0)
		return false;
	if (n < *room)
		return true;
	memcpy(&at, list, sizeof(at));
	grown = reallocarray(at, wanted, size);
	if (!grown) {
		b->rc = -ENOMEM;
		return false;
	}
	memcpy(list, &grown, sizeof(grown));
	*room = wanted;
	return true;
}

#define RESERVE(b, list)                                                     \
	reserve(b, &(b)->plan->list, (b)->plan->n_##list, &(b)->room_##list, \
		sizeof((b)->plan->list[0]))

struct rust_type *rust_builder_type(struct rust_builder *b)
{
	struct rust_type *type;

	if (!RESERVE(b, types))
		return NULL;
	type = &b->plan->types[b->plan->n_types++];
	*type = (struct rust_type){ .id_offset = -1, .trailer_offset = -1 };
	return type;
}

void rust_builder_probe(struct rust_builder *b, const struct rust_probe *probe)
{
	uint64_t offset;

	if (!rust_image_offset(b->image, probe->address, &offset) || !RESERVE(b, probes))
		return;
	b->plan->probes[b->plan->n_probes] = *probe;
	b->plan->probes[b->plan->n_probes++].offset = offset;
}

bool rust_builder_place(struct rust_builder *b, const struct rust_code *code, size_t i,
			struct rust_probe probe)
{
	struct rust_place place;

	if (!rust_code_move(code, i, probe.reg, &place))
		return false;
	probe.address = place.address;
	probe.reg = place.reg;
	probe.emulated = place.emulated;
	probe.late = probe.kind == RUST_WAKE &&
		     rust_code_changes_before(code, rust_code_index(code, place.address, false));
	rust_builder_probe(b, &probe);
	return true;
}

bool rust_builder_entry(struct rust_builder *b, uint64_t function, struct rust_probe probe)
{
	const uint8_t *first = rust_image_bytes(b->image, function, 2);
	const struct rust_code *code;

	/* push of a register, jmp rel32: nothing to look for */
	if (first && ((first[0] & 0xf8) == 0x50 || first[0] == 0xe9 ||
		      (first[0] == 0x41 && (first[1] & 0xf8) == 0x50))) {
		probe.address = function;
		probe.emulated = true;
		rust_builder_probe(b, &probe);
		return true;
	}
	code = rust_decoder_at(b->decoder, function);
	return code && code->low == function && rust_builder_place(b, code, 0, probe);
}

int rust_builder_calls(struct rust_builder *b, const struct rust_targets *t, rust_call_fn fn,
		       void *ctx)
{
	int rc = b->graph ? 0 : rust_graph_new(b->image, &b->graph);

	if (rc == 0)
		rc = rust_graph_calls(b->graph, t, fn, ctx);
	return rc == -ENOENT ? 0 : rc;
}

void rust_builder_library(struct rust_builder *b, const struct rust_library *library)
{
	if (RESERVE(b, libraries))
		b->plan->libraries[b->plan->n_libraries++] = *library;
}

void rust_builder_spawn_place(struct rust_builder *b, uint64_t probe, uint64_t caller,
			      const char *place)
{
	if (RESERVE(b, spawn_places))
		b->plan->spawn_places[b->plan->n_spawn_places++] =
			(struct rust_spawn_place){ probe, caller, place };
}

void rust_builder_gap(struct rust_builder *b, const char *what, const char *why)
{
	for (uint32_t i = 0; i < b->plan->n_gaps; i++)
		if (strcmp(b->plan->gaps[i].what, what) == 0 &&
		    strcmp(b->plan->gaps[i].why, why) == 0)
			return;
	if (RESERVE(b, gaps))
		b->plan->gaps[b->plan->n_gaps++] = (struct rust_gap){ what, why };
}

void rust_builder_can_see(struct rust_builder *b, const char *what)
{
	for (uint32_t i = 0; i < b->plan->n_can_see; i++)
		if (strcmp(b->plan->can_see[i], what) == 0)
			return;
	if (RESERVE(b, can_see))
		b->plan->can_see[b->plan->n_can_see++] = what;
}

const char *rust_builder_text(struct rust_builder *b, const char *text, size_t n)
{
	struct rust_plan_box *box = rust_plan_box(b->plan);
	struct rust_texts *chunk = box->texts;
	char *at;

	if (b->rc < 0)
		return NULL;
	if (!chunk || chunk->room - chunk->n < n + 1) {
		size_t room = n + 1 > CHUNK ? n + 1 : CHUNK;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk) {
			b->rc = -ENOMEM;
			return NULL;
		}
		*chunk = (struct rust_texts){ .next = box->texts, .room = room };
		box->texts = chunk;
	}
	at = chunk->text + chunk->n;
	memcpy(at, text, n);
	at[n] = '\0';
	chunk->n += n + 1;
	return at;
}

static int compare_probes(const void *a, const void *b)
{
	const struct rust_probe *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static int compare_spawn_places(const void *a, const void *b)
{
	const struct rust_spawn_place *x = a, *y = b;

	if (x->probe != y->probe)
		return x->probe < y->probe ? -1 : 1;
	return x->caller < y->caller ? -1 : x->caller > y->caller;
}

static void drop_doubles(struct rust_plan *plan)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (kept == 0 || compare_probes(&plan->probes[kept - 1], &plan->probes[i]) != 0)
			plan->probes[kept++] = plan->probes[i];
	plan->n_probes = kept;
}

struct rust_plan *rust_builder_take(struct rust_builder *b)
{
	struct rust_plan *plan = b->plan;

	if (plan->n_probes > 0)
		qsort(plan->probes, plan->n_probes, sizeof(*plan->probes), compare_probes);
	drop_doubles(plan);
	if (plan->n_spawn_places > 0)
		qsort(plan->spawn_places, plan->n_spawn_places, sizeof(*plan->spawn_places),
		      compare_spawn_places);
	b->plan = NULL;
	return plan;
}
