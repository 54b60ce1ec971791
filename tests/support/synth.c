/* SPDX-License-Identifier: MIT */
#include "tests/support/synth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct lane {
	struct weft_batch head;
	uint8_t page[WEFT_BATCH_BYTES];
	uint32_t used, told, records, tid;
	uint32_t seq;
	uint64_t emitted, polls;
	bool open;
};

struct process {
	bool there;
	bool tsc;
	uint64_t first;
	struct weft_ev_counts counts;
	struct lane lane[SYNTH_MAX_LANES];
};

struct synth {
	struct weft_ev **ev;
	size_t n, room;
	uint64_t flush_every, next_flush, now, tsc_first;
	bool tsc, no_watermarks;
	uint32_t frames;
	char frame_name[256][160];
	struct process process[SYNTH_MAX_PROCESSES];
};

struct synth *synth_new(void)
{
	struct synth *s = calloc(1, sizeof(*s));
	struct weft_ev_session head = { .version = WEFT_EVENT_VERSION,
					.level = WEFT_LEVEL_NORMAL,
					.realtime_ns = 1700000000000000000ull,
					.boot_id = "00000000-0000-4000-8000-000000000000",
					.kernel = "6.18.0",
					.machine = "synthetic" };

	assert(s);
	s->flush_every = 10000000;
	s->next_flush = s->flush_every;
	synth_event(s, 0, 0, WEFT_EV_SESSION, &head, sizeof(head));
	return s;
}

struct synth *synth_free(struct synth *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		free(s->ev[i]);
	free(s->ev);
	free(s);
	return NULL;
}

void synth_tsc(struct synth *s, uint64_t first)
{
	s->tsc = true;
	s->tsc_first = first;
}

void synth_flush_every(struct synth *s, uint64_t ns)
{
	s->flush_every = ns;
	s->next_flush = s->now + ns;
}

static struct weft_ev *append(struct synth *s, uint32_t process, uint64_t t, unsigned kind,
			      size_t bytes)
{
	size_t size = sizeof(struct weft_ev) + ((bytes + 7) & ~(size_t)7);
	struct weft_ev *ev = calloc(1, size);

	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->ev = realloc(s->ev, s->room * sizeof(*s->ev));
	}
	assert(ev && s->ev);
	ev->size = (uint32_t)size;
	ev->kind = (uint16_t)kind;
	ev->process = process;
	ev->time_ns = SYNTH_START_NS + t;
	s->ev[s->n++] = ev;
	if (t > s->now)
		s->now = t;
	return ev;
}

void synth_event(struct synth *s, uint32_t process, uint64_t t, unsigned kind, const void *payload,
		 size_t bytes)
{
	memcpy(append(s, process, t, kind, bytes) + 1, payload, bytes);
}

static uint64_t stamp_of(const struct process *p, uint64_t t)
{
	return p->tsc ? p->first + t / 2 * 5 + (t & 1) * 2 : SYNTH_START_NS + t;
}

static uint64_t ticks_of(const struct process *p, uint64_t ns)
{
	return p->tsc ? ns / 2 * 5 + (ns & 1) * 2 : ns;
}

static void announce_clock(struct synth *s, uint32_t process)
{
	const struct process *p = &s->process[process];
	struct weft_ev_clock clock = { .stamp = stamp_of(p, 0),
				       .mono_ns = SYNTH_START_NS,
				       .mult = p->tsc ? (1ull << 32) * 2 / 5 + 1 : 1ull << 32 };

	synth_event(s, process, 0, WEFT_EV_CLOCK, &clock, sizeof(clock));
}

void synth_process(struct synth *s, uint32_t process, const char *comm)
{
	struct process *p = &s->process[process];
	struct weft_ev_process head = { .pid = 1000 * (process + 1),
					.ns_pid = 1000 * (process + 1),
					.uid = 1000,
					.start_ticks = 12345 + process,
					.start_mono_ns = SYNTH_START_NS,
					.clock = s->tsc ? WEFT_CLOCK_TSC : WEFT_CLOCK_MONOTONIC };

	assert(process < SYNTH_MAX_PROCESSES);
	p->there = true;
	p->tsc = s->tsc;
	p->first = s->tsc_first;
	strncpy(head.comm, comm, sizeof(head.comm) - 1);
	strncpy(head.exe, "/usr/bin/", sizeof(head.exe) - 1);
	strncat(head.exe, comm, sizeof(head.exe) - 16);
	synth_event(s, process, s->now, WEFT_EV_PROCESS, &head, sizeof(head));
	announce_clock(s, process);
}

