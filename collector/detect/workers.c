/* SPDX-License-Identifier: MIT */
#include "collector/detect/workers.h"

#include <stdio.h>

#define OWN_NS  20000000ull /* of an open poll, that outweigh any wait for a CPU */
#define LEFT_NS 1500000000ull

/* A poll that covers the stretch asked about. */
struct covered {
	uint64_t task, seq, for_ns;
	uint64_t own_ns; /* of for_ns: without the waits for a CPU */
	bool held;       /* by its own doing */
	bool lost;       /* records that would tell */
};

/* How much of [from, to] the poll [start, end] covers, in tenths. */
static uint64_t tenths(uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	uint64_t a = start > from ? start : from, b = end < to ? end : to;

	return to > from && b > a ? (b - a) * 10 / (to - from) : 0;
}

/* The newest stack of the poll says so. Where none is kept it doesn't. */
static bool is_in_place(const struct detect_run *run, uint64_t task, uint64_t seq)
{
	return detect_is_in_place(run, stack_store_last(model_stacks(run->model), task, 0, seq));
}

/* Of a poll that has ended. Time without a CPU is not the task's doing. */
static struct covered ended(const struct detect_run *run, const struct model_lane *l,
			    const struct lane_poll *p)
{
	bool own = p->busy_ns + p->blocked_ns >= p->runnable_ns;
	uint64_t for_ns = p->end_ns - p->start_ns;

	return (struct covered){ .task = p->task,
				 .seq = p->seq,
				 .for_ns = for_ns,
				 .own_ns = for_ns -
					   (p->runnable_ns < for_ns ? p->runnable_ns : for_ns),
				 .held = own && !detect_poll_is_torn(run, l, p),
				 .lost = own && detect_poll_is_lost(run, l, p) };
}

/* Of the open one, false = there is none. *ret_start: as far back as is known. */
static bool opened(const struct detect_run *run, const struct model_lane *l, uint64_t *ret_start,
		   struct covered *ret)
{
	uint64_t open = lane_open_ns(l, run->now_ns), own = l->open.cpu_ns + l->open.blocked_ns;
	uint64_t for_ns;

	if (!open || !l->open.task)
		return false;
	*ret_start = open == UINT64_MAX ? l->open.seen_ns : run->now_ns - open;
	for_ns = run->now_ns - *ret_start;
	*ret = (struct covered){
		.task = l->open.task,
		.seq = l->open.seq,
		.for_ns = for_ns,
		.own_ns = for_ns - (l->open.runq_ns < for_ns ? l->open.runq_ns : for_ns),
		.held = own >= OWN_NS || l->open.runq_ns <= own,
	};
	return true;
}

/* The poll of the lane that covers [from, to]: false = there is none. */
static bool covering(const struct model_lane *l, const struct detect_run *run, uint64_t from,
		     uint64_t to, struct covered *ret)
{
	struct covered c;
	uint64_t start;

	if (opened(run, l, &start, &c) && tenths(start, run->now_ns, from, to) >= 9) {
		*ret = c;
		return true;
	}
	for (uint64_t i = 0; i < LANE_LONG_POLLS && i < l->npolls; i++) {
		const struct lane_poll *p = &l->poll[(l->npolls - i) % LANE_LONG_POLLS];

		if (!p->number || p->end_ns <= from)
			break;
		if (tenths(p->start_ns, p->end_ns, from, to) >= 9) {
			*ret = ended(run, l, p);
			return true;
		}
	}
	return false;
}

/* Of a row of polls, told from the last one to the first. */
struct row {
	uint64_t from, until; /* what is left of the stretch */
	uint64_t sum;         /* of what they cover */
	struct covered longest;
	bool held; /* each of them */
};

/* One inside another adds nothing. */
static void add(struct row *row, uint64_t start, uint64_t end, const struct covered *c)
{
	uint64_t a = start > row->from ? start : row->from;
	uint64_t b = end < row->until ? end : row->until;

	if (b <= a)
		return;
	row->sum += b - a;
	row->until = a;
	row->held &= c->held;
	if (c->for_ns > row->longest.for_ns)
		row->longest = *c;
}

