// SPDX-License-Identifier: MIT
/*
 * RawTask::poll is called by a few small functions, which have next to nothing behind the call, and nothing that the
 * kernel emulates: the end of the poll is then behind the call of those, and so on up. A loop that polls at two places
 * goes on at one, so of two ends that follow each other only the last one stays.
 */
#include "probes/rust/unoptimised.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/named.h"
#include "probes/rust/polls.h"
#include "probes/rust/scan.h"

#define MAX_DEPTH  4
#define MAX_ENDS   64
#define MAX_WAY    64 /* instructions behind a call */
#define MAX_LOADED 12 /* from where a function's address is loaded to where it is called */

/* ---- calls ---- */

struct calls {
	struct rust_builder *b;
	const struct rust_targets *targets;
	rust_unoptimised_call_fn fn;
	void *ctx;
	bool taken; /* the address of a target goes elsewhere than into a call */
};

/* `mov SLOT, R` at index `i`: where R is called. SIZE_MAX: not soon. */
static size_t called_at(const struct rust_code *code, size_t i)
{
	uint8_t reg = code->insn[i].reg;

	for (size_t n = i + 1; n < code->n && n < i + MAX_LOADED && reg < 16; n++) {
		const struct rust_insn *insn = &code->insn[n];

		if (insn->op == RUST_OP_CALL)
			return !insn->memory && insn->reg == reg ? n : SIZE_MAX;
		if (insn->writes >> reg & 1)
			return SIZE_MAX;
	}
	return SIZE_MAX;
}

static int on_reference(void *ctx, uint64_t at, uint32_t value)
{
	struct calls *c = ctx;
	const struct rust_code *code = rust_decoder_at(c->b->decoder, at);
	size_t i = code ? rust_code_index(code, at, true) : SIZE_MAX;
	const struct rust_insn *insn = i == SIZE_MAX ? NULL : &code->insn[i];
	uint32_t unused;

	if (!insn)
		return 0;
	if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP)
		return rust_targets_find(c->targets, rust_code_target(c->b->image, insn), &unused)
			       ? c->fn(c->ctx, code, i, value)
			       : 0;
	if (!insn->target || !rust_targets_find(c->targets, insn->target, &unused))
		return 0;
	i = insn->op == RUST_OP_LOAD ? called_at(code, i) : SIZE_MAX;
	if (i != SIZE_MAX)
		return c->fn(c->ctx, code, i, value);
	c->taken = true;
	return 0;
}

int rust_unoptimised_calls(struct rust_builder *b, struct rust_targets *targets,
			   rust_unoptimised_call_fn fn, void *ctx)
{
	struct calls c = { b, targets, fn, ctx, false };
	int rc = rust_targets_add_slots(targets, b->image);

	if (rc == 0)
		rc = rust_scan(b->image, targets, on_reference, &c);
	return rc ? rc : c.taken;
}

/* ---- polls ---- */

struct ends {
	struct rust_builder *b;
	struct rust_targets *up; /* functions whose calls are the next to be looked at */
	bool any_up, failed;
	size_t n;
	struct end {
		uint64_t address;
		uint8_t poller;
		bool doubled;
	} end[MAX_ENDS];
};

/* The first instruction from `i` on that may be probed, calls passed; SIZE_MAX: none before the function returns. */
static size_t place_behind(const struct rust_code *code, size_t i, bool *ret_returns)
{
	*ret_returns = false;
	for (unsigned n = 0; i < code->n && n < MAX_WAY; n++, i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->final)
			return SIZE_MAX;
		if (insn->emulated)
			return i;
		if (insn->op == RUST_OP_END || insn->op == RUST_OP_JUMP) {
			*ret_returns = insn->op == RUST_OP_END && !insn->refused;
			return SIZE_MAX;
		}
	}
	return SIZE_MAX;
}

void rust_unoptimised_behind(struct rust_builder *b, const struct rust_code *code, size_t call,
			     struct rust_probe probe)
{
	bool returns;
	size_t place = place_behind(code, call + 1, &returns);

	if (place == SIZE_MAX)
		return;
	probe.address = code->insn[place].address;
	probe.emulated = true;
	rust_builder_probe(b, &probe);
}

