// SPDX-License-Identifier: MIT
/*
 * A chain begins where a type's vtable is loaded and climbs by calls. One caller: the chain goes there. Several: one chain
 * for each, told apart at run time by the return address of the function that they have in common. It ends at the
 * check of tokio::spawn (checks.h), or, where the check got its place as an argument, at the caller that hands it over.
 */
#include "probes/rust/spawn_places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/location.h"
#include "probes/rust/spawn_chains.h"

#define MAX_CHAINS 65536u
#define MAX_LEVELS 12

/* Of the function around an instruction, which the decoder is at. NULL = no memory. */
static struct rust_flow *flow_of(struct climb *c, const struct rust_code *code)
{
	if (c->flow && c->flow_of == code->low)
		return c->flow;
	c->flow = rust_flow_free(c->flow);
	c->flow_of = code->low;
	if (rust_flow_new(&c->callees, code, &c->flow) < 0)
		c->rc = -ENOMEM;
	return c->flow;
}

static bool room(struct climb *c, void *list, size_t n, size_t *have, size_t size)
{
	size_t wanted = *have ? *have * 2 : 256;
	void *at, *grown;

	if (c->rc < 0)
		return false;
	if (n < *have)
		return true;
	memcpy(&at, list, sizeof(at));
	grown = reallocarray(at, wanted, size);
	if (!grown) {
		c->rc = -ENOMEM;
		return false;
	}
	memcpy(list, &grown, sizeof(grown));
	*have = wanted;
	return true;
}

#define ROOM(c, list, count) \
	room(c, &(c)->list, (c)->n_##count, &(c)->room_##count, sizeof(*(c)->list))

static void add_chain(struct climb *c, const struct chain *chain)
{
	struct chain copy = *chain;

	if (c->n_chains == MAX_CHAINS)
		c->rc = c->rc < 0 ? c->rc : -E2BIG;
	if (ROOM(c, chain, chains))
		c->chain[c->n_chains++] = copy;
}

static void add_point(struct climb *c, uint64_t address)
{
	if (ROOM(c, point, points))
		c->point[c->n_points++] = address;
}

/* ---- where chains begin ---- */

void spawn_begin(struct climb *c, uint32_t probe)
{
	const struct rust_image *image = c->b->image;
	const struct rust_probe *at = &c->b->plan->probes[probe];
	struct chain chain = { .probe = probe, .point = at->reference };
	uint64_t high;

	if (!rust_image_function(image, at->reference, &chain.function, &high))
		return;
	rust_frame_at(image, at->address, &chain.frame);
	add_chain(c, &chain);
	add_point(c, at->reference);
}

static void begin_all(struct climb *c)
{
	const struct rust_plan *plan = c->b->plan;

	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == RUST_SPAWN &&
		    !plan->types[plan->probes[i].type].blocking)
			spawn_begin(c, i);
}

/* ---- calls ---- */

static int by_function(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->reg < y->reg ? -1 : x->reg > y->reg;
}

static bool is_together(const struct chain *a, const struct chain *b)
{
	return a->state == b->state && a->function == b->function && a->reg == b->reg;
}

/* Of a call that is in a function which is looked at more closely. False = there is none. */
static bool look_at_call(struct climb *c, const struct chain *called, struct site *site)
{
	const struct rust_code *code = rust_decoder_at(c->b->decoder, site->address);
	size_t i = code ? rust_code_index(code, site->address, false) : SIZE_MAX;

	if (i == SIZE_MAX || (code->insn[i].op != RUST_OP_CALL && code->insn[i].op != RUST_OP_JUMP))
		return false;
	site->function = code->low;
	if (called->state == HANDED && flow_of(c, code))
		site->value = rust_value_at(c->flow, i, called->reg);
	return true;
}

