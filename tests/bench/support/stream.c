/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANES    4
#define QUEUE    64
#define SLICE_NS 10000000ull
#define START_NS 1000000000000ull
#define SITES    24

struct lane {
	uint64_t t; /* its time */
	uint8_t page[WEFT_BATCH_BYTES];
	uint32_t used, seq, records;
	uint64_t emitted;
	struct {
		uint64_t task, since;
		uint32_t polls; /* still to come before it ends; spawn-heavy */
	} queue[QUEUE];         /* made runnable */
	uint32_t head, tail;
};

struct maker {
	struct stream *s;
	enum stream_mix mix;
	uint64_t seed, next_task, timer;
	uint64_t hot[200];
	struct lane lane[LANES];
	struct weft_ev_counts counts;
};

const char *stream_name(enum stream_mix mix)
{
	static const char *const names[] = { "poll_heavy", "spawn_heavy", "tasks_200k" };

	return names[mix];
}

static uint64_t rnd(struct maker *m)
{
	m->seed ^= m->seed << 13;
	m->seed ^= m->seed >> 7;
	m->seed ^= m->seed << 17;
	return m->seed;
}

static double unit(struct maker *m)
{
	return ((double)(rnd(m) >> 11) + 1) / 9007199254740994.0;
}

/* Lognormal: median 1.1 us, a long tail. */
static uint64_t duration(struct maker *m)
{
	return (uint64_t)exp(7.0 + 0.9 * sqrt(-2 * log(unit(m))) * cos(6.2831853 * unit(m)));
}

/* ---- events ---- */

static void *append(struct stream *s, unsigned kind, uint64_t t, size_t payload, uint16_t flags)
{
	size_t size = sizeof(struct weft_ev) + ((payload + 7) & ~(size_t)7);
	struct weft_ev *ev;

	if (s->bytes + size > s->room) {
		s->room = s->room ? s->room * 2 : (size_t)64 << 20;
		s->at = realloc(s->at, s->room);
		if (!s->at)
			abort();
	}
	ev = (struct weft_ev *)(s->at + s->bytes);
	memset(ev, 0, size);
	*ev = (struct weft_ev){ .size = (uint32_t)size,
				.kind = (uint16_t)kind,
				.time_ns = START_NS + t,
				.flags = flags };
	s->bytes += size;
	return ev + 1;
}

static void flush(struct maker *m, unsigned index)
{
	struct lane *l = &m->lane[index];
	struct weft_batch head = { WEFT_BATCH_MAGIC, (uint16_t)index, WEFT_ABI_VERSION, l->seq, 2,
				   l->emitted,       START_NS + l->t };
	struct weft_ev_batch *b;

	if (!l->records)
		return;
	memcpy(l->page, &head, sizeof(head));
	b = append(m->s, WEFT_EV_BATCH, l->t, sizeof(*b) + l->used, 0);
	*b = (struct weft_ev_batch){ index, l->seq, 0, l->used, START_NS + l->t, START_NS + l->t };
	memcpy(b + 1, l->page, l->used);
	((struct weft_ev *)b - 1)->tid = 1000 + index;
	l->seq++;
	l->emitted += l->records;
	l->records = 0;
	l->used = sizeof(head);
}

static void record(struct maker *m, unsigned index, unsigned kind, unsigned words,
		   const uint64_t *w)
{
	struct lane *l = &m->lane[index];
	uint64_t first = WEFT_WORD0(kind, START_NS + l->t);

	if (l->used + words * 8 > WEFT_BATCH_BYTES)
		flush(m, index);
	memcpy(l->page + l->used, &first, 8);
	memcpy(l->page + l->used + 8, w, (words - 1) * 8ull);
	l->used += words * 8;
	l->records++;
	m->counts.emitted[kind]++;
	m->s->records++;
}

static void step(struct lane *l, uint64_t ns)
{
	l->t += ns;
}

static void wake(struct maker *m, unsigned index, uint64_t task, uint64_t waker, unsigned kind,
		 uint32_t polls)
{
	struct lane *l = &m->lane[index];
	uint64_t w[2] = { task, waker | (uint64_t)kind << 48 | 1ull << 56 };

	if (l->tail - l->head == QUEUE)
		return;
	record(m, index, WEFT_K_TASK_WAKE, 3, w);
	l->queue[l->tail % QUEUE].task = task;
	l->queue[l->tail % QUEUE].since = l->t;
	l->queue[l->tail++ % QUEUE].polls = polls;
}