/* Does each call of the function lead to its call at index `i`? */
static bool always_calls(const struct rust_code *code, size_t i)
{
	for (size_t at = 0; at < i; at++)
		if (code->insn[at].op == RUST_OP_BRANCH || code->insn[at].op == RUST_OP_JUMP ||
		    code->insn[at].op == RUST_OP_END)
			return false;
	return true;
}

static uint8_t poller_at(struct rust_builder *b, const struct rust_code *code, uint32_t inner)
{
	uint8_t poller = rust_polls_poller(b, code);

	return poller == RUST_BY_OTHER && inner ? (uint8_t)inner : poller;
}

static int add_end(struct ends *e, uint64_t address, uint8_t poller)
{
	if (e->n == MAX_ENDS)
		e->failed = true;
	else
		e->end[e->n++] = (struct end){ address, poller, false };
	return 0;
}

/* value: the poller as far as those below tell, 0 = they don't. */
static int on_call(void *ctx, const struct rust_code *code, size_t i, uint32_t value)
{
	struct ends *e = ctx;
	bool returns = false;
	uint8_t poller = poller_at(e->b, code, value);
	size_t place = code->insn[i].op == RUST_OP_JUMP ? SIZE_MAX
							: place_behind(code, i + 1, &returns);

	if (place != SIZE_MAX)
		return add_end(e, code->insn[place].address, poller);
	if (!returns || !always_calls(code, i)) {
		e->failed = true;
		return 0;
	}
	e->any_up = true;
	return rust_targets_add(e->up, code->low, poller == RUST_BY_OTHER ? 0 : poller);
}

/* Leads the straight way on from one end to another? */
static bool meets_other(struct ends *e, const struct end *from)
{
	const struct rust_code *code = rust_decoder_at(e->b->decoder, from->address);
	size_t i = code ? rust_code_index(code, from->address, false) : SIZE_MAX;

	for (unsigned n = 0; code && i < code->n && n < MAX_WAY; n++) {
		const struct rust_insn *insn = &code->insn[i];

		for (size_t k = 0; n > 0 && k < e->n; k++)
			if (e->end[k].address == insn->address && &e->end[k] != from &&
			    !e->end[k].doubled)
				return true;
		if (insn->final || insn->op == RUST_OP_BRANCH || insn->op == RUST_OP_END ||
		    (insn->op == RUST_OP_JUMP && (insn->memory || !insn->target)))
			return false;
		i = insn->op == RUST_OP_JUMP ? rust_code_index(code, insn->target, false) : i + 1;
	}
	return false;
}

static void add_ends(struct ends *e)
{
	for (size_t i = 0; i < e->n; i++)
		e->end[i].doubled = meets_other(e, &e->end[i]);
	for (size_t i = 0; i < e->n; i++) {
		struct rust_probe probe = { .address = e->end[i].address,
					    .kind = RUST_POLL_END,
					    .family = RUST_TOKIO,
					    .reg = RUST_NO_REG,
					    .poller = e->end[i].poller,
					    .emulated = true,
					    .type = UINT32_MAX };

		if (!e->end[i].doubled)
			rust_builder_probe(e->b, &probe);
	}
}

/* The functions of that name. */
static int find_named(struct rust_builder *b, const char *within, const char *last,
		      struct rust_targets *ret)
{
	const char *name;
	uint64_t address;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (name = symbol_table_at(b->image->symbols, i, &address)); i++)
		if (rust_named_is(name, "5tokio", within, last))
			rc = rust_targets_add(ret, address, 0);
	return rc;
}

static bool is_begin_of_tasks(const struct rust_builder *b, const struct rust_targets *jobs,
			      const struct rust_probe *at)
{
	uint64_t low, high;
	uint32_t unused;

	return at->kind == RUST_POLL_BEGIN && at->family == RUST_TOKIO &&
	       rust_image_function(b->image, at->address, &low, &high) &&
	       !rust_targets_find(jobs, low, &unused);
}

/* Is each async task's poll function one that may be probed? */
static int begins_stand(struct rust_builder *b, const struct rust_targets *jobs)
{
	for (uint32_t i = 0; i < b->plan->n_probes; i++)
		if (!b->plan->probes[i].emulated && is_begin_of_tasks(b, jobs, &b->plan->probes[i]))
			return 0;
	return 1;
}

