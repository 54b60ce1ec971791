// SPDX-License-Identifier: MIT
/*
 * All tasks of a process's Tokio runtimes as SNAPSHOT events. A walk needs a task to begin with: what the threads polled
 * last, or one that an earlier walk met and that is likely to live on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "probes/rust/walk.h"
#include "probes/source_tokio_internal.h"

#define PACE_NS    1000000ull /* per task of the last walk: a recording grows by < 100 kB/s */
#define TASKS_MAX  262144u
#define DOUBT_NS   1200000000ull
#define NAME_NS    500000000ull /* a runtime was met that no worker is known of: the next walk tells */
#define NAME_WALKS 4u
#define ROOTS_MAX  (2 * WEFT_ROW_MAX) /* each thread may have a runtime and a LocalSet */
#define MISSES_MAX 3u                 /* walks in a row that did not reach a runtime: it is gone */
#define PAGE       4096u
#define NOT_KNOWN  UINT64_MAX

/* One list of owned tasks: a runtime's, or a LocalSet's. */
struct root {
	uint64_t owner;  /* 0 = free */
	uint64_t header; /* of a task of it that is likely to be there still; 0 = none is known */
	struct rust_walk_place place;
	uint32_t runtime, misses;
	uint32_t rounds;  /* in which no worker led here */
	uint32_t unnamed; /* walks that met it before its runtime was known */
	bool undriven;    /* its runtime was made for that */
	bool met, walked; /* in this round: reached at all, wholly */
	bool led;         /* and by what a thread polled or woke */
	bool running;     /* one of its tasks was being polled */
	bool there;       /* its scheduler was, when its tasks were not reached */
};

struct tokio_census {
	struct root root[ROOTS_MAX];
	uint64_t begun_ns, bias;
	uint32_t number, tasks;
	uint32_t roots;    /* those in use are below it */
	uint32_t left_out; /* lists that were met since the last walk and have no place */
	bool asked, chains, begun, bias_known, said_left_out;
};

/* One walk. */
struct round {
	struct tokio_process *w;
	struct root *root;
	uint64_t eldest, eldest_header;
	uint32_t tasks, torn;
};

static struct weft_ev event(const struct tokio_process *w, uint16_t kind)
{
	return tokio_event(w, kind, WEFT_EVF_SNAPSHOT);
}

static struct rust_walk_target target_of(const struct tokio_process *w)
{
	return (struct rust_walk_target){ .pid = w->p->pid,
					  .bias = w->census->bias,
					  .plan = w->plan };
}

/* ---- telling ---- */

/*
 * The low bits are the same as the C runtime's. What is linked in its runtime is one reference, a handle another, each waker one. A handle
 * that nobody awaits may be meant to end it some day: then one more is told.
 */
static uint64_t state_of(const struct rust_walk_task *t)
{
	uint64_t refs = t->state >> RUST_TOKIO_REF_SHIFT;
	uint64_t low = t->state & ((1u << RUST_TOKIO_REF_SHIFT) - 1);

	refs += (low & (RUST_TOKIO_JOIN_INTEREST | RUST_TOKIO_JOIN_WAKER)) ==
		RUST_TOKIO_JOIN_INTEREST;
	return low | refs << WEFT_TASK_REF_SHIFT;
}

void tokio_tell_awaited(const struct tokio_process *w, uint64_t task, uint64_t by)
{
	struct weft_ev_awaited e = { .task = task, .by = by };

	session_emit(w->p->session, event(w, WEFT_EV_AWAITED), &e, sizeof(e));
}

static void tell_awaiter(const struct tokio_process *w, const struct rust_walk_task *t)
{
	const struct rust_walk_target target = target_of(w);
	struct rust_walk_task by;

	if (w->census->chains && rust_walk_awaiter(&target, t, &by))
		tokio_tell_awaited(w, t->id, by.id);
}

