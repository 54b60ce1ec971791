// SPDX-License-Identifier: MIT
/* Tokio, unmodified: round by round. What its programs put into the ring are events already. */
#include <errno.h>
#include <string.h>

#include "probes/source_tokio_internal.h"

#define HIT_NS 650.0 /* of one probe and its program, measured on 6.18 */
#define NORMAL_HITS \
	2u /* hits at normal for each one at light: a wake and a schedule beside begin and end */

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
	tokio_sample_lanes(w, 0);
}

static void tokio_second(void *ctx, struct process *p)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (!w)
		return;
	tokio_end_lanes(w, false);
	tokio_self_test(w);
	tokio_tell_counts(w, 0);
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

static bool tokio_load(void *ctx, struct process *p, struct source_load *ret)
{
	struct tokio_process *w = tokio_of(p);
	struct tokio_counts sum;

	(void)ctx;
	if (!w)
		return false;
	tokio_sum(w, &sum);
	*ret = (struct source_load){ 0 };
	ret->hits_ns = (uint64_t)((double)sum.hits * HIT_NS);
	ret->normal_hits_ns = (uint64_t)((double)(2 * sum.polls_told * NORMAL_HITS) * HIT_NS);
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
	if (tokio_window_shut(tokio_of(p)))
		ret->task = 0;
	if (!ret->task)
		tokio_window_unseen(tokio_of(p), lane, ret);
	return true;
}

static int tokio_want(void *ctx, struct process *p, const struct session_want *want)
{
	struct tokio_process *w = tokio_of(p);

	(void)ctx;
	if (!w || want->kind != SESSION_WANT_SNAPSHOT)
		return -EOPNOTSUPP;
	tokio_census_ask(w, want->value == 1);
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
