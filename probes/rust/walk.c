/* SPDX-License-Identifier: MIT */
/*
 * Layout, seen in Tokio 1.23 to 1.54: a task's block is header (state, queue_next, vtable, owner_id), the scheduler's Arc
 * and the id behind it, the future, the trailer. The trailer begins with the links of the owned list: prev, next; then the waker of who
 * awaits the task, its vtable and its data in either order; the data of a task's waker is that task's header.
 * The list's ends lie in the scheduler's handle: since 1.35 as a boxed slice of locked lists (lock, head, tail), a
 * power of two of them; before that as one list. Their place in the handle differs by version and compiler, so it
 * is searched for by shape, and the list that the first task is in has to be among them.
 */
#include "probes/rust/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define SCHEDULER_SLOT 64u /* of the vtable: where the scheduler's Arc lies in the block */
#define HANDLE_BYTES   4096u
#define LISTS_MAX      65536u
#define LIST_BYTES     24u /* lock, head, tail */
#define PASSES         3   /* until one sees no change */
#define LOWEST         4096u
#define NUMBER_WORDS   8u /* around the lists' place: their own number is among them */

/* Open addressing over headers that were seen; 0 = free. */
struct seen {
	uint64_t *slot;
	size_t mask, n;
};

struct node {
	uint64_t header, state, vtable, owner, id, prev, next;
	const struct rust_type *type;
};

struct walk {
	const struct rust_walk_target *target;
	const struct rust_layout *layout;
	uint64_t owner; /* of the list */
	uint32_t max;
	rust_walk_fn fn;
	void *ctx;
	struct seen told, pass; /* handed out; met in this pass */
	struct rust_walk_result result;
};

/* ---- memory of the target ---- */

static int read_at(const struct walk *w, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };
	ssize_t n = process_vm_readv(w->target->pid, &local, 1, &remote, 1, 0);

	if (n == (ssize_t)bytes)
		return 0;
	return n < 0 && errno != EFAULT ? -errno : -ESRCH;
}

/* State, vtable and owner lie in the first words, the order of which the layout tells. */
static int read_head(const struct walk *w, uint64_t header, struct node *ret)
{
	const struct rust_layout *l = w->layout;
	uint64_t word[8];
	int err = read_at(w, header, word, sizeof(word));

	if (err)
		return err;
	*ret = (struct node){ .header = header,
			      .state = word[l->state / 8],
			      .vtable = word[l->vtable / 8],
			      .owner = word[l->owner / 8] };
	ret->type = rust_plan_type(w->target->plan, ret->vtable - w->target->bias);
	return ret->type && ret->type->family == RUST_TOKIO && !ret->type->blocking &&
			       ret->type->trailer_offset > 0 && ret->type->id_offset > 0
		       ? 0
		       : -ESRCH;
}

static int read_node(const struct walk *w, uint64_t header, struct node *ret)
{
	uint64_t links[2];
	int err = header % 8 ? -ESRCH : read_head(w, header, ret);
	struct iovec local[] = { { links, sizeof(links) }, { &ret->id, sizeof(ret->id) } },
		     remote[2];
	ssize_t n;

	if (err)
		return err;
	remote[0] =
		(struct iovec){ (void *)(uintptr_t)(header + (uint32_t)ret->type->trailer_offset),
				sizeof(links) };
	remote[1] = (struct iovec){ (void *)(uintptr_t)(header + (uint32_t)ret->type->id_offset),
				    sizeof(ret->id) };
	n = process_vm_readv(w->target->pid, local, 2, remote, 2, 0);
	if (n != (ssize_t)(sizeof(links) + sizeof(ret->id)))
		return -ESRCH;
	ret->prev = links[0];
	ret->next = links[1];
	/* A block that was freed keeps its words for a while: the count of references is 0 then. */
	return ret->state >> RUST_TOKIO_REF_SHIFT &&
			       ret->state >> RUST_TOKIO_REF_SHIFT < RUST_TOKIO_REFS_MAX && ret->id
		       ? 0
		       : -ESRCH;
}

/* Strong or weak, of an Arc. What free() leaves there is an address. */
static bool is_count(uint64_t word)
{
	return word && word < 1u << 31;
}

/* ---- what was seen ---- */

