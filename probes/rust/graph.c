// SPDX-License-Identifier: MIT
#include "probes/rust/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EDGES (16u << 20)

struct edge {
	uint32_t at; /* of the call, from image->code */
	uint32_t to; /* index of the function that is called */
};

struct rust_graph {
	const struct rust_image *image;
	size_t n_functions, n_edges, room;
	uint32_t *function; /* starts, from image->code, ascending */
	uint32_t *first;    /* of a function's edges; n_functions + 1 of them */
	struct edge *edge;
	uint32_t *calls; /* edges by the function that is called, then by address */
	uint32_t *into;  /* first of those of a function; n_functions + 1 of them */
	uint8_t *starts; /* a bit for each byte of code that a function starts at */
};

/* FDEs may name a function twice. */
static int list_functions(struct rust_graph *g)
{
	const struct rust_image *image = g->image;
	size_t n = eh_frame_count(image->cfi);
	uint64_t low, high;

	g->function = malloc(n * sizeof(*g->function) + 1);
	g->first = malloc((n + 1) * sizeof(*g->first));
	g->starts = calloc(1, (image->code_end - image->code) / 8 + 1);
	if (!g->function || !g->first || !g->starts)
		return -ENOMEM;
	for (size_t i = 0; i < n && eh_frame_at(image->cfi, i, &low, &high); i++) {
		uint32_t at = (uint32_t)(low - image->code);

		if (!rust_image_is_code(image, low) ||
		    (g->n_functions > 0 && g->function[g->n_functions - 1] == at))
			continue;
		g->function[g->n_functions++] = at;
		g->starts[at / 8] |= (uint8_t)(1u << (at % 8));
	}
	return g->n_functions > 0 ? 0 : -ENOENT;
}