static uint64_t pick(struct maker *m)
{
	if (m->mix == STREAM_TASKS_200K)
		return 1 + rnd(m) % 200000;
	return rnd(m) % 10 < 7 ? m->hot[rnd(m) % 200] : 1 + rnd(m) % 2000;
}

static void poll_end(struct maker *m, unsigned index, uint64_t task, uint64_t dur, uint64_t delay,
		     bool ready)
{
	uint64_t w[3] = { task, dur | (uint64_t)ready << 48, delay };

	record(m, index, WEFT_K_TASK_POLL, 4, w);
}

static void spawn(struct maker *m, unsigned index, uint64_t task, uint64_t parent, unsigned site)
{
	uint64_t w[4] = { task | 1ull << 48, parent, site | (uint64_t)(200 + 16 * site) << 32, 1 };

	record(m, index, WEFT_K_TASK_SPAWN, 5, w);
}

static void end(struct maker *m, unsigned index, uint64_t task)
{
	uint64_t w[2] = { task, (uint64_t)WEFT_E_DONE << 48 },
		 drop[2] = { task, (uint64_t)WEFT_D_COMPLETE << 48 };

	record(m, index, WEFT_K_TASK_END, 3, w);
	step(&m->lane[index], 30);
	record(m, index, WEFT_K_HANDLE_DROP, 3, drop);
}

/* Timers, parks and steals now and then. */
static void sundry(struct maker *m, unsigned index)
{
	struct lane *l = &m->lane[index];
	uint64_t timer[3] = { ++m->timer, pick(m), START_NS + l->t - rnd(m) % 100000 },
		 park[2] = { 1 | (uint64_t)index << 32, 0 };

	switch (rnd(m) % 3) {
	case 0:
		record(m, index, WEFT_K_TIMER_FIRE, 4, timer);
		break;
	case 1:
		park[1] = rnd(m) % 3000;
		step(l, park[1]);
		record(m, index, WEFT_K_WORKER_UNPARK, 3, park);
		break;
	default:
		park[0] = index | (uint64_t)((index + 1) % LANES) << 16 | (1 + rnd(m) % 4) << 32;
		park[1] = 1;
		record(m, index, WEFT_K_STEAL, 3, park);
	}
}

/* One poll and what happens in and around it. */
static void turn(struct maker *m, unsigned index)
{
	struct lane *l = &m->lane[index];
	uint64_t dur = duration(m), task, since, begin;
	uint32_t polls;

	if (l->head == l->tail)
		wake(m, index, m->mix == STREAM_SPAWN_HEAVY ? 1 : pick(m), 0, WEFT_W_IO, 0);
	task = l->queue[l->head % QUEUE].task;
	since = l->queue[l->head % QUEUE].since;
	polls = l->queue[l->head++ % QUEUE].polls;
	step(l, 150 + rnd(m) % 200);
	begin = l->t;
	if (m->mix == STREAM_SPAWN_HEAVY) {
		if (task == 1) {
			for (unsigned k = 0; k < 3; k++) {
				step(l, 100 + rnd(m) % 100);
				spawn(m, index, ++m->next_task, 1, 1 + (unsigned)(rnd(m) % SITES));
				wake(m, index, m->next_task, 1, WEFT_W_SPAWN, 2);
			}
		} else if (polls > 1) {
			step(l, dur / 2);
			wake(m, index, task, task, WEFT_W_TASK, 1);
		}
	} else {
		for (unsigned k = rnd(m) % (m->mix == STREAM_POLL_HEAVY ? 3 : 2); k > 0; k--) {
			step(l, dur / 3);
			wake(m, index, pick(m), task, WEFT_W_TASK, 0);
		}
	}
	l->t = l->t > begin + dur ? l->t + 40 : begin + dur;
	poll_end(m, index, task, l->t - begin, begin - since, polls == 1);
	if (polls == 1) {
		step(l, 40);
		end(m, index, task);
	}
	/* A poll nobody's wake explains: the share of polls that the mix wants. */
	if (m->mix == STREAM_POLL_HEAVY && rnd(m) % 100 < 60) {
		dur = duration(m);
		step(l, 200 + dur);
		poll_end(m, index, pick(m), dur, rnd(m) % 20000, false);
	}
	if (rnd(m) % 25 == 0)
		sundry(m, index);
}