static bool seen_grow(struct seen *s)
{
	size_t slots = s->slot ? (s->mask + 1) * 2 : 1024;
	uint64_t *slot = calloc(slots, sizeof(*slot)), *old = s->slot;

	if (!slot)
		return false;
	for (size_t i = 0; old && i <= s->mask; i++) {
		size_t at = (old[i] >> 4) * 0x9e3779b97f4a7c15ull >> 20;

		while (old[i] && slot[at & (slots - 1)])
			at++;
		if (old[i])
			slot[at & (slots - 1)] = old[i];
	}
	free(old);
	s->slot = slot;
	s->mask = slots - 1;
	return true;
}

static void seen_clear(struct seen *s)
{
	if (s->slot)
		memset(s->slot, 0, (s->mask + 1) * sizeof(*s->slot));
	s->n = 0;
}

/* 1 new, 0 known, -ENOMEM */
static int seen_add(struct seen *s, uint64_t header)
{
	size_t at = (header >> 4) * 0x9e3779b97f4a7c15ull >> 20;

	if ((!s->slot || s->n * 2 > s->mask) && !seen_grow(s))
		return -ENOMEM;
	for (; s->slot[at & s->mask]; at++)
		if (s->slot[at & s->mask] == header)
			return 0;
	s->slot[at & s->mask] = header;
	s->n++;
	return 1;
}

/* Whether it is new in this pass; what was not handed out before is. */
static int take(struct walk *w, const struct node *n)
{
	struct rust_walk_task task = { n->header, n->id, n->state, n->owner, n->type };
	int met = seen_add(&w->pass, n->header), rc = met < 0 ? met : seen_add(&w->told, n->header);

	if (rc == 1) {
		w->result.tasks++;
		w->fn(w->ctx, &task);
	}
	return rc < 0 ? rc : met;
}

/* ---- one list ---- */

enum direction { FORWARD, BACKWARD };

/*
 * From `header` to `end`: 1. 0: the list changed under way. The neighbour has to point back, or the node was moved
 * or freed in between; one met before in this pass was freed and is part of another list now; one that
 * was taken out has no neighbours, as the last one has. end 0: whatever is last.
 */
static int follow(struct walk *w, uint64_t header, uint64_t end, enum direction way)
{
	uint64_t from = 0;
	struct node n;

	while (header) {
		int rc;

		if (w->result.tasks >= w->max || read_node(w, header, &n) || n.owner != w->owner ||
		    (from && (way == FORWARD ? n.prev : n.next) != from))
			return 0;
		rc = take(w, &n);
		if (rc <= 0)
			return rc;
		from = header;
		header = way == FORWARD ? n.next : n.prev;
	}
	return !end || from == end;
}

/* What can't be reached from its head any more may still be from its tail. */
static int walk_list(struct walk *w, uint64_t head, uint64_t tail)
{
	int rc = follow(w, head, tail, FORWARD);

	w->result.lists++;
	if (rc == 1)
		return 0;
	w->result.whole = false;
	if (rc == 0)
		rc = follow(w, tail, 0, BACKWARD);
	return rc < 0 ? rc : 0;
}

/* ---- where the lists begin ---- */

/* To the first of the list that `n` is in; bounded, as the list may be made to go round. */
static bool first_of(const struct walk *w, struct node *n)
{
	for (uint32_t i = 0; n->prev; i++) {
		uint64_t was = n->header;
		struct node prev;

		if (i >= w->max || read_node(w, n->prev, &prev) || prev.next != was)
			return false;
		*n = prev;
	}
	return true;
}

static bool is_end(const struct walk *w, uint64_t header, enum direction way)
{
	struct node n;

	return !read_node(w, header, &n) && n.owner == w->owner &&
	       (way == FORWARD ? n.prev : n.next) == 0;
}

struct lists {
	uint64_t *word; /* 3 for each list */
	uint32_t n;
	uint64_t slice; /* as in struct rust_walk_place */
	uint32_t at;
};

/* True when the array is lists of this runtime's tasks and `head` begins one of them. */
static bool are_lists(const struct walk *w, const struct lists *l, uint64_t head)
{
	bool found = false;

	for (uint32_t i = 0; i < l->n; i++) {
		const uint64_t *end = &l->word[3 * i + 1];

		if (!end[0] != !end[1])
			return false;
		found |= end[0] && end[0] == head;
	}
	for (uint32_t i = 0; found && i < l->n; i++) {
		const uint64_t *end = &l->word[3 * i + 1];

		if (end[0] && end[0] != head &&
		    (!is_end(w, end[0], FORWARD) || !is_end(w, end[1], BACKWARD)))
			return false;
	}
	return found;
}