static void tell_task(void *ctx, const struct rust_walk_task *t)
{
	struct round *r = ctx;
	struct tokio_process *w = r->w;
	struct weft_ev_snapshot_task e = {
		.task = t->id,
		.age_ns = NOT_KNOWN,
		.wake_age_ns = NOT_KNOWN,
		.state = state_of(t),
		.site = tokio_site((uint32_t)(t->type - w->plan->types)),
		.bytes = t->type->size,
		.runtime = r->root->runtime,
	};

	if (t->id >= 1ull << 40) /* no id: the collector has no room for it */
		return;
	r->tasks++;
	r->root->running |= t->state & RUST_TOKIO_RUNNING;
	tokio_window_met(w, t);
	tokio_ask_programs(w, t->header, t->id, &e);
	if (t->id > w->ids[RUST_TOKIO].walked)
		w->ids[RUST_TOKIO].walked = t->id;
	if (!r->eldest || t->id < r->eldest) {
		r->eldest = t->id;
		r->eldest_header = t->header;
	}
	session_emit(w->p->session, event(w, WEFT_EV_SNAPSHOT_TASK), &e, sizeof(e));
	tell_awaiter(w, t);
}

static void tell_walk(struct tokio_process *w, uint16_t kind, const struct round *r)
{
	struct weft_ev_snapshot e = { .snapshot = w->census->number };
	struct weft_ev ev = event(w, kind);

	if (w->census->chains)
		ev.flags |= WEFT_EVF_CHAINS;
	if (r) {
		e.tasks = r->tasks;
		e.torn = r->torn;
	}
	session_emit(w->p->session, ev, &e, sizeof(e));
}

/* ---- walking ---- */

static bool walk_from(struct round *r, struct root *root, uint64_t header)
{
	struct rust_walk_target target = target_of(r->w);
	struct rust_walk_result result;

	r->root = root;
	root->running = false;
	r->eldest = 0;
	target.owner = root->owner; /* another list's task may lie there by now */
	if (rust_walk(&target, header, TASKS_MAX, tell_task, r, &result))
		return false;
	root->met = true;
	root->walked = result.whole;
	if (result.place.handle)
		root->place = result.place;
	if (r->eldest)
		root->header = r->eldest_header;
	return true;
}

/* Those that were known have ended. Its scheduler knows the others, or that there are none. */
static void walk_from_place(struct round *r, struct root *root)
{
	const struct rust_walk_target target = target_of(r->w);
	int err = root->place.handle ? rust_walk_first(&target, &root->place, &root->header)
				     : -ESRCH;

	root->there = err != -ESRCH;
	if (err)
		root->header = 0;
	else if (root->header)
		walk_from(r, root, root->header);
	else
		root->walked = true;
}

static struct root *root_of(struct tokio_census *c, uint64_t owner)
{
	struct root *free_root = NULL;

	for (size_t i = 0; i < c->roots; i++) {
		if (c->root[i].owner == owner)
			return &c->root[i];
		if (!c->root[i].owner && !free_root)
			free_root = &c->root[i];
	}
	if (!free_root && c->roots < ROOTS_MAX)
		free_root = &c->root[c->roots++];
	if (free_root)
		*free_root = (struct root){ .owner = owner };
	else
		c->left_out++;
	return free_root;
}

/* Words of a header that is polled now or was. It may be anything by now. */
static bool read_owner(struct tokio_process *w, const struct weft_open_poll *poll, uint64_t *ret)
{
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];
	uint64_t word[8], bias;
	struct iovec local = { word, sizeof(word) },
		     remote = { (void *)(uintptr_t)poll->header, sizeof(word) };

	if (!poll->header || !poll->vtable || l->vtable < 0 || l->vtable >= 64 || l->owner < 0 ||
	    l->owner >= 64 || process_vm_readv(w->p->pid, &local, 1, &remote, 1, 0) != sizeof(word))
		return false;
	bias = word[l->vtable / 8] - poll->vtable;
	if (bias % PAGE || (w->census->bias_known && bias != w->census->bias) ||
	    !rust_plan_type(w->plan, poll->vtable))
		return false;
	w->census->bias = bias;
	w->census->bias_known = true;
	*ret = word[l->owner / 8];
	return *ret != 0;
}

