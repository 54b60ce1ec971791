// SPDX-License-Identifier: MIT
/* The C runtime, round by round: batches through its flush points, everything else from its mapping. */
#include <errno.h>
#include <string.h>

#include "probes/source_weft_internal.h"

#define PIECE_AGE_NS 10000000ull
#define REASON_NS    1000000000ull
#define RETRY_NS     2000000ull   /* looking for a mapping that is not there yet: at first */
#define RETRY_MAX_NS 100000000ull /* and later */

static struct weft_ev event_of(const struct weft_process *w, uint16_t kind)
{
	return (struct weft_ev){ .kind = kind,
				 .flags = w->p->dead ? WEFT_EVF_TAIL : 0,
				 .process = w->p->index,
				 .time_ns = w->p->session->now_ns };
}

static void emit_piece(void *ctx, uint32_t lane, uint32_t seq, uint32_t offset, const void *records,
		       uint32_t bytes)
{
	struct weft_process *w = ctx;
	struct {
		struct weft_ev_batch head;
		uint8_t records[WEFT_BATCH_BYTES];
	} e;
	struct weft_ev ev = event_of(w, WEFT_EV_BATCH);

	e.head = (struct weft_ev_batch){
		.lane = lane, .seq = seq, .offset = offset, .bytes = bytes
	};
	memcpy(e.records, records, bytes);
	ev.tid = lane < w->lanes_told ? w->told[lane].tid : 0;
	session_emit(w->p->session, ev, &e, sizeof(e.head) + bytes);
}

/* The programs count per process, gaps are found per lane and later: what grew of late is taken for the reason. */
static enum weft_gap_reason gap_reason(struct weft_process *w)
{
	const struct weft_follow_entry *f = &w->p->session->follow->entry[w->p->follow];
	uint64_t full = __atomic_load_n(&f->full, __ATOMIC_RELAXED);
	uint64_t failed = __atomic_load_n(&f->failed, __ATOMIC_RELAXED);
	uint64_t now_ns = w->p->session->now_ns;

	if (full != w->full_seen)
		w->full_ns = now_ns;
	if (failed != w->failed_seen)
		w->failed_ns = now_ns;
	w->full_seen = full;
	w->failed_seen = failed;
	if (w->full_ns && now_ns - w->full_ns < REASON_NS)
		return WEFT_GAP_RING_FULL;
	if (w->failed_ns && now_ns - w->failed_ns < REASON_NS)
		return WEFT_GAP_READ_FAILED;
	return WEFT_GAP_NOT_ATTACHED;
}

static void emit_gap(void *ctx, uint32_t lane, uint32_t from, uint32_t to)
{
	struct weft_process *w = ctx;
	struct weft_ev_gap e = {
		.lane = lane, .seq_from = from, .seq_to = to, .reason = gap_reason(w)
	};

	session_emit(w->p->session, event_of(w, WEFT_EV_GAP), &e, sizeof(e));
}

static struct lanes_out lanes_out_of(struct weft_process *w)
{
	return (struct lanes_out){ .ctx = w, .piece = emit_piece, .gap = emit_gap };
}

/* Looks for the mapping of a runtime that had not started yet, less and less often. */
static void look_for_mapping(struct weft_process *w)
{
	struct process *p = w->p;
	uint64_t wait = (p->session->now_ns - p->attached_ns) / 8;
	int err;

	if (p->state != PROCESS_WAITING || p->session->now_ns < p->retry_ns)
		return;
	p->retry_ns = p->session->now_ns + (wait < RETRY_NS       ? RETRY_NS
					    : wait > RETRY_MAX_NS ? RETRY_MAX_NS
								  : wait);
	err = weft_open_mapping(w, false);
	if (err && err != -ENOENT && !w->broken) {
		w->broken = true;
		weft_fail_mapping(w, err);
		session_cannot_see(p->session, p->index, "the runtime", "%s", p->session->error);
	}
}

/* A mapping with another pid in it is what was left of the parent's. */
static bool weft_own_runtime(void *ctx, pid_t pid)
{
	struct target_map *map;
	pid_t ns_pid;

	(void)ctx;
	if (process_ns_pid(pid, &ns_pid) || target_map_open(pid, ns_pid, &map))
		return false;
	target_map_close(map);
	return true;
}

static void weft_look(void *ctx, struct process *p)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	if (w && !w->map)
		look_for_mapping(w);
	if (!w || !w->map)
		return;
	gap_reason(w);
	lanes_look(w->lanes);
}

static bool deliver_batch(struct weft_process *w, const struct weft_ev *ev)
{
	const struct weft_ev_batch *batch = (const struct weft_ev_batch *)(const void *)(ev + 1);
	struct session *s = w->p->session;
	struct lanes_out out = lanes_out_of(w);
	struct {
		struct weft_ev_batch head;
		uint8_t records[WEFT_BATCH_BYTES];
	} e;
	uint32_t from, to;

	if (!lanes_batch(w->lanes, batch, &out, &from, &to))
		return true;
	if (from == 0 && to == batch->bytes) {
		s->sink(s->sink_ctx, ev);
		s->delivered++;
		return true;
	}
	e.head = *batch;
	e.head.offset = from;
	e.head.bytes = to - from;
	memcpy(e.records, (const uint8_t *)(batch + 1) + from, to - from);
	session_emit(s, *ev, &e, sizeof(e.head) + e.head.bytes);
	return true;
}