/* A boxed slice is a pointer and a length. */
static int read_slice(const struct walk *w, const uint64_t *word, uint64_t head, struct lists *ret)
{
	struct lists l = { .n = (uint32_t)word[1], .slice = word[0] };

	if (word[0] % 8 || word[0] < LOWEST || !word[1] || word[1] > LISTS_MAX ||
	    (word[1] & (word[1] - 1)))
		return -ENOENT;
	l.word = malloc((size_t)l.n * LIST_BYTES);
	if (!l.word)
		return -ENOMEM;
	if (read_at(w, word[0], l.word, (size_t)l.n * LIST_BYTES) || !are_lists(w, &l, head)) {
		free(l.word);
		return -ENOENT;
	}
	*ret = l;
	return 0;
}

/* The list itself, in the handle. */
static int read_inline(const struct walk *w, const uint64_t *word, uint64_t head, struct lists *ret)
{
	if (word[0] != head || !is_end(w, word[1], BACKWARD))
		return -ENOENT;
	ret->word = calloc(3, sizeof(*ret->word));
	if (!ret->word)
		return -ENOMEM;
	memcpy(ret->word + 1, word, 2 * sizeof(*word));
	ret->n = 1;
	ret->slice = 0;
	return 0;
}

static int find_lists(const struct walk *w, uint64_t handle, uint64_t head, struct lists *ret)
{
	uint64_t word[HANDLE_BYTES / 8] = { 0 };
	size_t words = sizeof(word) / 8;
	int err = -ENOENT;

	/* The handle may be smaller than what is searched, and end before a hole in the address space. */
	while (words >= 8 && read_at(w, handle, word, words * 8))
		words /= 2;
	for (size_t i = 0; i + 1 < words && words >= 8 && err == -ENOENT; i++) {
		err = read_slice(w, word + i, head, ret);
		ret->at = (uint32_t)i * 8;
	}
	for (size_t i = 0; i + 1 < words && words >= 8 && err == -ENOENT; i++) {
		err = read_inline(w, word + i, head, ret);
		ret->at = (uint32_t)i * 8;
	}
	return err;
}

/* The handle's Arc lies where the vtable says; what it points to begins with its two counts. */
static int handle_of(const struct walk *w, const struct node *n, uint64_t *ret)
{
	uint64_t at, handle;
	int err = read_at(w, n->vtable + SCHEDULER_SLOT, &at, sizeof(at));

	if (err || at > 65536)
		return err ? err : -ENOENT;
	err = read_at(w, n->header + at, &handle, sizeof(handle));
	if (!err)
		*ret = handle;
	return err;
}

static int walk_all(struct walk *w, const struct node *start)
{
	struct node first = *start;
	struct lists l = { .n = 0 };
	uint64_t handle;
	int rc = 0;

	/* It changes too fast, or was cut out: what can be reached from here. */
	if (!first_of(w, &first)) {
		w->result.whole = false;
		rc = follow(w, start->header, 0, FORWARD);
		if (rc >= 0 && start->prev)
			rc = follow(w, start->prev, 0, BACKWARD);
		return rc < 0 ? rc : 0;
	}
	if (!handle_of(w, &first, &handle))
		rc = find_lists(w, handle, first.header, &l);
	if (rc == -ENOMEM)
		return rc;
	if (l.n)
		w->result.place = (struct rust_walk_place){ handle, w->owner, l.slice, l.at, l.n };
	if (!l.n) {
		w->result.whole = false;
		w->result.lists = 1;
		rc = follow(w, first.header, 0, FORWARD);
	}
	for (uint32_t i = 0; i < l.n && rc >= 0; i++)
		if (l.word[3 * i + 1])
			rc = walk_list(w, l.word[3 * i + 1], l.word[3 * i + 2]);
	free(l.word);
	return rc < 0 ? rc : 0;
}

static bool layout_known(const struct rust_layout *l)
{
	return l->state >= 0 && l->vtable >= 0 && l->owner >= 0 && l->state < 64 &&
	       l->vtable < 64 && l->owner < 64;
}

