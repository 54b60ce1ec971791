/* SPDX-License-Identifier: MIT */
/* Session events: sizes, text fields, and the few numbers that a record carries besides the event itself. */
#include <errno.h>
#include <stddef.h>

#include "collector/decode.h"

static const struct {
	uint16_t kind, bytes;
} sizes[] = {
	{ WEFT_EV_BATCH, sizeof(struct weft_ev_batch) },
	{ WEFT_EV_SESSION, sizeof(struct weft_ev_session) },
	{ WEFT_EV_PROCESS, sizeof(struct weft_ev_process) },
	{ WEFT_EV_PROCESS_FORK, sizeof(struct weft_ev_fork) },
	{ WEFT_EV_PROCESS_EXEC, sizeof(struct weft_ev_exec) },
	{ WEFT_EV_PROCESS_EXIT, sizeof(struct weft_ev_exit) },
	{ WEFT_EV_RUNTIME, offsetof(struct weft_ev_runtime, fingerprint) },
	{ WEFT_EV_LANE, sizeof(struct weft_ev_lane) },
	{ WEFT_EV_SITE, sizeof(struct weft_ev_site) },
	{ WEFT_EV_CLOCK, sizeof(struct weft_ev_clock) },
	{ WEFT_EV_WATERMARK, 0 },
	{ WEFT_EV_OFFCPU, sizeof(struct weft_ev_offcpu) },
	{ WEFT_EV_FRAME, sizeof(struct weft_ev_frame) },
	{ WEFT_EV_MODULE, sizeof(struct weft_ev_module) },
	{ WEFT_EV_STACK, sizeof(struct weft_ev_stack) },
	{ WEFT_EV_LANE_SAMPLE, sizeof(struct weft_ev_lane_sample) },
	{ WEFT_EV_RUNTIME_SAMPLE, sizeof(struct weft_ev_runtime_sample) },
	{ WEFT_EV_PROCESS_SAMPLE, sizeof(struct weft_ev_process_sample) },
	{ WEFT_EV_SNAPSHOT_BEGIN, sizeof(struct weft_ev_snapshot) },
	{ WEFT_EV_SNAPSHOT_TASK, sizeof(struct weft_ev_snapshot_task) },
	{ WEFT_EV_SNAPSHOT_END, sizeof(struct weft_ev_snapshot) },
	{ WEFT_EV_COUNTS, sizeof(struct weft_ev_counts) },
	{ WEFT_EV_GAP, sizeof(struct weft_ev_gap) },
	{ WEFT_EV_LOST, sizeof(struct weft_ev_lost) },
	{ WEFT_EV_LEVEL_SET, sizeof(struct weft_ev_level) },
	{ WEFT_EV_CANNOT_SEE, sizeof(struct weft_ev_cannot_see) },
	{ WEFT_EV_PLACE, sizeof(struct weft_ev_place) },
	{ WEFT_EV_AWAIT, sizeof(struct weft_ev_await) },
	{ WEFT_EV_CPUS, sizeof(struct weft_ev_cpus) },
	{ WEFT_EV_AWAITED, sizeof(struct weft_ev_awaited) },
	{ WEFT_EV_RAISED, sizeof(struct weft_ev_raised) },
	{ WEFT_EV_BLOCK_ON, sizeof(struct weft_ev_block_on) },
};

/* Last byte of each text field. */
#define FIELD(type, field) \
	(uint16_t)(offsetof(struct type, field) + sizeof(((struct type *)0)->field) - 1)
static const struct {
	uint16_t kind, at;
} text_ends[] = {
	{ WEFT_EV_SESSION, FIELD(weft_ev_session, boot_id) },
	{ WEFT_EV_SESSION, FIELD(weft_ev_session, kernel) },
	{ WEFT_EV_SESSION, FIELD(weft_ev_session, machine) },
	{ WEFT_EV_PROCESS, FIELD(weft_ev_process, comm) },
	{ WEFT_EV_PROCESS, FIELD(weft_ev_process, exe) },
	{ WEFT_EV_PROCESS, FIELD(weft_ev_process, build_id) },
	{ WEFT_EV_PROCESS_EXEC, FIELD(weft_ev_exec, exe) },
	{ WEFT_EV_RUNTIME, FIELD(weft_ev_runtime, version) },
	{ WEFT_EV_RUNTIME, FIELD(weft_ev_runtime, name) },
	{ WEFT_EV_LANE, FIELD(weft_ev_lane, name) },
	{ WEFT_EV_SITE, FIELD(weft_ev_site, func) },
	{ WEFT_EV_SITE, FIELD(weft_ev_site, name) },
	{ WEFT_EV_SITE, FIELD(weft_ev_site, file) },
	{ WEFT_EV_MODULE, FIELD(weft_ev_module, build_id) },
	{ WEFT_EV_MODULE, FIELD(weft_ev_module, path) },
	{ WEFT_EV_FRAME, FIELD(weft_ev_frame, func) },
	{ WEFT_EV_FRAME, FIELD(weft_ev_frame, file) },
	{ WEFT_EV_SNAPSHOT_TASK, FIELD(weft_ev_snapshot_task, name) },
	{ WEFT_EV_LEVEL_SET, FIELD(weft_ev_level, why) },
	{ WEFT_EV_CANNOT_SEE, FIELD(weft_ev_cannot_see, what) },
	{ WEFT_EV_CANNOT_SEE, FIELD(weft_ev_cannot_see, why) },
	{ WEFT_EV_PLACE, FIELD(weft_ev_place, func) },
	{ WEFT_EV_PLACE, FIELD(weft_ev_place, file) },
};

