// SPDX-License-Identifier: MIT
/* The C runtime's task census as SNAPSHOT events, spread over many drains. */
#include <string.h>
#include <sys/uio.h>

#include "probes/source_weft_internal.h"

#define STEP_NS 2000000ull
#define PACE_NS \
	1000000ull /* per task of the last walk: 200,000 tasks are walked every 200 s, a recording grows by < 100 kB/s */
#define NOT_KNOWN UINT64_MAX

static struct weft_ev event(const struct weft_process *w, uint16_t kind)
{
	return (struct weft_ev){ .kind = kind,
				 .flags = WEFT_EVF_SNAPSHOT,
				 .process = w->p->index,
				 .tid = (uint32_t)w->p->pid,
				 .time_ns = w->p->session->now_ns };
}

static uint64_t age(const struct weft_process *w, uint64_t stamp)
{
	uint64_t at = stamp ? process_stamp_ns(w->p, stamp) : 0, now = w->p->session->now_ns;

	return !stamp ? NOT_KNOWN : now > at ? now - at : 0;
}

/* ---- await chains, only when asked for ---- */

static void on_place(void *ctx, const struct weft_ev_place *place)
{
	struct weft_process *w = ctx;

	session_emit(w->p->session, event(w, WEFT_EV_PLACE), place, sizeof(*place));
}

static void read_chain(struct weft_process *w, const struct census_task *task,
		       struct await_chain *ret)
{
	struct await_block block = { .address = task->address,
				     .bytes = task->slot,
				     .size = task->slot_bytes,
				     .frame = target_map_shape(w->map)->frame_offset };
	struct await_chain chain;

	*ret = (struct await_chain){ 0 };
	if (!w->awaits || !block.frame || !task->still)
		return;
	await_reader_read(w->awaits, &block, &chain);
	if (!chain.outside || census_unmoved(w->census, task))
		*ret = chain;
}

/* enum weft_wait of its leaf. */
static uint32_t tell_chain(struct weft_process *w, const struct census_task *task)
{
	struct {
		struct weft_ev_await head;
		uint32_t place[WEFT_AWAIT_DEPTH];
	} e = { .head = { .task = task->head.id, .polls = task->head.polls } };
	struct await_chain chain;

	read_chain(w, task, &chain);
	e.head.on = chain.on;
	e.head.places = chain.places;
	e.head.complete = chain.complete;
	memcpy(e.place, chain.place, chain.places * sizeof(*e.place));
	session_emit(w->p->session, event(w, WEFT_EV_AWAIT), &e,
		     sizeof(e.head) + (chain.places + 1) / 2 * 8);
	return chain.on;
}

/* Who awaits this task's end. The joiner's block is read from the process: that it is one, the reader of the event finds out. */
static void tell_joiner(struct weft_process *w, const struct census_task *task)
{
	uint32_t at = target_map_shape(w->map)->joiner_offset;
	struct weft_ev_awaited e = { .task = task->head.id };
	struct weft_task_head joiner;
	uint64_t address;

	if (!at || !(task->head.state & WEFT_T_JOIN_WAKER) || !task->still ||
	    at + sizeof(address) > task->slot_bytes)
		return;
	memcpy(&address, task->slot + at, sizeof(address));
	if (!address ||
	    process_vm_readv(w->p->pid, &(struct iovec){ &joiner, sizeof(joiner) }, 1,
			     &(struct iovec){ (void *)(uintptr_t)address, sizeof(joiner) }, 1,
			     0) != sizeof(joiner) ||
	    joiner.runtime != task->head.runtime)
		return;
	e.by = joiner.id;
	session_emit(w->p->session, event(w, WEFT_EV_AWAITED), &e, sizeof(e));
}

static uint64_t word(const struct census_task *task, uint32_t at)
{
	uint64_t ret = 0;

	if (at + sizeof(ret) <= task->slot_bytes)
		memcpy(&ret, task->slot + at, sizeof(ret));
	return ret;
}

/* The queue that the task waits in, by its one queued waiter in its own block; 0 = none, or several. */
static uint64_t waits_in(const struct weft_process *w, const struct census_task *task)
{
	const struct target_waiter *shape = &target_map_shape(w->map)->waiter;
	uint32_t from = target_map_shape(w->map)->frame_offset;
	uint64_t queue = 0;

	for (uint32_t at = from; from && at + 8 <= task->slot_bytes; at += 8) {
		if (word(task, at + shape->task) != task->address ||
		    (uint32_t)(word(task, (at + shape->state) & ~7u) >> (shape->state & 4) * 8) !=
			    shape->queued)
			continue;
		if (queue)
			return 0;
		queue = word(task, at + shape->queue);
	}
	return queue;
}