static void drop_begins(struct rust_builder *b, const struct rust_targets *jobs)
{
	struct rust_plan *plan = b->plan;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (!is_begin_of_tasks(b, jobs, &plan->probes[i]))
			plan->probes[kept++] = plan->probes[i];
	plan->n_probes = kept;
}

/* Where a task becomes a running one, whatever its type; the state, which it gets, is what a header begins with. 1: found. */
static int begin_anywhere(struct rust_builder *b, const struct rust_targets *jobs)
{
	struct rust_probe probe = { .kind = RUST_POLL_BEGIN,
				    .family = RUST_TOKIO,
				    .reg = RUST_RDI,
				    .poller = RUST_BY_OTHER,
				    .type = UINT32_MAX };
	const char *name;
	uint64_t address;
	uint32_t before;

	drop_begins(b, jobs);
	before = b->plan->n_probes;
	for (size_t i = 0; (name = symbol_table_at(b->image->symbols, i, &address)); i++)
		if (rust_named_is(name, "5tokio", "5State", "21transition_to_running"))
			rust_builder_entry(b, address, probe);
	if (b->plan->n_probes == before + 1 && b->plan->probes[before].emulated)
		return 1;
	b->plan->n_probes = before;
	return 0;
}

/* 1: there are begins for all tasks; 0: not, < 0: no memory. */
static int settle_begins(struct rust_builder *b)
{
	struct rust_targets *jobs = NULL;
	int rc = rust_targets_new(&jobs);

	for (uint32_t i = 0; rc == 0 && i < b->plan->n_types; i++)
		if (b->plan->types[i].blocking)
			rc = rust_targets_add(jobs, b->plan->types[i].poll, 0);
	if (rc == 0)
		rc = begins_stand(b, jobs);
	if (rc == 0)
		rc = begin_anywhere(b, jobs);
	rust_targets_free(jobs);
	return rc;
}

/* From the polls upwards until each end has a place. A function whose address is taken may be called where nothing tells. */
static int climb(struct ends *e)
{
	struct rust_targets *targets = NULL;
	int rc = rust_targets_new(&targets);

	if (rc == 0)
		rc = find_named(e->b, "7RawTask", "4poll", targets);
	e->any_up = rc == 0;
	for (int depth = 0; rc == 0 && e->any_up && !e->failed && depth < MAX_DEPTH; depth++) {
		e->any_up = false;
		rc = rust_targets_new(&e->up);
		if (rc == 0)
			rc = rust_unoptimised_calls(e->b, targets, on_call, e);
		e->failed |= rc > 0;
		rc = rc > 0 ? 0 : rc;
		rust_targets_free(targets);
		targets = e->up;
	}
	rust_targets_free(targets);
	e->failed |= e->any_up;
	return rc;
}

/* The tasks' begins have places, those of some jobs may have none. */
static void judge_jobs(struct rust_builder *b)
{
	for (uint32_t i = 0; i < b->plan->n_probes; i++) {
		const struct rust_probe *at = &b->plan->probes[i];

		if (at->kind != RUST_POLL_BEGIN || at->family != RUST_TOKIO || at->emulated)
			continue;
		rust_builder_gap(
			b, "some jobs of the blocking pool",
			"built without optimisation: their functions have no place for a probe");
		return;
	}
}

void rust_unoptimised_polls(struct rust_builder *b)
{
	struct ends e = { .b = b };
	int rc = climb(&e);

	if (rc == 0 && !e.failed && e.n > 0)
		rc = settle_begins(b);
	if (rc > 0) {
		add_ends(&e);
		judge_jobs(b);
	}
	b->unoptimised = rc > 0;
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
}

/* ---- ends of tasks ---- */

static int on_complete(void *ctx, const struct rust_code *code, size_t i, uint32_t value)
{
	struct rust_builder *b = ctx;
	struct rust_probe probe = {
		.kind = RUST_COMPLETE, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};

	(void)value;
	rust_builder_place(b, code, i, probe);
	return b->rc;
}