static size_t index_of(const struct rust_graph *g, uint32_t at)
{
	size_t low = 0, high = g->n_functions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (g->function[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int add_edge(struct rust_graph *g, uint32_t at, uint32_t to)
{
	if (g->n_edges == MAX_EDGES)
		return 0;
	if (g->n_edges == g->room) {
		size_t room = g->room ? g->room * 2 : 4096;
		struct edge *grown = reallocarray(g->edge, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		g->edge = grown;
		g->room = room;
	}
	g->edge[g->n_edges++] = (struct edge){ at, (uint32_t)index_of(g, to) };
	return 0;
}

/* Where the call or jump at `at` leads, as an offset from the code's beginning; UINT64_MAX = there is none. */
static uint64_t target_at(const struct rust_image *image, const uint8_t *code, uint64_t at)
{
	uint64_t to;
	int32_t distance;

	if (code[at] == 0xe8 || code[at] == 0xe9) {
		memcpy(&distance, code + at + 1, 4);
		return at + 5 + (uint64_t)(int64_t)distance;
	}
	if (code[at] != 0xff || (code[at + 1] != 0x15 && code[at + 1] != 0x25))
		return UINT64_MAX;
	memcpy(&distance, code + at + 2, 4);
	to = image->code + at + 6 + (uint64_t)(int64_t)distance;
	return rust_image_code_pointer(image, to, &to) ? to - image->code : UINT64_MAX;
}

static int list_edges(struct rust_graph *g)
{
	const struct rust_image *image = g->image;
	uint64_t bytes = image->code_end - image->code;
	const uint8_t *code = rust_image_bytes(image, image->code, bytes);
	size_t inside = 0;
	int rc = 0;

	for (uint64_t at = 0; code && at + 6 <= bytes && rc == 0; at++) {
		uint64_t to;

		while (inside < g->n_functions && g->function[inside] <= at)
			g->first[inside++] = (uint32_t)g->n_edges;
		to = target_at(image, code, at);
		if (to < bytes && inside > 0 && (g->starts[to / 8] >> (to % 8) & 1))
			rc = add_edge(g, (uint32_t)at, (uint32_t)to);
	}
	while (inside <= g->n_functions)
		g->first[inside++] = (uint32_t)g->n_edges;
	return rc;
}

/* A counting sort: `into` counts, then is where the next one goes, which ends as where the next function's begin. */
static int sort_calls(struct rust_graph *g)
{
	uint32_t sum = 0;

	g->calls = malloc(g->n_edges * sizeof(*g->calls) + 1);
	g->into = calloc(g->n_functions + 2, sizeof(*g->into));
	if (!g->calls || !g->into)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_edges; i++)
		g->into[g->edge[i].to + 1]++;
	for (size_t f = 0; f <= g->n_functions; f++) {
		uint32_t n = g->into[f + 1];

		g->into[f + 1] = sum;
		sum += n;
	}
	for (size_t i = 0; i < g->n_edges; i++)
		g->calls[g->into[g->edge[i].to + 1]++] = (uint32_t)i;
	return 0;
}

int rust_graph_new(const struct rust_image *image, struct rust_graph **ret)
{
	struct rust_graph *g;
	int rc;

	if (!image->cfi || image->code_end - image->code > UINT32_MAX)
		return -ENOENT;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->image = image;
	rc = list_functions(g);
	if (rc == 0)
		rc = list_edges(g);
	if (rc == 0)
		rc = sort_calls(g);
	if (rc < 0) {
		rust_graph_free(g);
		return rc;
	}
	*ret = g;
	return 0;
}

struct rust_graph *rust_graph_free(struct rust_graph *g)
{
	if (!g)
		return NULL;
	free(g->function);
	free(g->first);
	free(g->edge);
	free(g->calls);
	free(g->into);
	free(g->starts);
	free(g);
	return NULL;
}

static bool has(const uint64_t *list, size_t n, uint64_t function)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == function)
			return true;
	return false;
}

size_t rust_graph_reach(const struct rust_graph *g, uint64_t function, unsigned depth,
			uint64_t *ret, size_t max)
{
	size_t n = 0, level = 0;

	if (max == 0 || !rust_image_is_code(g->image, function))
		return 0;
	ret[n++] = function;
	for (unsigned d = 0; d < depth; d++) {
		size_t end = n;

		for (; level < end; level++) {
			uint32_t at = (uint32_t)(ret[level] - g->image->code);
			size_t i = index_of(g, at);

			if (i == g->n_functions || g->function[i] != at)
				continue;
			for (uint32_t e = g->first[i]; e < g->first[i + 1] && n < max; e++) {
				uint64_t to = g->image->code + g->function[g->edge[e].to];

				if (!has(ret, n, to))
					ret[n++] = to;
			}
		}
	}
	return n;
}

/* A call of a target. */
struct hit {
	uint32_t edge, value;
};

static int by_edge(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	return x->edge < y->edge ? -1 : x->edge > y->edge;
}

/* How many; `ret` NULL: just that. */
static size_t find_hits(const struct rust_graph *g, const struct rust_targets *t, struct hit *ret)
{
	size_t n = 0, at = 0;
	uint64_t address;
	uint32_t value;

	while (rust_targets_next(t, &at, &address, &value)) {
		uint32_t offset = (uint32_t)(address - g->image->code);
		size_t f = rust_image_is_code(g->image, address) ? index_of(g, offset)
								 : g->n_functions;

		if (f == g->n_functions || g->function[f] != offset)
			continue;
		for (uint32_t i = g->into[f]; i < g->into[f + 1]; i++, n++)
			if (ret)
				ret[n] = (struct hit){ g->calls[i], value };
	}
	return n;
}

static int tell(const struct rust_graph *g, const struct hit *hit, rust_call_fn fn, void *ctx)
{
	/* as list_edges() got it: segments may overlap */
	const uint8_t *code =
		rust_image_bytes(g->image, g->image->code, g->image->code_end - g->image->code);
	const struct edge *e = &g->edge[hit->edge];
	struct rust_call call = { .address = g->image->code + e->at, .value = hit->value };
	const uint8_t *at;

	if (!code)
		return 0;
	at = code + e->at;
	call.next = call.address + (at[0] == 0xff ? 6 : 5);
	call.jump = at[0] == 0xe9 || (at[0] == 0xff && at[1] == 0x25);
	return fn(ctx, &call);
}

int rust_graph_calls(const struct rust_graph *g, const struct rust_targets *t, rust_call_fn fn,
		     void *ctx)
{
	size_t n = find_hits(g, t, NULL);
	struct hit *hit = malloc(n * sizeof(*hit) + 1);
	int rc = 0;

	if (!hit)
		return -ENOMEM;
	find_hits(g, t, hit);
	if (n > 1)
		qsort(hit, n, sizeof(*hit), by_edge);
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = tell(g, &hit[i], fn, ctx);
	free(hit);
	return rc < 0 ? rc : 0;
}