static bool weft_record(void *ctx, struct process *p, const struct weft_ev *ev, size_t bytes)
{
	struct weft_process *w = weft_of(p);
	const struct weft_ev_batch *batch = (const struct weft_ev_batch *)(const void *)(ev + 1);

	(void)ctx;
	if (ev->kind != WEFT_EV_BATCH)
		return false;
	if (!w || p->replaced || bytes < sizeof(*ev) + sizeof(*batch) ||
	    batch->bytes > bytes - sizeof(*ev) - sizeof(*batch))
		return true;
	if (!w->map) {
		p->retry_ns = 0;
		look_for_mapping(w); /* it writes, so the mapping is there now */
	}
	return w->map ? deliver_batch(w, ev) : true;
}

static void weft_settle(void *ctx, struct process *p)
{
	struct weft_process *w = weft_of(p);
	struct lanes_out out;

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_tell_runtimes(w, false);
	weft_tell_sites(w);
	weft_tell_lanes(w);
	out = lanes_out_of(w);
	lanes_settle(w->lanes, p->session->now_ns, PIECE_AGE_NS, &out);
	weft_census_step(w);
}

static bool weft_oldest(void *ctx, struct process *p, uint64_t *ret_ns)
{
	struct weft_process *w = weft_of(p);
	uint64_t stamp;

	(void)ctx;
	if (!w || !w->map || !lanes_oldest(w->lanes, &stamp))
		return false;
	*ret_ns = process_stamp_ns(p, stamp);
	return true;
}

static void weft_sample(void *ctx, struct process *p)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_sample_lanes(w, 0);
	weft_sample_runtimes(w);
}

static void weft_second(void *ctx, struct process *p)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	if (!w || !w->map)
		return;
	if (!w->broken && !target_map_whole(w->map)) {
		w->broken = true;
		session_cannot_see(p->session, p->index, "the trace mapping",
				   "the process has cut it; what was not flushed before is lost");
	}
	weft_tell_counts(w, 0);
	weft_census_due(w);
}

static void weft_cut(void *ctx, struct process *p, bool dead)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	(void)dead;
	if (w && w->map)
		lanes_cut(w->lanes);
}

static void weft_tail(void *ctx, struct process *p, bool dead)
{
	struct weft_process *w = weft_of(p);
	uint16_t flags = WEFT_EVF_LAST | (dead ? WEFT_EVF_TAIL : 0);
	struct lanes_out out;

	(void)ctx;
	if (!w || !w->map)
		return;
	weft_tell_sites(w);
	weft_tell_lanes(w);
	out = lanes_out_of(w);
	lanes_tail(w->lanes, &out);
	weft_sample_lanes(w, flags);
	weft_sample_runtimes(w);
	weft_tell_counts(w, flags);
}

static bool weft_load(void *ctx, struct process *p, struct source_load *ret)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	if (!w || !w->map)
		return false;
	weft_read_load(w, ret);
	return true;
}

static bool weft_poll_now(void *ctx, struct process *p, uint32_t lane, struct poll_now *ret)
{
	struct weft_process *w = weft_of(p);
	uint64_t at, start, now = p->session->now_ns;

	(void)ctx;
	if (!w || !w->map || lane >= lanes_count(w->lanes))
		return false;
	at = target_map_lane_offset(w->map, lane);
	if (!target_map_load64(w->map, at + offsetof(struct weft_lane, task), &ret->task) ||
	    !target_map_load64(w->map, at + offsetof(struct weft_lane, poll_start), &start) ||
	    !target_map_load64(w->map, at + offsetof(struct weft_lane, poll_seq), &ret->poll_seq))
		return false;
	start = start ? process_stamp_ns(p, start) : 0;
	ret->open_ns = !start ? UINT64_MAX : now > start ? now - start : 0;
	return true;
}

static int weft_want(void *ctx, struct process *p, const struct session_want *want)
{
	struct weft_process *w = weft_of(p);

	(void)ctx;
	if (!w || !w->map)
		return -EOPNOTSUPP;
	if (want->kind == SESSION_WANT_SNAPSHOT)
		weft_census_ask(w, want->value);
	else if (want->kind == SESSION_WANT_AWAIT)
		weft_census_ask_one(w, want->task);
	else
		return -EOPNOTSUPP;
	return 0;
}

const struct source source_weft = {
	.name = "weft",
	.open = source_weft_open,
	.close = source_weft_close,
	.attach = source_weft_attach,
	.detach = source_weft_detach,
	.own_runtime = weft_own_runtime,
	.level = source_weft_level,
	.load = weft_load,
	.look = weft_look,
	.record = weft_record,
	.settle = weft_settle,
	.oldest = weft_oldest,
	.sample = weft_sample,
	.second = weft_second,
	.cut = weft_cut,
	.tail = weft_tail,
	.poll_now = weft_poll_now,
	.want = weft_want,
};