/* By a worker that polls its tasks; NULL: who only woke one was met. A worker that begins just now is there at the next walk. */
static void name_runtime(struct tokio_process *w, struct root *root,
			 const struct tokio_lane *worker)
{
	if (worker && (!root->runtime || root->undriven)) {
		root->runtime = worker->runtime;
		root->undriven = false;
	} else if (!worker && !root->runtime && root->rounds++) {
		root->runtime = tokio_runtime_undriven(w, root->owner);
		root->undriven = true;
	}
}

static void walk_from_poll(struct round *r, const struct tokio_lane *lane, unsigned k)
{
	struct tokio_process *w = r->w;
	/* Torn at worst: it is checked. */
	struct weft_open_poll poll =
		tokio_row(w->state, (uint32_t)(lane - w->state->lane))->open[k];
	struct root *root;
	uint64_t owner;
	bool polled;

	if (!read_owner(w, &poll, &owner))
		return;
	root = root_of(w->census, owner);
	if (!root)
		return;
	/* Another owner: what was polled is gone, and a task that this thread may never poll lies there. */
	polled = k < WEFT_POLL_DEPTH - 1 && lane->role == WEFT_LANE_WORKER && poll.owner == owner;
	/* Else its own runtime is a guess. Several that woke are one round. */
	if (polled ? lane->counted : !root->led)
		name_runtime(w, root, polled ? lane : NULL);
	root->led = true;
	if (!root->walked)
		walk_from(r, root, poll.header);
}

/* What the threads polled last, then what they woke, leads to runtimes that no walk has reached yet. */
static void walk_from_threads(struct round *r)
{
	const struct tokio_state *state = r->w->state;

	for (unsigned k = 0; k < WEFT_POLL_DEPTH; k++)
		for (uint32_t i = 0; i < state->lanes_used; i++)
			if (state->lane[i].owner == r->w->p)
				walk_from_poll(r, &state->lane[i], k);
}

static void walk_from_roots(struct round *r)
{
	struct tokio_census *c = r->w->census;

	for (size_t i = 0; i < c->roots; i++) {
		struct root *root = &c->root[i];

		root->walked = root->met = root->led = root->there = false;
		if (root->owner && c->bias_known &&
		    !(root->header && walk_from(r, root, root->header)))
			walk_from_place(r, root);
	}
}

/* Where threads poll, no task is known, but the scheduler by what was seen of its queues. */
static void lead_by_runtimes(struct tokio_process *w)
{
	struct tokio_list list;

	for (uint32_t i = 0; i < w->runtimes; i++) {
		const struct tokio_runtime *rt = &w->runtime[i];

		if (rt->owner && rt->handle && rt->threads &&
		    !tokio_census_root(w, rt->owner, &list))
			tokio_lead_handle(w, rt->handle);
	}
}

/* Its tasks could not be reached, or the runtime is gone: a few rounds tell. */
static void settle_roots(struct round *r)
{
	struct tokio_census *c = r->w->census;

	for (size_t i = 0; i < c->roots; i++) {
		struct root *root = &c->root[i];

		/* Its thread polled something else meanwhile, or woke: who has no worker in two walks has none. */
		if (root->owner && root->met && !root->led)
			name_runtime(r->w, root, NULL);
		root->unnamed += root->owner && root->met && !root->runtime;
		if (!root->owner)
			continue;
		r->torn += !root->walked;
		root->misses = root->walked || root->met || root->there ? 0 : root->misses + 1;
		if (root->misses == MISSES_MAX)
			*root = (struct root){ 0 };
	}
}

/* Their tasks are not told, so none may be taken for gone. */
static void settle_left_out(struct round *r)
{
	struct tokio_census *c = r->w->census;

	r->torn += c->left_out;
	if (c->left_out && !c->said_left_out)
		session_cannot_see(
			r->w->p->session, r->w->p->index, "tasks of some runtimes",
			"it has more than %u lists of tasks: which tasks have ended is told only where it was seen",
			ROOTS_MAX);
	c->said_left_out |= c->left_out != 0;
	c->left_out = 0;
}