/* The first thing that is done to complete a task: both bits of its state are turned over. The word is what a header begins with. */
static bool add_transition(struct rust_builder *b, uint64_t function)
{
	const struct rust_code *code = rust_decoder_at(b->decoder, function);

	for (size_t i = 0; code && code->low == function && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];
		uint64_t start, to = insn->op == RUST_OP_CALL && insn->emulated
					     ? rust_code_target(b->image, insn)
					     : 0;
		const char *name = to ? symbol_table_find(b->image->symbols, to, &start) : NULL;

		if (insn->op == RUST_OP_BRANCH || insn->op == RUST_OP_END)
			return false;
		if (name && start == to &&
		    rust_named_is(name, "4core", "AtomicUsize", "9fetch_xor"))
			return on_complete(b, code, i, 0) == 0;
	}
	return false;
}

static bool add_transitions(struct rust_builder *b)
{
	const char *name;
	uint64_t address;

	for (size_t i = 0; (name = symbol_table_at(b->image->symbols, i, &address)); i++)
		if (rust_named_is(name, "5tokio", "5State", "22transition_to_complete"))
			return add_transition(b, address);
	return false;
}

void rust_unoptimised_completions(struct rust_builder *b)
{
	struct rust_targets *targets = NULL;
	int rc = b->unoptimised && !add_transitions(b) ? rust_targets_new(&targets) : 1;

	if (rc == 0)
		rc = find_named(b, "Harness", "8complete", targets);
	if (rc == 0)
		rc = rust_unoptimised_calls(b, targets, on_complete, b);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(targets);
}

/* ---- spawns ---- */

struct spawns {
	struct rust_builder *b;
	uint32_t n;  /* probes that there were */
	bool *moved; /* of those */
};

static int on_spawn(void *ctx, const struct rust_code *code, size_t i, uint32_t value)
{
	struct spawns *s = ctx;
	struct rust_probe probe = s->b->plan->probes[value];
	struct rust_place place;

	if (!rust_code_move_any(code, i, &place) || !place.emulated)
		return 0;
	probe.reference = code->insn[i].address;
	probe.address = place.address;
	probe.emulated = true;
	rust_builder_probe(s->b, &probe);
	s->moved[value] = true;
	return s->b->rc;
}

static int move_spawns(struct spawns *s)
{
	struct rust_targets *targets = NULL;
	uint64_t low, high;
	int rc = rust_targets_new(&targets);

	for (uint32_t i = 0; rc == 0 && i < s->n; i++) {
		const struct rust_probe *at = &s->b->plan->probes[i];

		if (at->kind == RUST_SPAWN && at->family == RUST_TOKIO && !at->emulated &&
		    rust_image_function(s->b->image, at->reference, &low, &high))
			rc = rust_targets_add(targets, low, i);
	}
	if (rc == 0)
		rc = rust_unoptimised_calls(s->b, targets, on_spawn, s);
	rust_targets_free(targets);
	return rc;
}

void rust_unoptimised_spawns(struct rust_builder *b)
{
	struct rust_plan *plan = b->plan;
	struct spawns s = { .b = b, .n = plan->n_probes };
	uint32_t kept = 0;
	int rc;

	if (!b->unoptimised || !s.n)
		return;
	s.moved = calloc(s.n, sizeof(*s.moved));
	rc = s.moved ? move_spawns(&s) : -ENOMEM;
	for (uint32_t i = 0; s.moved && i < plan->n_probes; i++)
		if (i >= s.n || !s.moved[i])
			plan->probes[kept++] = plan->probes[i];
	if (s.moved)
		plan->n_probes = kept;
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	free(s.moved);
}

/* ---- wakes ---- */

/* The state, which these get, is what a header begins with. */
void rust_unoptimised_wakes(struct rust_builder *b)
{
	static const char *const transitions[] = { "29transition_to_notified_by_val",
						   "29transition_to_notified_by_ref" };
	struct rust_probe probe = {
		.kind = RUST_WAKE, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};
	const char *name;
	uint64_t address;

	for (size_t i = 0; (name = symbol_table_at(b->image->symbols, i, &address)); i++)
		for (size_t k = 0; k < sizeof(transitions) / sizeof(transitions[0]); k++)
			if (rust_named_is(name, "5tokio", "5State", transitions[k]))
				rust_builder_entry(b, address, probe);
}