/* The byte search takes what is no instruction for a call now and then. */
static int on_call(void *ctx, const struct rust_call *call)
{
	struct climb *c = ctx;
	const struct chain *called = &c->chain[call->value];
	bool closely = called->state == HANDED ||
		       (c->checks && rust_checks_in(c->checks, call->address));
	struct site site = { .address = call->address,
			     .next = call->next,
			     .called = call->value,
			     .jump = call->jump };

	if (closely ? !look_at_call(c, called, &site)
		    : !rust_decoder_leaves(c->b->decoder, site.address, &site.function))
		return 0;
	if (site.function != called->function && ROOM(c, site, sites))
		c->site[c->n_sites++] = site;
	return c->rc;
}

static int by_called(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->called != y->called)
		return x->called < y->called ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* The calls of all functions that chains of this state are at. The chains are in order of function then. */
static void find_sites(struct climb *c, enum chain_state state)
{
	struct rust_targets *functions = NULL;
	int rc = rust_targets_new(&functions);

	c->n_sites = 0;
	if (c->n_chains > 1)
		qsort(c->chain, c->n_chains, sizeof(*c->chain), by_function);
	for (size_t i = 0; rc == 0 && i < c->n_chains; i++)
		if (c->chain[i].state == state &&
		    (i == 0 || !is_together(&c->chain[i - 1], &c->chain[i])))
			rc = rust_targets_add(functions, c->chain[i].function, (uint32_t)i);
	if (rc == 0)
		rc = rust_builder_calls(c->b, functions, on_call, c);
	if (rc < 0 && c->rc == 0)
		c->rc = rc;
	rust_targets_free(functions);
	c->flow = rust_flow_free(c->flow);
	if (c->n_sites > 1)
		qsort(c->site, c->n_sites, sizeof(*c->site), by_called);
}

/* ---- climbing ---- */

static bool is_place(const struct climb *c, const struct rust_value *value)
{
	struct rust_location location;

	return value->kind == RUST_VALUE_ADDRESS &&
	       rust_location_at(c->b->image, value->address, &location) &&
	       !rust_location_is_runtime(&location);
}

static void settle(const struct climb *c, struct chain *chain, const struct rust_value *value)
{
	if (is_place(c, value)) {
		chain->state = PLACED;
		chain->place = value->address;
	} else if (value->kind == RUST_VALUE_ARGUMENT) {
		chain->state = HANDED;
		chain->reg = value->reg;
	} else {
		chain->state = FAILED;
	}
}

static struct chain go_up(const struct climb *c, const struct chain *from, const struct site *site,
			  bool fork)
{
	struct chain up = *from;

	if (fork && !up.forked) {
		up.forked = true;
		up.caller = site->jump ? SPAWN_NO_CALLER : site->next;
	} else if (!up.forked && !site->jump) {
		rust_frame_up(c->b->image, site->next, &up.frame);
	}
	up.function = site->function;
	up.point = site->address;
	if (from->state == HANDED)
		settle(c, &up, &site->value);
	return up;
}

static void climb_from(struct climb *c, size_t at, const struct site *sites, size_t n)
{
	const struct chain from = c->chain[at];

	if (ROOM(c, climbed, climbed))
		c->climbed[c->n_climbed++] = (struct climbed){ from.function, from.probe };
	if (n == 0)
		c->chain[at].state = FAILED;
	for (size_t i = 0; i < n; i++) {
		struct chain up = go_up(c, &from, &sites[i], n > 1);

		if (i == 0)
			c->chain[at] = up;
		else
			add_chain(c, &up);
	}
}

/* One level up for all chains of that state. */
bool spawn_climb(struct climb *c, enum chain_state state)
{
	size_t n = c->n_chains, site = 0, end;
	bool any = false;

	find_sites(c, state);
	for (size_t i = 0; i < n && c->rc == 0; i = end) {
		size_t first;

		for (end = i + 1; end < n && is_together(&c->chain[i], &c->chain[end]);)
			end++;
		if (c->chain[i].state != state)
			continue;
		any = true;
		while (site < c->n_sites && c->site[site].called < i)
			site++;
		for (first = site; site < c->n_sites && c->site[site].called == i;)
			site++;
		for (size_t k = i; k < end; k++)
			climb_from(c, k, c->site + first, site - first);
	}
	return any && c->rc == 0;
}