void synth_runtime(struct synth *s, uint32_t process, uint32_t runtime, uint16_t kind,
		   uint32_t workers)
{
	struct weft_ev_runtime head = { .runtime = runtime,
					.kind = kind,
					.flavour = WEFT_F_MULTI_THREAD,
					.workers = workers,
					.version = "1.0",
					.name = "main" };

	synth_event(s, process, s->now, WEFT_EV_RUNTIME, &head, sizeof(head));
}

static void lane_event(struct synth *s, uint32_t process, struct weft_ev_lane *head)
{
	head->ns_tid = 1000 * (process + 1) + head->lane;
	s->process[process].lane[head->lane].tid = head->ns_tid;
	synth_event(s, process, s->now, WEFT_EV_LANE, head, sizeof(*head));
	s->ev[s->n - 1]->tid = head->ns_tid;
}

void synth_worker(struct synth *s, uint32_t process, uint32_t lane, uint32_t runtime,
		  uint32_t worker)
{
	struct weft_ev_lane head = { .lane = lane,
				     .role = WEFT_LANE_WORKER,
				     .runtime = runtime,
				     .worker = worker,
				     .name = "worker" };

	lane_event(s, process, &head);
}

void synth_leave(struct synth *s, uint32_t process, uint32_t lane, uint32_t runtime)
{
	struct weft_ev_lane head = { .lane = lane,
				     .role = WEFT_LANE_FOREIGN,
				     .runtime = runtime,
				     .worker = UINT32_MAX,
				     .name = "main" };

	lane_event(s, process, &head);
}

void synth_site(struct synth *s, uint32_t process, uint32_t site, const char *name,
		const char *file, uint32_t line)
{
	struct weft_ev_site head = { .site = site, .line = line };

	strncpy(head.func, name, sizeof(head.func) - 1);
	strncpy(head.name, name, sizeof(head.name) - 1);
	strncpy(head.file, file, sizeof(head.file) - 1);
	synth_event(s, process, s->now, WEFT_EV_SITE, &head, sizeof(head));
}

/* ---- batches ---- */

static void deliver(struct synth *s, uint32_t process, uint32_t lane, uint32_t from, bool hit)
{
	struct lane *l = &s->process[process].lane[lane];
	struct weft_ev_batch head = {
		.lane = lane, .seq = l->seq, .offset = from, .bytes = l->used - from
	};
	struct weft_ev *ev = append(s, process, s->now, WEFT_EV_BATCH, sizeof(head) + head.bytes);

	if (hit) {
		head.hit_ns = SYNTH_START_NS + s->now;
		head.hit_stamp = stamp_of(&s->process[process], s->now);
	}
	ev->tid = l->tid;
	memcpy(l->page, &l->head, sizeof(l->head));
	memcpy(ev + 1, &head, sizeof(head));
	memcpy((char *)(ev + 1) + sizeof(head), l->page + from, head.bytes);
	l->told = l->used;
}

static void open_batch(struct synth *s, uint32_t process, uint32_t lane, uint64_t t)
{
	struct lane *l = &s->process[process].lane[lane];

	l->head = (struct weft_batch){ .magic = WEFT_BATCH_MAGIC,
				       .lane = (uint16_t)lane,
				       .abi = WEFT_ABI_VERSION,
				       .seq = l->seq,
				       .level = WEFT_LEVEL_NORMAL,
				       .emitted = l->emitted,
				       .first_stamp = stamp_of(&s->process[process], t) };
	l->used = l->told = sizeof(struct weft_batch);
	l->records = 0;
	l->open = true;
}

static void close_batch(struct lane *l)
{
	l->emitted += l->records;
	l->seq++;
	l->open = false;
}

static void flush_lane(struct synth *s, uint32_t process, uint32_t lane)
{
	struct lane *l = &s->process[process].lane[lane];

	if (!l->open)
		return;
	deliver(s, process, lane, 0, true);
	close_batch(l);
}

