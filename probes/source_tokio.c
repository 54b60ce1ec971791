// SPDX-License-Identifier: MIT
/* Tokio, unmodified: round by round. What its programs put into the ring are events already. */
#include <errno.h>
#include <string.h>

#include "probes/source_tokio_internal.h"

#define HIT_NS 650.0 /* of one probe and its program, measured on 6.18 */
#define NORMAL_HITS \
	4.0 /* of a poll at normal, until it has been there: begin and end, a wake, a schedule */
#define ENOUGH_POLLS 100u          /* of a second, to tell how many hits go with one */
#define STAYS_NS     3000000000ull /* then the automatic level stays there */

static void tokio_look(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (w && p->state == PROCESS_WAITING)
		tokio_go_live(w);
	if (w)
		tokio_window_step(w);
}

static bool tokio_on_record(void *ctx, struct process *p, const struct weft_ev *ev, size_t bytes)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	return w && tokio_record(w, ev, bytes);
}

static void tokio_settle(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	if (!w)
		return;
	tokio_end_lanes(w, false);
	if (p->state == PROCESS_LIVE && !w->looked_for_open) {
		w->looked_for_open = true;
		tokio_find_open(w);
	}
	tokio_tell_lanes(ctx);
	tokio_census_step(tokio_of(p));
}

static void tokio_sample(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (!w)
		return;
	if (w->p->state == PROCESS_LIVE)
		tokio_queues_look(w);
	tokio_block_on_look(w);
	tokio_sample_lanes(w, 0);
}

/* The switch programs run as long as one process is above light: then all workers are seen to park. */
static bool switches_seen(const struct session *s)
{
	for (const struct process *p = s->processes; p; p = p->next)
		if (p->state != PROCESS_ENDED && p->level > WEFT_LEVEL_LIGHT)
			return true;
	return false;
}

/* Late drivers of Tokio only: how long the others' are told to wait is not seen at any level. */
static void tell_light(struct tokio_process *w)
{
	if (rust_plan_has_types(w->plan, RUST_TOKIO) ||
	    !rust_plan_has_types(w->plan, RUST_ASYNC_TASK))
		session_cannot_see(
			w->p->session, w->p->index, "workers parking, late drivers",
			"level light has no eye on what leaves the CPU: it tells neither when workers sleep nor how late drivers and timers are; normal does");
	else
		session_cannot_see(
			w->p->session, w->p->index, "workers parking, timers",
			"level light has no eye on what leaves the CPU, nor on timers: it tells neither when workers sleep nor how late timers are; normal does");
}

static void say_light(struct tokio_process *w)
{
	struct session *s = w->p->session;

	if (w->p->level != WEFT_LEVEL_LIGHT)
		w->light_ns = 0;
	else if (!w->light_ns)
		w->light_ns = s->now_ns;
	if (w->said_light || !w->light_ns || switches_seen(s) ||
	    (!s->level && s->now_ns - w->light_ns < STAYS_NS))
		return;
	w->said_light = true;
	tell_light(w);
}

static void tokio_second(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (!w)
		return;
	tokio_lanes_leave(w);
	tokio_self_test(w);
	tokio_tell_counts(w, 0);
	say_light(w);
}

/* Before the ring is read for the last time: then all that was counted is in it, or was lost. */
static void tokio_cut(void *ctx, struct process *p, bool dead)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	(void)dead;
	if (w)
		tokio_stop(w);
}

static void tokio_tail(void *ctx, struct process *p, bool dead)
{
	struct tokio_process *w = tokio_of(p);
	uint16_t flags = WEFT_EVF_LAST | (dead ? WEFT_EVF_TAIL : 0);

	if (!w)
		return;
	tokio_tell_lanes(ctx);
	tokio_sample_lanes(w, flags);
	tokio_self_test(w);
	tokio_tell_counts(w, flags);
}

/* What goes with a poll differs: timers that are armed, wakes, turns of the driver. It is known of what was at normal once. */
static void add_load(struct tokio_process *w, const struct tokio_counts *sum)
{
	struct tokio_load *l = &w->load;
	bool normal = w->p->level == WEFT_LEVEL_NORMAL;
	uint64_t polls = sum->polls_told > l->polls ? sum->polls_told - l->polls : 0;

	if (!l->poll_hits)
		l->poll_hits = NORMAL_HITS;
	if (normal && l->normal && polls >= ENOUGH_POLLS)
		l->poll_hits = (double)(sum->hits - l->hits) / (double)polls;
	l->normal_ns += (double)polls * l->poll_hits * HIT_NS;
	l->normal = normal;
	l->polls = sum->polls_told;
	l->hits = sum->hits;
}

static bool tokio_load(void *ctx, struct process *p, struct source_load *ret)
{
	struct tokio_process *w = tokio_of(p);
	struct tokio_counts sum;

	(void)ctx;
	if (!w)
		return false;
	tokio_sum(w, &sum);
	add_load(w, &sum);
	*ret = (struct source_load){ 0 };
	ret->hits_ns = (uint64_t)((double)sum.hits * HIT_NS);
	ret->normal_hits_ns = (uint64_t)w->load.normal_ns;
	return true;
}

static bool tokio_poll_now(void *ctx, struct process *p, uint32_t lane, struct poll_now *ret)
{
	const struct tokio_state *state = ctx;
	const struct weft_row *row;
	uint64_t start;

	if (lane >= state->lanes_used || state->lane[lane].owner != p)
		return false;
	row = tokio_row(state, lane);
	ret->task = __atomic_load_n(&row->task, __ATOMIC_RELAXED);
	ret->poll_seq = __atomic_load_n(&row->poll_seq, __ATOMIC_RELAXED);
	start = __atomic_load_n(&row->poll_start, __ATOMIC_RELAXED);
	ret->open_ns = p->session->now_ns > start ? p->session->now_ns - start : 0;
	if (tokio_window_blind(tokio_of(p)))
		ret->task = 0;
	if (!ret->task)
		tokio_window_unseen(tokio_of(p), lane, ret);
	return true;
}

/* In the console: what could not be done is told as what can't be seen. */
static int raise_wanted(struct tokio_process *w, const struct session_want *want)
{
	int err = 0;

	if (want->value == UINT32_MAX)
		tokio_lower(w);
	else
		err = tokio_raise_site(w, want->value, want->task);
	if (err)
		session_cannot_see(w->p->session, w->p->index, "all polls of what is raised", "%s",
				   tokio_raise_error(err));
	return err;
}

static int tokio_want(void *ctx, struct process *p, const struct session_want *want)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (w && want->kind == SESSION_WANT_RAISE)
		return raise_wanted(w, want);
	/* A task's handle says who awaits it, not the task itself whom it awaits: all are asked. */
	if (!w || (want->kind != SESSION_WANT_SNAPSHOT && want->kind != SESSION_WANT_AWAIT))
		return -EOPNOTSUPP;
	tokio_census_ask(w, want->kind == SESSION_WANT_AWAIT || want->value == 1);
	return 0;
}

const struct source source_tokio = {
	.name = "tokio",
	.open = source_tokio_open,
	.close = source_tokio_close,
	.attach = source_tokio_attach,
	.detach = source_tokio_detach,
	.level = source_tokio_level,
	.load = tokio_load,
	.look = tokio_look,
	.record = tokio_on_record,
	.settle = tokio_settle,
	.sample = tokio_sample,
	.second = tokio_second,
	.cut = tokio_cut,
	.tail = tokio_tail,
	.poll_now = tokio_poll_now,
	.want = tokio_want,
};