/* Polls of piece_ns and longer, one after the other, that cover [from, to] but for a tenth of it. *ret is the longest. */
static bool covering_together(const struct model_lane *l, const struct detect_run *run,
			      uint64_t from, uint64_t to, uint64_t piece_ns, struct covered *ret)
{
	struct row row = { .from = from, .until = to, .held = true };
	struct covered c;
	uint64_t start;

	if (opened(run, l, &start, &c) && c.own_ns >= piece_ns)
		add(&row, start, run->now_ns, &c);
	for (uint64_t i = 0; i < LANE_LONG_POLLS && i < l->npolls; i++) {
		const struct lane_poll *p = &l->poll[(l->npolls - i) % LANE_LONG_POLLS];

		if (!p->number || p->end_ns <= from)
			break;
		c = ended(run, l, p);
		if (c.own_ns >= piece_ns)
			add(&row, p->start_ns, p->end_ns, &c);
	}
	*ret = row.longest;
	return row.held && to > from && row.sum * 10 / (to - from) >= 9;
}

static void look(const struct detect_run *run, const struct model_lane *l, uint64_t from,
		 uint64_t to, uint64_t piece_ns, struct detect_workers *w)
{
	struct lane_parts parts;
	struct covered c = { .held = false };
	bool any = covering(l, run, from, to, &c) ||
		   (piece_ns && covering_together(l, run, from, to, piece_ns, &c));
	bool known;

	if (any && is_in_place(run, c.task, c.seq)) {
		w->in_place++;
		return;
	}
	w->lost += any && c.lost;
	any &= c.held && c.own_ns >= piece_ns;
	known = lane_shares(l, run->now_ns, &parts);
	w->n++;
	w->held += any;
	w->starved += known && parts.runnable * 5 > parts.span;
	w->idle += !any && known && parts.parked * 2 > parts.span;
	if (!any || c.for_ns <= w->longest_ns)
		return;
	w->longest = l;
	w->longest_ns = c.for_ns;
	w->task = c.task;
}

void detect_workers_of(const struct detect_run *run, uint32_t process, uint32_t runtime,
		       uint64_t from_ns, uint64_t to_ns, uint64_t piece_ns,
		       struct detect_workers *ret)
{
	const struct model_process *p = model_process(run->model, process);

	*ret = (struct detect_workers){ .n = 0 };
	for (uint32_t i = 0; p && i < p->nlanes; i++) {
		const struct model_lane *l = p->lanes[i];

		if (l && detect_is_worker(l) && l->runtime == runtime)
			look(run, l, from_ns, to_ns, piece_ns, ret);
	}
}

/*
 * One that is in the driver turns it whenever there is something to do; one that waits for a CPU may be on its way. One that never was seen to
 * park may be in there since before we came, unless it runs: then it would have been seen to go back.
 */
static bool has_left(const struct model_lane *l, uint64_t from_ns, uint64_t now_ns)
{
	struct lane_parts parts;
	bool known = lane_shares(l, now_ns, &parts);

	if (l->open.task || l->poll_ns >= from_ns || l->driver_ns >= from_ns)
		return false;
	if (known && parts.runnable * 5 > parts.span)
		return false;
	return l->driver_ns || (!l->rec_parks && known && parts.busy + parts.own);
}

/* Somebody ran in the last second. Of a process that is stopped, nobody does. */
static bool is_running(const struct model_process *p, uint64_t now_ns)
{
	struct lane_parts parts;

	for (uint32_t i = 0; i < p->nlanes; i++)
		if (p->lanes[i] && lane_shares(p->lanes[i], now_ns, &parts) &&
		    parts.busy + parts.own)
			return true;
	return false;
}

bool detect_is_left(const struct detect_run *run, const struct model_task *t, uint64_t from_ns,
		    uint32_t *ret_threads)
{
	const struct model_process *p = model_process(run->model, t->process);
	const struct model_runtime *rt;

	*ret_threads = 0;
	if (!p || p->gone || t->runtime >= p->nruntimes || run->now_ns < from_ns + LEFT_NS ||
	    model_polls_since(run->model, t->process) > from_ns || !is_running(p, run->now_ns))
		return false;
	rt = &p->runtime[t->runtime];
	if (rt->info.kind != WEFT_RT_TOKIO || rt->info.flavour != WEFT_F_CURRENT_THREAD)
		return false;
	for (uint32_t i = 0; i < p->nlanes; i++) {
		const struct model_lane *l = p->lanes[i];

		if (!l || !detect_is_worker(l) || (l->runtime != rt->info.runtime && i != t->lane))
			continue;
		if (!has_left(l, from_ns, run->now_ns))
			return false;
		++*ret_threads;
	}
	return true;
}

char *detect_workers_holder(const struct detect_run *run, const struct detect_workers *w, char *buf,
			    size_t size)
{
	struct model_task *t = w->longest ? model_task(run->model, w->task) : NULL;

	buf[0] = 0;
	if (t)
		snprintf(buf, size, "%.60s (%.80s)", model_task_name(run->model, t),
			 model_task_location(run->model, t));
	return buf;
}