void synth_flush(struct synth *s, uint64_t watermark)
{
	for (uint32_t p = 0; p < SYNTH_MAX_PROCESSES; p++)
		for (uint32_t l = 0; s->process[p].there && l < SYNTH_MAX_LANES; l++)
			flush_lane(s, p, l);
	if (!s->no_watermarks)
		append(s, 0, watermark, WEFT_EV_WATERMARK, 0);
}

void synth_piece(struct synth *s, uint32_t process, uint32_t lane)
{
	struct lane *l = &s->process[process].lane[lane];

	if (l->open && l->used > l->told)
		deliver(s, process, lane, l->told, false);
}

void synth_lose(struct synth *s, uint32_t process, uint32_t lane)
{
	struct lane *l = &s->process[process].lane[lane];

	if (l->open)
		close_batch(l);
}

void synth_drop_watermarks(struct synth *s, bool drop)
{
	s->no_watermarks = drop;
}

void synth_record(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, unsigned kind,
		  const uint64_t *w, unsigned words)
{
	struct process *p = &s->process[process];
	struct lane *l = &p->lane[lane];
	uint64_t first = WEFT_WORD0(kind, stamp_of(p, t));

	assert(p->there && lane < SYNTH_MAX_LANES);
	if (s->flush_every && t >= s->next_flush) {
		uint64_t mark = t / s->flush_every * s->flush_every;

		synth_flush(s, mark);
		s->next_flush = mark + s->flush_every;
	}
	if (l->open && l->used + words * 8 > WEFT_BATCH_BYTES)
		flush_lane(s, process, lane);
	if (!l->open)
		open_batch(s, process, lane, t);
	memcpy(l->page + l->used, &first, 8);
	memcpy(l->page + l->used + 8, w + 1, (words - 1) * 8ull);
	l->used += words * 8;
	l->records++;
	p->counts.emitted[kind]++;
	if (t > s->now)
		s->now = t;
}

void synth_filtered(struct synth *s, uint32_t process, unsigned kind, uint64_t n)
{
	s->process[process].counts.filtered[kind] += n;
}

/* ---- records ---- */

void synth_spawn(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		 uint64_t parent, uint32_t site)
{
	uint64_t w[5] = { 0, task, parent, site | 256ull << 32, 1 };

	synth_record(s, process, lane, t, WEFT_K_TASK_SPAWN, w, 5);
}

void synth_poll_delay(struct synth *s, uint32_t process, uint32_t lane, uint64_t t_end,
		      uint64_t task, uint64_t dur, unsigned result, uint64_t delay)
{
	const struct process *p = &s->process[process];
	uint64_t w[4] = { 0, task, ticks_of(p, dur) | (uint64_t)result << 48,
			  delay == UINT64_MAX ? WEFT_TICKS_UNKNOWN : ticks_of(p, delay) };

	s->process[process].lane[lane].polls++;
	synth_record(s, process, lane, t_end, WEFT_K_TASK_POLL, w, 4);
}

void synth_poll(struct synth *s, uint32_t process, uint32_t lane, uint64_t t_end, uint64_t task,
		uint64_t dur, unsigned result)
{
	synth_poll_delay(s, process, lane, t_end, task, dur, result, UINT64_MAX);
}

void synth_wake(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		uint64_t waker, unsigned kind)
{
	uint64_t w[3] = { 0, task, waker | (uint64_t)kind << 48 | 1ull << 56 };

	synth_record(s, process, lane, t, WEFT_K_TASK_WAKE, w, 3);
}

void synth_end(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
	       unsigned reason)
{
	uint64_t w[3] = { 0, task, (uint64_t)reason << 48 };

	synth_record(s, process, lane, t, WEFT_K_TASK_END, w, 3);
}

void synth_name(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		const char *name)
{
	size_t len = strnlen(name, WEFT_NAME_MAX);
	unsigned words = 3 + (unsigned)((len + 7) / 8);
	uint64_t w[3 + 32] = { 0, words * 8ull | (uint64_t)len << 16 | (name[len] ? 1ull << 32 : 0),
			       task };

	memcpy(w + 3, name, len);
	synth_record(s, process, lane, t, WEFT_K_TASK_NAME, w, words);
}

void synth_timer(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, unsigned kind,
		 uint64_t timer, uint64_t task, int64_t deadline)
{
	uint64_t w[4] = { 0, timer, task, SYNTH_START_NS + (uint64_t)deadline };

	synth_record(s, process, lane, t, kind, w, 4);
}