/* ---- checks ---- */

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t first_point(const struct climb *c, uint64_t address)
{
	size_t low = 0, high = c->n_points;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->point[mid] < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* All chains at one function: [from, to). */
static void check_function(struct climb *c, size_t from, size_t to)
{
	size_t first = first_point(c, c->chain[from].function), n = 0;
	struct rust_value *value;
	uint64_t low, high;

	if (!rust_image_function(c->b->image, c->chain[from].function, &low, &high))
		return;
	while (first + n < c->n_points && c->point[first + n] < high)
		n++;
	value = calloc(n + 1, sizeof(*value));
	if (!value) {
		c->rc = -ENOMEM;
		return;
	}
	c->rc = rust_checks_before(c->checks, c->point + first, n, value);
	for (size_t i = from; i < to; i++) {
		size_t k = first_point(c, c->chain[i].point) - first;

		if (k < n && c->point[first + k] == c->chain[i].point)
			settle(c, &c->chain[i], &value[k]);
		else
			c->chain[i].state = FAILED;
	}
	free(value);
}

static void check_all(struct climb *c)
{
	size_t end;

	if (c->n_points > 1)
		qsort(c->point, c->n_points, sizeof(*c->point), by_address);
	if (c->n_chains > 1)
		qsort(c->chain, c->n_chains, sizeof(*c->chain), by_function);
	for (size_t i = 0; i < c->n_chains && c->rc == 0; i = end) {
		for (end = i + 1; end < c->n_chains && is_together(&c->chain[i], &c->chain[end]);)
			end++;
		if (c->chain[i].state == CHECKED)
			check_function(c, i, end);
	}
}

/* Up to a function that checks; what is still without one then has none. */
static void climb_to_checks(struct climb *c)
{
	for (unsigned level = 0; c->checks && level < MAX_LEVELS && c->rc == 0; level++) {
		for (size_t i = 0; i < c->n_chains; i++)
			if (c->chain[i].state == CLIMBS &&
			    rust_checks_in(c->checks, c->chain[i].function))
				c->chain[i].state = CHECKED;
		if (!spawn_climb(c, CLIMBS))
			break;
		for (size_t i = 0; i < c->n_sites; i++)
			add_point(c, c->site[i].address);
	}
	for (size_t i = 0; i < c->n_chains; i++)
		if (c->chain[i].state == CLIMBS)
			c->chain[i].state = FAILED;
}

static void climb_to_places(struct climb *c)
{
	for (unsigned level = 0; level < MAX_LEVELS && spawn_climb(c, HANDED); level++)
		;
	for (size_t i = 0; i < c->n_chains; i++)
		if (c->chain[i].state == HANDED)
			c->chain[i].state = FAILED;
}

static void done(struct climb *c)
{
	rust_checks_free(c->checks);
	rust_callees_done(&c->callees);
	free(c->chain);
	free(c->site);
	free(c->climbed);
	free(c->point);
}

void rust_spawn_places_add(struct rust_builder *b)
{
	struct climb c = { .b = b };

	c.rc = rust_callees_init(&c.callees, b->image, b->decoder);
	if (c.rc == 0)
		c.rc = rust_checks_new(b, &c.callees, &c.checks);
	if (c.rc == -ENOENT) /* not Tokio, or one that aborts at once */
		c.rc = 0;
	if (c.rc == 0)
		begin_all(&c);
	if (c.rc == 0)
		climb_to_checks(&c);
	if (c.rc == 0)
		check_all(&c);
	if (c.rc == 0)
		climb_to_places(&c);
	if (c.rc == 0)
		spawn_lines_add(&c);
	if (c.rc == 0)
		spawn_results_add(&c);
	if (c.rc == -ENOMEM && b->rc == 0)
		b->rc = c.rc;
	done(&c);
}
