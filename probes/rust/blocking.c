// SPDX-License-Identifier: MIT
/*
 * By the type's schedule function, which depends on the scheduler only, by name or by the sources that its panics
 * name. Tokio's BlockingSchedule never schedules: the function is nothing but a panic. async-task: that of the crate
 * `blocking` puts the job in its pool's queue.
 */
#include "probes/rust/blocking.h"

#include <string.h>

#include "probes/rust/async_task.h"
#include "probes/rust/location.h"
#include "probes/rust/tokio.h"

#define TOKIO_DEPTH 1 /* of calls: its schedule slot hands on at once */
#define ASYNC_DEPTH 3
#define MAX_REACHED 16
#define MAX_INSNS   512

/* v0 names the crate a second time by where it stood in the name: 8blockingNtB2_8Executor */
static bool names_executor(const char *name)
{
	const char *at = strstr(name, "8blockingNtB");

	at = at ? strchr(at + 12, '_') : NULL;
	return strstr(name, "8blocking8Executor") || (at && !strncmp(at, "_8Executor", 10));
}

bool rust_blocking_names_pool(const char *name)
{
	return strstr(name, "16BlockingSchedule") || strstr(name, "BlockingSchedule$u20$") ||
	       names_executor(name);
}

static bool is_pool(struct rust_builder *b, uint64_t function)
{
	const struct rust_code *code;
	struct rust_location at;
	uint64_t start;
	const char *name = symbol_table_find(b->image->symbols, function, &start);

	if (name && rust_blocking_names_pool(name))
		return true;
	code = rust_decoder_at(b->decoder, function);
	for (size_t i = 0; code && i < code->n && i < MAX_INSNS; i++)
		if (code->insn[i].op == RUST_OP_LEA && code->insn[i].target &&
		    rust_location_at(b->image, code->insn[i].target, &at) &&
		    (rust_location_has(&at, "runtime/blocking/schedule.rs") ||
		     rust_location_has(&at, "/blocking-")))
			return true;
	return false;
}

static bool reaches_pool(struct rust_builder *b, uint64_t schedule, unsigned depth)
{
	uint64_t reached[MAX_REACHED];
	size_t n;

	if (!b->graph && rust_graph_new(b->image, &b->graph) < 0)
		return is_pool(b, schedule);
	n = rust_graph_reach(b->graph, schedule, depth, reached, MAX_REACHED);
	for (size_t i = 0; i < n; i++)
		if (is_pool(b, reached[i]))
			return true;
	return false;
}

static uint64_t callee_of(const struct rust_builder *b, const struct rust_insn *insn)
{
	uint64_t to = 0;

	if (insn->op == RUST_OP_CALL)
		return rust_code_target(b->image, insn);
	if (insn->op == RUST_OP_LOAD && insn->target &&
	    !rust_image_code_pointer(b->image, insn->target, &to))
		return 0;
	return to;
}

/* Without optimisation, addresses of functions are loaded before they are called, where the graph does not see it. By names alone. */
static bool leads_to_pool(struct rust_builder *b, uint64_t function, unsigned depth)
{
	const struct rust_code *code = rust_decoder_at(b->decoder, function);
	uint64_t callee[MAX_REACHED], start;
	size_t n = 0;

	for (size_t i = 0; code && code->low == function && i < code->n && n < MAX_REACHED; i++) {
		uint64_t to = callee_of(b, &code->insn[i]);
		const char *name = to ? symbol_table_find(b->image->symbols, to, &start) : NULL;

		if (name && start == to && rust_blocking_names_pool(name))
			return true;
		if (name && start == to && to != function)
			callee[n++] = to;
	}
	for (size_t i = 0; depth > 1 && i < n; i++)
		if (leads_to_pool(b, callee[i], depth - 1))
			return true;
	return false;
}

/* There are a handful of different ones in a file. */
struct schedules {
	size_t n;
	struct {
		uint64_t address;
		bool blocking;
	} at[64];
};

static bool look_up(struct rust_builder *b, struct schedules *known, uint64_t schedule,
		    unsigned depth)
{
	bool blocking;

	for (size_t i = 0; i < known->n; i++)
		if (known->at[i].address == schedule)
			return known->at[i].blocking;
	blocking = reaches_pool(b, schedule, depth) ||
		   (depth == ASYNC_DEPTH && leads_to_pool(b, schedule, 2));
	if (known->n < sizeof(known->at) / sizeof(known->at[0])) {
		known->at[known->n].address = schedule;
		known->at[known->n++].blocking = blocking;
	}
	return blocking;
}

void rust_blocking_mark(struct rust_builder *b)
{
	struct schedules known = { 0 };

	for (uint32_t i = 0; i < b->plan->n_types && b->rc == 0; i++) {
		struct rust_type *type = &b->plan->types[i];
		bool tokio = type->family == RUST_TOKIO;
		unsigned slot = tokio ? RUST_TOKIO_SCHEDULE : RUST_ASYNC_SCHEDULE;
		uint64_t schedule;

		if (rust_image_code_pointer(b->image, type->vtable + 8ull * slot, &schedule))
			type->blocking =
				look_up(b, &known, schedule, tokio ? TOKIO_DEPTH : ASYNC_DEPTH);
	}
}