/* ---- flat events ---- */

void synth_offcpu(struct synth *s, uint32_t process, uint32_t lane, uint64_t on_ns, uint64_t task,
		  uint64_t blocked, uint64_t runnable)
{
	uint64_t on = SYNTH_START_NS + on_ns;
	struct weft_ev_offcpu head = { .off_ns = on - blocked - runnable,
				       .wake_ns = blocked ? on - runnable : 0,
				       .on_ns = on,
				       .task = task,
				       .lane = lane,
				       .syscall = blocked ? 35 : -1,
				       .prev_state = blocked ? 1 : 0,
				       .poll_seq = s->process[process].lane[lane].polls + 1 };

	synth_event(s, process, on_ns, WEFT_EV_OFFCPU, &head, sizeof(head));
	s->ev[s->n - 1]->tid = s->process[process].lane[lane].tid;
}

static uint32_t frame_of(struct synth *s, uint64_t t, const char *function, bool kernel)
{
	struct weft_ev_frame head = { .module = kernel ? 0 : 1, .offset = 0x1000, .line = 10 };

	for (uint32_t i = 0; i < s->frames; i++)
		if (!strcmp(s->frame_name[i], function))
			return i + 1;
	assert(s->frames < 256);
	strncpy(s->frame_name[s->frames++], function, 159);
	head.frame = s->frames;
	head.offset += s->frames * 16;
	strncpy(head.func, function, sizeof(head.func) - 1);
	strncpy(head.file, kernel ? "" : "svc.c", sizeof(head.file) - 1);
	synth_event(s, 0, t, WEFT_EV_FRAME, &head, sizeof(head));
	return s->frames;
}

void synth_stack(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		 uint64_t open_ns, unsigned why, const char *const *functions, unsigned n,
		 unsigned kernel)
{
	struct {
		struct weft_ev_stack head;
		uint32_t frame[64];
	} p = { .head = { .task = task,
			  .open_ns = open_ns,
			  .lane = lane,
			  .why = why,
			  .syscall = -1,
			  .kernel_frames = kernel,
			  .frames = n,
			  .complete = 1,
			  .poll_seq = s->process[process].lane[lane].polls + 1 } };

	assert(n <= 64);
	for (unsigned i = 0; i < n; i++)
		p.frame[i] = frame_of(s, t, functions[i], i < kernel);
	synth_event(s, process, t, WEFT_EV_STACK, &p, sizeof(p.head) + n * 4ull);
	s->ev[s->n - 1]->tid = s->process[process].lane[lane].tid;
}

void synth_sample(struct synth *s, uint32_t process, uint64_t t,
		  const struct weft_ev_lane_sample *sample)
{
	synth_event(s, process, t, WEFT_EV_LANE_SAMPLE, sample, sizeof(*sample));
}

void synth_counts(struct synth *s, uint64_t t, bool last)
{
	for (uint32_t p = 0; p < SYNTH_MAX_PROCESSES; p++) {
		if (!s->process[p].there)
			continue;
		synth_event(s, p, t, WEFT_EV_COUNTS, &s->process[p].counts,
			    sizeof(struct weft_ev_counts));
		s->ev[s->n - 1]->flags = last ? WEFT_EVF_LAST : 0;
	}
}

void synth_finish(struct synth *s)
{
	struct weft_ev_exit gone = { 0 };

	synth_flush(s, s->now);
	for (uint32_t p = 0; p < SYNTH_MAX_PROCESSES; p++)
		if (s->process[p].there)
			synth_event(s, p, s->now, WEFT_EV_PROCESS_EXIT, &gone, sizeof(gone));
	synth_counts(s, s->now, true);
	if (!s->no_watermarks)
		append(s, 0, s->now + 1, WEFT_EV_WATERMARK, 0);
}

void synth_feed(const struct synth *s, synth_sink sink, void *ctx)
{
	for (size_t i = 0; i < s->n; i++)
		sink(ctx, s->ev[i]);
}

size_t synth_count(const struct synth *s)
{
	return s->n;
}

const struct weft_ev *synth_at(const struct synth *s, size_t i)
{
	return s->ev[i];
}

uint64_t synth_emitted(const struct synth *s, uint32_t process, unsigned kind)
{
	return s->process[process].counts.emitted[kind];
}

uint64_t synth_now(const struct synth *s)
{
	return s->now;
}
