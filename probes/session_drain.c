// SPDX-License-Identifier: MIT
/* Draining: one round over the ring and the mappings, samples that are due, the watermark, the end. */
#include <string.h>

#include "probes/session_internal.h"

#define RECORDS_PER_DRAIN 8192u
#define RING_WAIT_NS      20000000ull /* a program may be preempted between reserve and submit */
#define STAMP_SLACK_NS    1000000ull  /* from taking a stamp to committing the record */
#define WATERMARK_LAG_NS \
	200000000ull /* no target may hold the order of all others back for longer */

static struct process *process_at(struct session *s, uint32_t index)
{
	struct process *p = s->processes;

	while (p && p->index != index)
		p = p->next;
	return p;
}

static void on_record(void *ctx, const void *record, size_t bytes)
{
	const struct weft_ev *ev = record;
	struct session *s = ctx;
	struct process *p;

	if (bytes < sizeof(*ev))
		return;
	if (ev->kind == WEFT_RAW_FORK || ev->kind == WEFT_RAW_EXEC || ev->kind == WEFT_RAW_EXIT) {
		session_life_record(s, ev, bytes);
		return;
	}
	p = process_at(s, ev->process);
	for (unsigned i = 0; p && sources[i]; i++)
		if (sources[i]->record && s->source_state[i] &&
		    sources[i]->record(s->source_state[i], p, ev, bytes))
			return;
}

void session_read_ring(struct session *s)
{
	uint64_t until = ring_head(s->ring), give_up = clock_pair_now_ns() + RING_WAIT_NS;

	do
		s->ring_read = ring_read(s->ring, until, UINT32_MAX, on_record, s);
	while (!s->ring_read && clock_pair_now_ns() < give_up);
}

#define EACH_SOURCE(p, op)                                                         \
	for (unsigned source_i = 0; sources[source_i]; source_i++)                 \
		if (sources[source_i]->op && (p)->session->source_state[source_i]) \
	sources[source_i]->op((p)->session->source_state[source_i], (p))

static uint64_t process_watermark(struct process *p, uint64_t begun_ns)
{
	uint64_t mark = begun_ns - STAMP_SLACK_NS, ns;

	for (unsigned i = 0; sources[i]; i++)
		if (sources[i]->oldest && p->session->source_state[i] &&
		    sources[i]->oldest(p->session->source_state[i], p, &ns) && ns < mark)
			mark = ns;
	return mark + WATERMARK_LAG_NS < begun_ns ? begun_ns - WATERMARK_LAG_NS : mark;
}

static void emit_watermark(struct session *s, uint32_t process, uint64_t ns)
{
	session_emit(s,
		     (struct weft_ev){
			     .kind = WEFT_EV_WATERMARK, .process = process, .time_ns = ns },
		     NULL, 0);
}

static void advance_watermarks(struct session *s, uint64_t begun_ns)
{
	uint64_t all = begun_ns - STAMP_SLACK_NS;

	for (struct process *p = s->processes; p; p = p->next) {
		uint64_t mark;

		if (p->state != PROCESS_LIVE)
			continue;
		mark = process_watermark(p, begun_ns);
		if (mark > p->watermark_ns) {
			p->watermark_ns = mark;
			emit_watermark(s, p->index, mark);
		}
		if (p->watermark_ns < all)
			all = p->watermark_ns;
	}
	if (all > s->watermark_ns) {
		s->watermark_ns = all;
		emit_watermark(s, WEFT_EV_ALL, all);
	}
}

static void emit_clock(struct process *p)
{
	const struct clock_pair *c = &p->session->clock;
	struct weft_ev_clock e = { .stamp = c->stamp, .mono_ns = c->mono_ns, .mult = c->mult };

	if (p->clock != WEFT_CLOCK_TSC) {
		e.stamp = c->mono_ns;
		e.mult = 1ull << 32;
	}
	session_emit(p->session,
		     (struct weft_ev){
			     .kind = WEFT_EV_CLOCK, .process = p->index, .time_ns = c->mono_ns },
		     &e, sizeof(e));
}

void session_announce(struct process *p)
{
	process_announce(p);
	emit_clock(p);
}