int decode_size(unsigned kind)
{
	unsigned i = kind - WEFT_EV_BATCH;

	return i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i].kind == kind ? sizes[i].bytes : -1;
}

bool decode_is_definition(unsigned kind)
{
	switch (kind) {
	case WEFT_EV_SESSION:
	case WEFT_EV_PROCESS:
	case WEFT_EV_RUNTIME:
	case WEFT_EV_LANE:
	case WEFT_EV_SITE:
	case WEFT_EV_MODULE:
	case WEFT_EV_FRAME:
	case WEFT_EV_PLACE:
		return true;
	default:
		return false;
	}
}

void decode_terminate(struct weft_ev *ev)
{
	char *payload = (char *)(ev + 1);

	for (size_t i = 0; i < sizeof(text_ends) / sizeof(text_ends[0]); i++)
		if (text_ends[i].kind == ev->kind)
			payload[text_ends[i].at] = 0;
}

static uint64_t task_of(const struct weft_ev *ev, uint64_t id)
{
	id &= (1ull << WEFT_TASK_PROCESS_SHIFT) - 1;
	return id ? (uint64_t)ev->process << WEFT_TASK_PROCESS_SHIFT | id : 0;
}

static uint16_t lane_of(uint32_t lane)
{
	return lane < WEFT_MAX_LANES ? (uint16_t)lane : WEFT_NO_LANE;
}

static void offcpu(const struct weft_ev *ev, struct record *r)
{
	const struct weft_ev_offcpu *o = (const struct weft_ev_offcpu *)(ev + 1);
	uint64_t whole = o->on_ns > o->off_ns ? o->on_ns - o->off_ns : 0;

	if (o->wake_ns >= o->off_ns && o->wake_ns <= o->on_ns)
		r->a = o->wake_ns - o->off_ns;
	r->b = whole - r->a;
	r->c = (uint64_t)(int64_t)o->syscall;
	r->d = o->poll_seq;
	r->task = task_of(ev, o->task);
	r->lane = lane_of(o->lane);
}

static bool stack(const struct weft_ev *ev, struct record *r)
{
	const struct weft_ev_stack *s = (const struct weft_ev_stack *)(ev + 1);
	uint64_t room = (ev->size - sizeof(*ev) - sizeof(*s)) / 4;

	r->task = task_of(ev, s->task);
	r->lane = lane_of(s->lane);
	return s->frames <= room && s->kernel_frames <= s->frames;
}

static bool await(const struct weft_ev *ev, struct record *r)
{
	const struct weft_ev_await *a = (const struct weft_ev_await *)(ev + 1);
	uint64_t room = (ev->size - sizeof(*ev) - sizeof(*a)) / 4;

	r->task = task_of(ev, a->task);
	return a->places <= room && a->places <= WEFT_AWAIT_DEPTH;
}

/* The few that belong to a task or a lane. */
static bool subject(const struct weft_ev *ev, struct record *r)
{
	const void *payload = ev + 1;

	switch (ev->kind) {
	case WEFT_EV_OFFCPU:
		offcpu(ev, r);
		return true;
	case WEFT_EV_STACK:
		return stack(ev, r);
	case WEFT_EV_AWAIT:
		return await(ev, r);
	case WEFT_EV_LANE_SAMPLE:
		r->lane = lane_of(((const struct weft_ev_lane_sample *)payload)->lane);
		r->task = task_of(ev, ((const struct weft_ev_lane_sample *)payload)->task);
		return true;
	case WEFT_EV_LANE:
		r->lane = lane_of(((const struct weft_ev_lane *)payload)->lane);
		return r->lane != WEFT_NO_LANE;
	case WEFT_EV_GAP:
		r->lane = lane_of(((const struct weft_ev_gap *)payload)->lane);
		return true;
	case WEFT_EV_AWAITED:
		r->task = task_of(ev, ((const struct weft_ev_awaited *)payload)->task);
		return true;
	case WEFT_EV_BLOCK_ON:
		r->task = task_of(ev, ((const struct weft_ev_block_on *)payload)->due_task);
		return true;
	case WEFT_EV_SNAPSHOT_TASK:
		r->task = task_of(ev, ((const struct weft_ev_snapshot_task *)payload)->task);
		return true;
	default:
		return true;
	}
}

int decode_flat(const struct weft_ev *ev, uint64_t start_ns, struct record *ret)
{
	int need = decode_size(ev->kind);
	uint64_t t = ev->time_ns > start_ns ? ev->time_ns - start_ns : 0;
	struct record r = { .process = ev->process,
			    .kind = ev->kind,
			    .tid = ev->tid,
			    .ev = ev,
			    .lane = WEFT_NO_LANE };

	if (need < 0 || ev->size < sizeof(*ev) + (size_t)need ||
	    ev->process >= ACCOUNTS_MAX_PROCESSES)
		return -EBADMSG;
	r.t_ns = t > INT64_MAX ? INT64_MAX : t;
	if (ev->flags & WEFT_EVF_TAIL)
		r.flags |= RECORD_TAIL;
	if (ev->flags & WEFT_EVF_SNAPSHOT)
		r.flags |= RECORD_SNAPSHOT;
	if (!subject(ev, &r))
		return -EBADMSG;
	*ret = r;
	return 0;
}
