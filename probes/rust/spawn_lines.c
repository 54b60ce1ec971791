// SPDX-License-Identifier: MIT
/*
 * Places by what the build tells of its lines: of a call, or of code of the runtime's that was built into another function, the
 * innermost function that is not the runtime's. Where there are no lines, the name of the function.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/location.h"
#include "probes/rust/spawn_chains.h"
#include "probes/symbols/debug_info.h"
#include "probes/symbols/demangle.h"

#define MAX_LEVELS  12
#define MAX_INLINED 64
#define MAX_DEBUG   (256u << 20) /* bytes of DWARF that are looked at */
#define MAX_NAME    1024

enum sight { NOTHING, RUNTIME, PROGRAM };

/* As a Location has it: relative to where the compiler ran. */
static const char *below(const char *file, const char *dir)
{
	size_t n = dir ? strlen(dir) : 0;

	return n && strncmp(file, dir, n) == 0 && file[n] == '/' ? file + n + 1 : file;
}

/* `called`: the instruction is a call, whose line is sure; others count only when something of the runtime's was inlined there. */
static enum sight by_lines(struct climb *c, const struct chain *chain, bool called, char *ret,
			   size_t size)
{
	struct debug_frame frame[MAX_INLINED];
	size_t n = debug_info_find(c->lines, chain->point, frame, MAX_INLINED);

	for (size_t i = 0; i < n; i++) {
		if (!frame[i].file || frame[i].line <= 0)
			return NOTHING;
		if (rust_path_is_runtime(frame[i].file, strlen(frame[i].file)))
			continue;
		if (i == 0 && !called)
			return NOTHING;
		snprintf(ret, size, "%s:%d", below(frame[i].file, frame[i].dir), frame[i].line);
		return PROGRAM;
	}
	return n ? RUNTIME : NOTHING;
}

static bool is_runtime_name(const char *name)
{
	static const char *const crates[] = { "tokio::",
					      "async_task::",
					      "async_executor::",
					      "async_std::",
					      "async_global_executor::",
					      "smol::",
					      "blocking::",
					      "async_io::",
					      "core::",
					      "std::",
					      "alloc::",
					      "futures_lite::" };

	name += strspn(name, "<&*");
	for (size_t i = 0; i < sizeof(crates) / sizeof(crates[0]); i++)
		if (strncmp(name, crates[i], strlen(crates[i])) == 0)
			return true;
	return false;
}

/* Functions that were merged have several names: then none is sure. */
static enum sight by_name(struct climb *c, const struct chain *chain, char *ret, size_t size)
{
	const struct symbol_table *symbols = c->b->image->symbols;
	size_t i = symbol_table_from(symbols, chain->function);
	uint64_t address, next;
	const char *name = symbol_table_at(symbols, i, &address),
		   *other = symbol_table_at(symbols, i + 1, &next);
	char text[MAX_NAME];

	if (!name || address != chain->function || (other && next == address) ||
	    !demangle(name, text, sizeof(text)))
		return NOTHING;
	if (is_runtime_name(text))
		return RUNTIME;
	snprintf(ret, size, "fn %s", text);
	return PROGRAM;
}

static void look_at(struct climb *c, struct chain *chain)
{
	uint64_t low;
	bool called = rust_decoder_leaves(c->b->decoder, chain->point, &low);
	char text[MAX_NAME + 4];
	enum sight sight = c->lines ? by_lines(c, chain, called, text, sizeof(text))
				    : by_name(c, chain, text, sizeof(text));

	if (sight == NOTHING)
		chain->state = FAILED;
	if (sight != PROGRAM)
		return;
	chain->text = rust_builder_text(c->b, text, strlen(text));
	chain->state = chain->text ? PLACED : FAILED;
}

/* Chains of probes that some way has failed of begin anew. How far they got before says nothing of how far they will have to go. */
static bool begin_again(struct climb *c)
{
	const struct rust_plan *plan = c->b->plan;
	bool *failed = calloc(plan->n_probes + 1, sizeof(*failed));
	size_t kept = 0;
	bool any = false;

	if (!failed) {
		c->rc = -ENOMEM;
		return false;
	}
	for (size_t i = 0; i < c->n_chains; i++)
		failed[c->chain[i].probe] |= c->chain[i].state == FAILED;
	for (size_t i = 0; i < c->n_chains; i++)
		if (!failed[c->chain[i].probe])
			c->chain[kept++] = c->chain[i];
	c->n_chains = kept;
	kept = 0;
	for (size_t i = 0; i < c->n_climbed; i++)
		if (!failed[c->climbed[i].probe])
			c->climbed[kept++] = c->climbed[i];
	c->n_climbed = kept;
	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (failed[i])
			spawn_begin(c, i);
	for (uint32_t i = 0; i < plan->n_probes; i++)
		any |= failed[i];
	free(failed);
	return any;
}

void spawn_lines_add(struct climb *c)
{
	const struct rust_image *image = c->b->image;

	if ((!image->has_lines && !image->has_symbols) || !begin_again(c))
		return;
	if (image->has_lines && debug_info_new(image->elf, MAX_DEBUG, &c->lines) < 0)
		c->lines = NULL;
	for (unsigned level = 0; level < MAX_LEVELS && c->rc == 0; level++) {
		for (size_t i = 0; i < c->n_chains; i++)
			if (c->chain[i].state == CLIMBS)
				look_at(c, &c->chain[i]);
		if (!spawn_climb(c, CLIMBS))
			break;
	}
	for (size_t i = 0; i < c->n_chains; i++)
		if (c->chain[i].state == CLIMBS)
			c->chain[i].state = FAILED;
	c->lines = debug_info_free(c->lines);
}
