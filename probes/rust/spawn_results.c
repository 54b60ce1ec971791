// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/location.h"
#include "probes/rust/scan.h"
#include "probes/rust/spawn_chains.h"

#define MAX_PLACE 1200

/* ---- functions that are called by their address ---- */

static int on_reference(void *ctx, uint64_t at, uint32_t value)
{
	struct climb *c = ctx;
	const struct rust_code *code = rust_decoder_at(c->b->decoder, at);
	size_t i = code ? rust_code_index(code, at, true) : SIZE_MAX;
	uint64_t function = c->climbed[value].function, word;
	const struct rust_insn *insn;

	if (i == SIZE_MAX)
		return 0;
	insn = &code->insn[i];
	if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH)
		return 0;
	/* Four bytes that look like it need not be it. */
	if (insn->target == function ||
	    (insn->target && rust_image_pointer(c->b->image, insn->target, &word) &&
	     word == function))
		c->taken[value] = true;
	return 0;
}

static void look_in_data(struct climb *c, const struct rust_targets *functions)
{
	const struct rust_image *image = c->b->image;
	uint64_t value;
	uint32_t id;

	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		for (uint64_t at = (8 - s->address % 8) % 8; s->pointers && at + 8 <= s->bytes;
		     at += 8) {
			uint64_t address = s->address + at;

			if ((address < image->got || address >= image->got_end) &&
			    rust_image_pointer(image, address, &value) &&
			    rust_targets_find(functions, value, &id))
				c->taken[id] = true;
		}
	}
}

static int by_climbed(const void *a, const void *b)
{
	const struct climbed *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->probe < y->probe ? -1 : x->probe > y->probe;
}

/* taken[i] of the first of a function in `climbed`, then of the others. */
static void find_taken(struct climb *c)
{
	struct rust_targets *functions = NULL;
	int rc = rust_targets_new(&functions);

	c->taken = calloc(c->n_climbed + 1, sizeof(*c->taken));
	if (!c->taken)
		rc = -ENOMEM;
	if (c->n_climbed > 1)
		qsort(c->climbed, c->n_climbed, sizeof(*c->climbed), by_climbed);
	for (size_t i = 0; rc == 0 && i < c->n_climbed; i++)
		if (i == 0 || c->climbed[i - 1].function != c->climbed[i].function)
			rc = rust_targets_add(functions, c->climbed[i].function, (uint32_t)i);
	if (rc == 0) {
		look_in_data(c, functions);
		rc = rust_targets_add_slots(functions, c->b->image);
	}
	if (rc == 0)
		rc = rust_scan_operands(c->b->image, functions, on_reference, c);
	for (size_t i = 1; rc == 0 && i < c->n_climbed; i++)
		if (c->climbed[i - 1].function == c->climbed[i].function)
			c->taken[i] |= c->taken[i - 1];
	if (rc < 0 && c->rc == 0)
		c->rc = rc;
	rust_targets_free(functions);
}

/* ---- what was found ---- */

static int by_probe(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	if (x->probe != y->probe)
		return x->probe < y->probe ? -1 : 1;
	if (x->caller != y->caller)
		return x->caller < y->caller ? -1 : 1;
	return 0;
}

/* Of a Location: it was one when the chain was placed. */
static void print(const struct climb *c, const struct chain *chain, char *ret, size_t size)
{
	struct rust_location at;

	ret[0] = '\0';
	if (chain->text)
		snprintf(ret, size, "%s", chain->text);
	else if (rust_location_at(c->b->image, chain->place, &at))
		snprintf(ret, size, "%.*s:%u:%u", (int)at.bytes, at.file, at.line, at.column);
}

/* The one place of chains [from, to); NULL = they differ, or one was lost. */
static const char *one_place(struct climb *c, size_t from, size_t to)
{
	char first[MAX_PLACE], other[MAX_PLACE];

	for (size_t i = from; i < to; i++) {
		if (c->chain[i].state != PLACED)
			return NULL;
		print(c, &c->chain[i], i > from ? other : first, MAX_PLACE);
		if (i > from && strcmp(first, other) != 0)
			return NULL;
	}
	return first[0] ? rust_builder_text(c->b, first, strlen(first)) : NULL;
}

/* Chains [from, to) are a probe's. Returns the place of all that is spawned there, NULL = it depends, or is not known. */
static const char *add_probe(struct climb *c, size_t from, size_t to)
{
	struct rust_probe *probe = &c->b->plan->probes[c->chain[from].probe];
	const char *all = one_place(c, from, to);
	size_t end;

	if (all) {
		rust_builder_spawn_place(c->b, probe->address, 0, all);
		return all;
	}
	for (size_t i = from; i < to; i = end) {
		const char *one;

		for (end = i + 1; end < to && c->chain[end].caller == c->chain[i].caller;)
			end++;
		if (!c->chain[i].forked || c->chain[i].caller == SPAWN_NO_CALLER ||
		    c->chain[i].frame.base == RUST_NO_REG)
			continue;
		one = one_place(c, i, end);
		if (!one)
			continue;
		probe->reg = c->chain[i].frame.base;
		probe->caller = (uint32_t)c->chain[i].frame.caller;
		rust_builder_spawn_place(c->b, probe->address, c->chain[i].caller, one);
	}
	return NULL;
}

/* All of a probe's chains have to look for its return address at one place. */
static bool is_sound(const struct climb *c, size_t from, size_t to)
{
	const struct rust_frame *frame = NULL;

	for (size_t i = from; i < to; i++) {
		if (!c->chain[i].forked)
			continue;
		if (frame && (frame->base != c->chain[i].frame.base ||
			      frame->caller != c->chain[i].frame.caller))
			return false;
		frame = &c->chain[i].frame;
	}
	return true;
}

/* Probes with a way to them that is not known. */
static void mark_open(const struct climb *c, bool *ret)
{
	for (size_t i = 0; i < c->n_climbed; i++)
		ret[c->climbed[i].probe] |= c->taken[i];
}

static void add_all(struct climb *c)
{
	struct rust_plan *plan = c->b->plan;
	bool *lost = calloc(plan->n_types + 1, sizeof(*lost)),
	     *open = calloc(plan->n_probes + 1, sizeof(*open));
	size_t end;

	if (!lost || !open)
		c->rc = -ENOMEM;
	else
		mark_open(c, open);
	if (c->n_chains > 1)
		qsort(c->chain, c->n_chains, sizeof(*c->chain), by_probe);
	for (size_t i = 0; c->rc == 0 && i < c->n_chains; i = end) {
		uint32_t type = plan->probes[c->chain[i].probe].type;
		const char *place = NULL, *before = plan->types[type].spawned;

		for (end = i + 1; end < c->n_chains && c->chain[end].probe == c->chain[i].probe;)
			end++;
		if (!open[c->chain[i].probe] && is_sound(c, i, end))
			place = add_probe(c, i, end);
		if (!place || (before && strcmp(before, place) != 0))
			lost[type] = true;
		plan->types[type].spawned = place;
	}
	for (uint32_t i = 0; lost && i < plan->n_types; i++)
		if (lost[i])
			plan->types[i].spawned = NULL;
	free(lost);
	free(open);
}

void spawn_results_add(struct climb *c)
{
	find_taken(c);
	if (c->rc == 0)
		add_all(c);
	free(c->taken);
}