static void start_all(struct session *s)
{
	for (struct process *p = s->processes; p; p = p->next)
		if (!p->started && p->state == PROCESS_LIVE) {
			p->started = true;
			EACH_SOURCE(p, started);
		}
}

static void tell_lost(struct session *s, uint64_t at_ns)
{
	uint64_t lost = s->lost.lost[WEFT_EV_OFFCPU - WEFT_EV_BATCH];

	s->losing = lost != s->lost_told;
	s->lost_told = lost;
	s->lost_ns = s->losing ? clock_pair_now_ns() : 0;
	session_emit(s, (struct weft_ev){ .kind = WEFT_EV_LOST, .time_ns = at_ns }, &s->lost,
		     sizeof(s->lost));
}

/*
 * Time that a poll spent off the CPU looks like CPU time where the switch was lost. So that is told before what else came in
 * this round, and again when no more are lost.
 */
static void tell_losses(struct session *s)
{
	bool more = s->lost.lost[WEFT_EV_OFFCPU - WEFT_EV_BATCH] != s->lost_told;
	uint64_t from_ns = more ? s->watermark_ns : s->lost_ns;

	if (!more && !s->losing)
		return;
	for (struct process *p = s->processes; p; p = p->next)
		if (p->watermark_ns > from_ns)
			from_ns = p->watermark_ns;
	tell_lost(s, from_ns);
}

static void every_second(struct session *s)
{
	clock_pair_update(&s->clock);
	for (struct process *p = s->processes; p; p = p->next) {
		if (p->state != PROCESS_LIVE)
			continue;
		emit_clock(p);
		process_sample(p);
		process_sample_cpus(p);
		session_level_second(p);
		EACH_SOURCE(p, second);
	}
	if (!s->losing)
		tell_lost(s, s->now_ns);
}

static void due_work(struct session *s)
{
	if (s->now_ns >= s->next_sample_ns) {
		s->next_sample_ns = s->now_ns + SESSION_SAMPLE_NS;
		for (struct process *p = s->processes; p; p = p->next)
			if (p->state == PROCESS_LIVE)
				EACH_SOURCE(p, sample);
	}
	if (s->now_ns >= s->next_second_ns) {
		s->next_second_ns = s->now_ns + SESSION_SECOND_NS;
		every_second(s);
	}
}

static void look_all(struct session *s)
{
	for (struct process *p = s->processes; p; p = p->next)
		if (p->state != PROCESS_ENDED)
			EACH_SOURCE(p, look);
}

static void settle_all(struct session *s)
{
	for (struct process *p = s->processes; p; p = p->next)
		if (p->state == PROCESS_LIVE)
			EACH_SOURCE(p, settle);
}

static void begin(struct session *s, session_sink sink, void *ctx)
{
	s->sink = sink;
	s->sink_ctx = ctx;
	s->delivered = 0;
	s->now_ns = clock_pair_now_ns();
	session_emit_queue(s);
}

int session_drain(struct session *s, session_sink sink, void *ctx)
{
	if (s->finished)
		return 0;
	begin(s, sink, ctx);
	session_life_check(s);
	look_all(s);
	start_all(s);
	s->ring_read = ring_read(s->ring, ring_head(s->ring), RECORDS_PER_DRAIN, on_record, s);
	if (s->ring_read) {
		settle_all(s);
		session_life_settle(s);
		tell_losses(s);
		advance_watermarks(s, s->now_ns);
	}
	due_work(s);
	s->sink = NULL;
	return s->delivered;
}

int session_finish(struct session *s, session_sink sink, void *ctx)
{
	if (s->finished)
		return 0;
	begin(s, sink, ctx);
	session_life_check(s);
	look_all(s);
	start_all(s);
	for (struct process *p = s->processes; p; p = p->next)
		if (p->state != PROCESS_ENDED)
			session_life_end(p, p->dead);
	session_emit(s,
		     (struct weft_ev){ .kind = WEFT_EV_LOST,
				       .flags = WEFT_EVF_LAST,
				       .time_ns = clock_pair_now_ns() },
		     &s->lost, sizeof(s->lost));
	emit_watermark(s, WEFT_EV_ALL, clock_pair_now_ns());
	s->finished = true;
	s->sink = NULL;
	return s->delivered;
}