static int walk_pass(struct walk *w, uint64_t header)
{
	struct node start;
	int err = read_node(w, header, &start);

	/* A complete one is in no list any more. */
	if (!err && (!start.owner || (w->owner && start.owner != w->owner) ||
		     start.state & RUST_TOKIO_COMPLETE))
		err = -ESRCH;
	if (err)
		return err;
	w->owner = start.owner;
	seen_clear(&w->pass);
	w->result.whole = true;
	w->result.lists = 0;
	return walk_all(w, &start);
}

int rust_walk(const struct rust_walk_target *target, uint64_t header, uint32_t max, rust_walk_fn fn,
	      void *ctx, struct rust_walk_result *ret)
{
	struct walk w = { .target = target,
			  .layout = &target->plan->layout[RUST_TOKIO],
			  .owner = target->owner,
			  .max = max,
			  .fn = fn,
			  .ctx = ctx };
	int err;

	if (!layout_known(w.layout))
		return -ENOTSUP;
	err = walk_pass(&w, header);
	for (int i = 1; i < PASSES && !err && !w.result.whole && w.result.tasks < max; i++)
		/* The task that it began with may have ended. */
		err = walk_pass(&w, header) == -ENOMEM ? -ENOMEM : 0;
	free(w.told.slot);
	free(w.pass.slot);
	if (!err)
		*ret = w.result;
	return err;
}

/* ---- without a task to begin with ---- */

/* The scheduler is there, it has these lists, and beside them the number that is written into each of their tasks. */
static int read_place(const struct walk *w, const struct rust_walk_place *p, struct lists *ret)
{
	uint32_t before = p->at < (NUMBER_WORDS + 2) * 8 ? p->at / 8 - 2 : NUMBER_WORDS;
	uint64_t count[2], word[2 * NUMBER_WORDS], *at = word + before;
	struct lists l = { .n = p->lists, .slice = p->slice };
	bool number = false;

	if (p->at < sizeof(count) || read_at(w, p->handle, count, sizeof(count)) ||
	    !is_count(count[0]) || !is_count(count[1]) ||
	    read_at(w, p->handle + p->at - before * 8, word, sizeof(word)))
		return -ESRCH;
	for (size_t i = 0; i < 2 * NUMBER_WORDS; i++)
		number |= word[i] == p->owner;
	if (!number || (p->slice && (at[0] != p->slice || at[1] != p->lists)))
		return -ESRCH;
	l.word = calloc(l.n, LIST_BYTES);
	if (!l.word)
		return -ENOMEM;
	if (!p->slice)
		memcpy(l.word + 1, at, 2 * sizeof(*at));
	else if (read_at(w, p->slice, l.word, (size_t)l.n * LIST_BYTES)) {
		free(l.word);
		return -ESRCH;
	}
	*ret = l;
	return 0;
}

int rust_walk_first(const struct rust_walk_target *target, const struct rust_walk_place *place,
		    uint64_t *ret_header)
{
	const struct walk w = { .target = target, .layout = &target->plan->layout[RUST_TOKIO] };
	uint64_t header = 0;
	bool empty = true;
	struct lists l;
	int err = layout_known(w.layout) ? read_place(&w, place, &l) : -ESRCH;

	if (err)
		return err;
	for (uint32_t i = 0; i < l.n && !header; i++) {
		struct node n;

		for (unsigned k = 1; k < 3 && l.word[3 * i + k] && !header; k++) {
			empty = false;
			if (!read_node(&w, l.word[3 * i + k], &n) && n.owner == place->owner &&
			    !(n.state & RUST_TOKIO_COMPLETE))
				header = n.header;
		}
	}
	free(l.word);
	if (!header && !empty)
		return -EAGAIN;
	*ret_header = header;
	return 0;
}

bool rust_walk_awaiter(const struct rust_walk_target *target, const struct rust_walk_task *task,
		       struct rust_walk_task *ret)
{
	const struct walk w = { .target = target, .layout = &target->plan->layout[RUST_TOKIO] };
	uint64_t trailer[4];
	struct node n;

	if (!(task->state & RUST_TOKIO_JOIN_WAKER) || !layout_known(w.layout) ||
	    read_at(&w, task->header + (uint32_t)task->type->trailer_offset, trailer,
		    sizeof(trailer)))
		return false;
	for (size_t i = 2; i < 4; i++) {
		if (trailer[i] < LOWEST || read_node(&w, trailer[i], &n))
			continue;
		*ret = (struct rust_walk_task){ n.header, n.id, n.state, n.owner, n.type };
		return true;
	}
	return false;
}