/* Who holds the mutex that this task waits for. The queue is read later than the block: only while the task still stands as copied. */
static void tell_holder(struct weft_process *w, const struct census_task *task, uint32_t on)
{
	struct weft_ev_awaited e = { .by = task->head.id };
	uint64_t queue;

	if (on != WEFT_WAIT_MUTEX || !target_map_shape(w->map)->waiter.queued)
		return;
	queue = waits_in(w, task);
	if (!queue ||
	    process_vm_readv(w->p->pid, &(struct iovec){ &e.task, sizeof(e.task) }, 1,
			     &(struct iovec){ (void *)(uintptr_t)queue, sizeof(e.task) }, 1,
			     0) != sizeof(e.task) ||
	    !e.task || !census_unmoved(w->census, task))
		return;
	session_emit(w->p->session, event(w, WEFT_EV_AWAITED), &e, sizeof(e));
}

/* ---- walks ---- */

static void tell_task(struct weft_process *w, const struct census_task *task)
{
	const struct weft_task_head *h = &task->head;
	struct weft_ev_snapshot_task e = { .task = h->id,
					   .parent = h->parent,
					   .state = h->state,
					   .site = h->site,
					   .polls = h->polls,
					   .bytes = h->bytes,
					   .runtime = h->runtime };

	e.age_ns = age(w, h->spawn_stamp);
	e.wake_age_ns = age(w, h->wake_stamp);
	memcpy(e.name, task->name, sizeof(e.name));
	session_emit(w->p->session, event(w, WEFT_EV_SNAPSHOT_TASK), &e, sizeof(e));
}

static void on_task(void *ctx, const struct census_task *task)
{
	struct weft_process *w = ctx;
	uint32_t on;

	if (!w->one)
		tell_task(w, task);
	if (!(w->one || w->chains) || task->head.state & WEFT_T_COMPLETE)
		return;
	on = tell_chain(w, task);
	if (w->one)
		return;
	tell_joiner(w, task);
	tell_holder(w, task, on);
}

static struct weft_ev walk_event(const struct weft_process *w, uint16_t kind)
{
	struct weft_ev ev = event(w, kind);

	if (w->chains)
		ev.flags |= WEFT_EVF_CHAINS;
	return ev;
}

static void on_end(void *ctx, uint32_t tasks, uint32_t torn, uint32_t missed)
{
	struct weft_process *w = ctx;
	struct weft_ev_snapshot e = {
		.snapshot = w->snapshots, .tasks = tasks, .torn = torn, .missed = missed
	};

	if (w->one)
		return;
	w->census_tasks = tasks;
	session_emit(w->p->session, walk_event(w, WEFT_EV_SNAPSHOT_END), &e, sizeof(e));
}

static void begin_walk(struct weft_process *w)
{
	struct weft_ev_snapshot e = { .snapshot = ++w->snapshots };

	w->one = 0;
	w->chains = w->chains_asked;
	w->chains_asked = false;
	census_begin(w->census);
	w->census_ns = w->p->session->now_ns;
	session_emit(w->p->session, walk_event(w, WEFT_EV_SNAPSHOT_BEGIN), &e, sizeof(e));
}

static void begin_one(struct weft_process *w)
{
	w->one = w->one_asked;
	w->one_asked = 0;
	census_begin_one(w->census, w->one);
}

/* No memory: the answers come, but know nothing. */
static void want_awaits(struct weft_process *w)
{
	if (!w->awaits && await_reader_new(w->p->pid, on_place, w, &w->awaits))
		w->awaits = NULL;
}

void weft_census_ask(struct weft_process *w, bool chains)
{
	if (chains) {
		want_awaits(w);
		w->chains_asked = true;
	} else if (!census_running(w->census)) {
		begin_walk(w);
	}
}

void weft_census_ask_one(struct weft_process *w, uint64_t task)
{
	want_awaits(w);
	w->one_asked = task;
}

void weft_census_due(struct weft_process *w)
{
	unsigned every = w->p->session->options.census_ms;
	uint64_t wait_ns = every * 1000000ull, paced_ns = w->census_tasks * PACE_NS;

	if (w->snapshots == 1 && wait_ns > SESSION_SECOND_WALK_NS)
		wait_ns = SESSION_SECOND_WALK_NS;
	if (paced_ns > wait_ns)
		wait_ns = paced_ns;
	if (every != ~0u && w->p->session->now_ns - w->census_ns >= wait_ns)
		weft_census_ask(w, false);
}

void weft_census_step(struct weft_process *w)
{
	const struct census_out out = { .ctx = w, .task = on_task, .end = on_end };

	if (!census_running(w->census) && w->chains_asked)
		begin_walk(w);
	else if (!census_running(w->census) && w->one_asked)
		begin_one(w);
	census_step(w->census, clock_pair_now_ns() + STEP_NS, &out);
}