static void introduce(struct maker *m)
{
	struct weft_ev_session *head = append(m->s, WEFT_EV_SESSION, 0, sizeof(*head), 0);
	struct weft_ev_process *process;
	struct weft_ev_clock *clock;
	struct weft_ev_runtime *runtime;

	head->version = WEFT_EVENT_VERSION;
	head->realtime_ns = 1700000000000000000ull;
	process = append(m->s, WEFT_EV_PROCESS, 0, sizeof(*process), 0);
	process->pid = 1000;
	strcpy(process->comm, "bench");
	clock = append(m->s, WEFT_EV_CLOCK, 0, sizeof(*clock), 0);
	*clock = (struct weft_ev_clock){ START_NS, START_NS, 1ull << 32 };
	runtime = append(m->s, WEFT_EV_RUNTIME, 0, sizeof(*runtime), 0);
	*runtime = (struct weft_ev_runtime){
		.runtime = 1, .kind = WEFT_RT_WEFT, .flavour = WEFT_F_MULTI_THREAD, .workers = LANES
	};
	for (uint32_t i = 0; i < LANES; i++) {
		struct weft_ev_lane *lane = append(m->s, WEFT_EV_LANE, 0, sizeof(*lane), 0);

		*lane = (struct weft_ev_lane){
			.lane = i, .role = WEFT_LANE_WORKER, .runtime = 1, .worker = i
		};
		((struct weft_ev *)lane - 1)->tid = 1000 + i;
	}
	for (uint32_t i = 1; i <= SITES; i++) {
		struct weft_ev_site *site = append(m->s, WEFT_EV_SITE, 0, sizeof(*site), 0);

		site->site = i;
		site->line = 10 * i;
		snprintf(site->name, sizeof(site->name), "task_%u", i);
		snprintf(site->file, sizeof(site->file), "bench.c");
	}
}

static void finish(struct maker *m, uint64_t t)
{
	struct weft_ev_counts *counts =
		append(m->s, WEFT_EV_COUNTS, t, sizeof(*counts), WEFT_EVF_LAST);

	*counts = m->counts;
	append(m->s, WEFT_EV_WATERMARK, t + 1, 0, 0);
	m->s->span_ns = t;
}

void stream_make(struct stream *s, enum stream_mix mix, uint64_t records)
{
	struct maker *m = calloc(1, sizeof(*m));
	uint64_t t = 0, tasks = mix == STREAM_TASKS_200K   ? 200000
				: mix == STREAM_POLL_HEAVY ? 2000
							   : 1;

	if (!m)
		abort();
	*s = (struct stream){ 0 };
	m->s = s;
	m->mix = mix;
	m->seed = 88172645463325252ull + mix;
	introduce(m);
	for (unsigned i = 0; i < 200; i++)
		m->hot[i] = 1 + rnd(m) % 2000;
	for (unsigned i = 0; i < LANES; i++)
		m->lane[i].used = sizeof(struct weft_batch);
	for (m->next_task = 1; m->next_task <= tasks; m->next_task++) {
		step(&m->lane[m->next_task % LANES], 200);
		spawn(m, m->next_task % LANES, m->next_task, 0,
		      1 + (unsigned)(m->next_task % SITES));
	}
	while (s->records < records) {
		t += SLICE_NS;
		for (unsigned i = 0; i < LANES; i++) {
			while (m->lane[i].t < t)
				turn(m, i);
			flush(m, i);
		}
		/* A lane may be a poll ahead of the slice; what the others still bring is later than it. */
		append(s, WEFT_EV_WATERMARK, t, 0, 0);
	}
	s->task = mix == STREAM_POLL_HEAVY   ? 1999
		  : mix == STREAM_TASKS_200K ? 100000
					     : m->next_task / 2;
	finish(m, t + SLICE_NS);
	free(m);
}

void stream_free(struct stream *s)
{
	free(s->at);
	*s = (struct stream){ 0 };
}
