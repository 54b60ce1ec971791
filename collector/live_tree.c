/* SPDX-License-Identifier: MIT */
/*
 * Tasks as a tree, parents before children, siblings in the order of their births. The order is made once
 * and kept until tasks are born or end; then it is made anew, at most twice a second.
 */
#include "collector/live_internal.h"

#include <stdlib.h>

#define KEEP_NS 500000000ull
#define NONE    UINT32_MAX

struct node {
	uint64_t id, parent;
	uint32_t first, next, depth; /* first child, next sibling: positions or NONE */
};

static int by_id(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct node *collect(struct live *l, uint32_t process, bool ended, size_t *ret_n)
{
	size_t room = (size_t)model_tasks_alive(l->model) + MODEL_KEEP_ENDED + 1, n = 0;
	struct node *v = malloc(room * sizeof(*v));
	struct model_task *t;
	uint32_t cursor = 0;
	bool sorted = true;

	while (v && (t = model_task_each(l->model, &cursor)) && n < room) {
		if ((!ended && !task_alive(t)) || (process != UINT32_MAX && t->process != process))
			continue;
		v[n] = (struct node){
			.id = t->id, .parent = t->parent, .first = NONE, .next = NONE
		};
		sorted &= n == 0 || v[n - 1].id < t->id;
		n++;
	}
	if (v && !sorted)
		qsort(v, n, sizeof(*v), by_id);
	*ret_n = n;
	return v;
}

static uint32_t position(const struct node *v, size_t n, uint64_t id)
{
	struct node key = { .id = id };
	const struct node *found = bsearch(&key, v, n, sizeof(*v), by_id);

	return found ? (uint32_t)(found - v) : NONE;
}

/* From the last to the first, so that lists are in order. A parent is older than its child: so no circles. Returns the first root. */
static uint32_t tie(struct node *v, size_t n)
{
	uint64_t last_id = 0;
	uint32_t last = NONE, roots = NONE;

	for (size_t i = n; i-- > 0;) {
		uint32_t *list = &roots;

		if (v[i].parent && v[i].parent < v[i].id) {
			if (v[i].parent != last_id) {
				last_id = v[i].parent;
				last = position(v, n, last_id);
			}
			if (last != NONE)
				list = &v[last].first;
		}
		v[i].next = *list;
		*list = (uint32_t)i;
	}
	return roots;
}

/* Depth first: the children of a node go before its next sibling. The stack holds one pending sibling per level. */
static size_t walk(struct node *v, uint32_t at, uint32_t *stack, struct live_branch *row)
{
	uint32_t depth = 0;
	size_t n = 0;

	while (at != NONE || depth) {
		if (at == NONE) {
			at = stack[--depth];
			continue;
		}
		row[n++] = (struct live_branch){ .id = v[at].id, .depth = depth };
		stack[depth] = v[at].next;
		if (v[at].first != NONE) {
			depth++;
			at = v[at].first;
		} else {
			at = v[at].next;
		}
	}
	return n;
}

const struct live_tree *live_tree_get(struct live *l, uint32_t process, bool ended)
{
	struct live_tree *tree = &l->tree;
	uint64_t now = model_now(l->model), births = model_births(l->model);
	struct node *v;
	uint32_t *stack;
	size_t n;

	if (tree->valid && tree->process == process && tree->ended == ended &&
	    (tree->births == births || now < tree->built_ns + KEEP_NS))
		return tree;
	v = collect(l, process, ended, &n);
	stack = malloc((n + 1) * sizeof(*stack));
	free(tree->row);
	tree->row = malloc((n + 1) * sizeof(*tree->row));
	tree->valid = v && stack && tree->row;
	if (tree->valid)
		tree->n = walk(v, tie(v, n), stack, tree->row);
	free(v);
	free(stack);
	tree->births = births;
	tree->built_ns = now;
	tree->process = process;
	tree->ended = ended;
	return tree->valid ? tree : NULL;
}