static void walk(struct tokio_process *w)
{
	struct tokio_census *c = w->census;
	struct round r = { .w = w };

	c->number++;
	c->begun_ns = w->p->session->now_ns;
	tell_walk(w, WEFT_EV_SNAPSHOT_BEGIN, NULL);
	lead_by_runtimes(w);
	walk_from_roots(&r);
	walk_from_threads(&r);
	settle_roots(&r);
	settle_left_out(&r);
	r.tasks += tokio_executors_walk(w, &r.torn);
	r.tasks += tokio_kept_walk(w);
	w->walked_ns = clock_pair_now_ns();
	c->tasks = r.tasks;
	tell_walk(w, WEFT_EV_SNAPSHOT_END, &r);
	c->asked = c->chains = false;
}

/* Tasks of a runtime were met a moment ago, and who drives it is not known yet. */
static bool is_unnamed(const struct tokio_census *c)
{
	for (size_t i = 0; i < c->roots; i++)
		if (c->root[i].owner && !c->root[i].runtime && c->root[i].met &&
		    c->root[i].unnamed <= NAME_WALKS)
			return true;
	return false;
}

static bool have_census(struct tokio_process *w)
{
	if (!w->census)
		w->census = calloc(1, sizeof(*w->census));
	return w->census;
}

void tokio_census_ask(struct tokio_process *w, bool chains)
{
	if (!have_census(w))
		return;
	w->census->asked = true;
	w->census->chains |= chains;
}

bool tokio_census_chains(const struct tokio_process *w)
{
	return w->census && w->census->chains;
}

/* Any thread has polled something, or the program's own variables may tell: without that nothing is known. */
static bool can_walk(const struct tokio_process *w)
{
	if (tokio_executors_may_be(w))
		return true;
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p)
			return true;
	for (size_t i = 0; i < w->census->roots; i++)
		if (w->census->root[i].owner)
			return true;
	return false;
}

void tokio_census_step(struct tokio_process *w)
{
	unsigned every = w->p->session->options.census_ms;
	uint64_t wait_ns = every * 1000000ull;
	struct tokio_census *c;

	if (!have_census(w))
		return;
	c = w->census;
	if (c->number == 1 && wait_ns > SESSION_SECOND_WALK_NS)
		wait_ns = SESSION_SECOND_WALK_NS;
	if (c->tasks * PACE_NS > wait_ns)
		wait_ns = c->tasks * PACE_NS;
	if (tokio_executors_doubt(w) && wait_ns > DOUBT_NS)
		wait_ns = DOUBT_NS;
	if (wait_ns > NAME_NS && is_unnamed(c))
		wait_ns = NAME_NS;
	if (!c->asked && (every == ~0u || w->p->session->now_ns - c->begun_ns < wait_ns))
		return;
	if (c->asked || can_walk(w))
		walk(w);
}

bool tokio_census_root(const struct tokio_process *w, uint64_t owner, struct tokio_list *ret)
{
	for (size_t i = 0; w->census && owner && i < w->census->roots; i++) {
		const struct root *root = &w->census->root[i];

		if (root->owner != owner || !root->header || !w->census->bias_known)
			continue;
		*ret = (struct tokio_list){ .owner = owner,
					    .header = root->header,
					    .bias = w->census->bias,
					    .running = root->running };
		return true;
	}
	return false;
}

bool tokio_census_knows(const struct tokio_process *w, const struct tokio_runtime *r)
{
	for (size_t i = 0; w->census && i < w->census->roots; i++)
		if (w->census->root[i].owner &&
		    (w->census->root[i].owner == r->owner || w->census->root[i].runtime == r->id))
			return true;
	return false;
}

bool tokio_census_bias(const struct tokio_process *w, uint64_t *ret)
{
	if (!w->census || !w->census->bias_known)
		return false;
	*ret = w->census->bias;
	return true;
}

void tokio_census_lead(struct tokio_process *w, const struct tokio_list *list)
{
	struct root *root = have_census(w) ? root_of(w->census, list->owner) : NULL;

	if (!root || root->header)
		return;
	root->header = list->header;
	w->census->asked = true;
	w->census->bias = list->bias;
	w->census->bias_known = true;
}

struct tokio_census *tokio_census_free(struct tokio_census *c)
{
	free(c);
	return NULL;
}
