/* SPDX-License-Identifier: MIT */
#include "tests/support/feed.h"

#include <stdlib.h>
#include <string.h>

#define TICK (50 * MS)

struct feed *feed_new(const struct live_options *options)
{
	struct weft_ev_session session = { .version = WEFT_EVENT_VERSION,
					   .realtime_ns = 1700000000 * S };
	struct weft_ev_process process = { .pid = 4711, .comm = "svc", .build_id = "abc123" };
	struct feed *f = calloc(1, sizeof(*f));

	if (!f || live_make(options, &f->l) < 0)
		abort();
	f->m = f->l->model;
	feed_event(f, 0, WEFT_EV_SESSION, &session, sizeof(session));
	feed_event(f, 0, WEFT_EV_PROCESS, &process, sizeof(process));
	feed_runtime(f, 1, WEFT_RT_WEFT);
	feed_level(f, 0, WEFT_LEVEL_NORMAL);
	return f;
}

struct feed *feed_free(struct feed *f)
{
	if (f)
		live_close(f->l);
	free(f);
	return NULL;
}

void feed_tick_to(struct feed *f, uint64_t t)
{
	while (f->ticked + TICK <= t) {
		f->ticked += TICK;
		live_tick(f->l, f->ticked);
	}
	f->now = t;
}

void feed_record(struct feed *f, struct record *r)
{
	feed_tick_to(f, r->t_ns);
	live_feed(f->l, r, 1);
	f->last = *r;
}

void feed_event(struct feed *f, uint64_t t, unsigned kind, const void *payload, size_t bytes)
{
	feed_flagged(f, t, kind, 0, payload, bytes);
}

void feed_flagged(struct feed *f, uint64_t t, unsigned kind, unsigned flags, const void *payload,
		  size_t bytes)
{
	size_t size = sizeof(struct weft_ev) + (bytes + 7) / 8 * 8;
	struct weft_ev *ev = calloc(1, size);
	struct record r = { .t_ns = t, .kind = (uint16_t)kind, .lane = WEFT_NO_LANE, .ev = ev };

	if (!ev)
		abort();
	*ev = (struct weft_ev){ .size = (uint32_t)size,
				.kind = (uint16_t)kind,
				.flags = (uint16_t)flags,
				.time_ns = t };
	if (bytes)
		memcpy(ev + 1, payload, bytes);
	feed_record(f, &r);
	free(ev);
}

void feed_block_on(struct feed *f, uint64_t t, struct weft_ev_block_on e)
{
	struct {
		struct weft_ev ev;
		struct weft_ev_block_on e;
	} *all = calloc(1, sizeof(*all));
	struct record r = { .t_ns = t,
			    .kind = WEFT_EV_BLOCK_ON,
			    .lane = WEFT_NO_LANE,
			    .tid = e.doing == WEFT_BLOCK_ON_NOBODY ? 0 : 100,
			    .task = e.due_task };

	if (!all)
		abort();
	e.runtime = e.runtime ? e.runtime : 1;
	all->ev = (struct weft_ev){ .size = sizeof(*all), .kind = WEFT_EV_BLOCK_ON, .time_ns = t };
	all->e = e;
	r.ev = &all->ev;
	feed_record(f, &r);
	free(all);
}

void feed_runtime(struct feed *f, uint32_t runtime, uint16_t kind)
{
	struct weft_ev_runtime e = { .runtime = runtime,
				     .kind = kind,
				     .flavour = WEFT_F_MULTI_THREAD,
				     .workers = 2,
				     .version = "0.1.0" };

	feed_event(f, f->now, WEFT_EV_RUNTIME, &e, sizeof(e));
}

void feed_level(struct feed *f, uint64_t t, uint32_t level)
{
	struct weft_ev_level e = { .level = level };

	feed_event(f, t, WEFT_EV_LEVEL_SET, &e, sizeof(e));
}

void feed_worker(struct feed *f, uint32_t lane, uint32_t worker)
{
	struct weft_ev_lane e = { .lane = lane,
				  .role = WEFT_LANE_WORKER,
				  .runtime = 1,
				  .worker = worker,
				  .ns_tid = 100 + lane };

	feed_event(f, f->now, WEFT_EV_LANE, &e, sizeof(e));
}

void feed_lane(struct feed *f, uint32_t lane, uint32_t role)
{
	struct weft_ev_lane e = {
		.lane = lane, .role = role, .runtime = 1, .worker = UINT32_MAX, .ns_tid = 100 + lane
	};

	feed_event(f, f->now, WEFT_EV_LANE, &e, sizeof(e));
}

void feed_site(struct feed *f, uint32_t site, const char *name, const char *file, uint32_t line)
{
	struct weft_ev_site e = { .site = site, .line = line };

	strncpy(e.name, name, sizeof(e.name) - 1);
	strncpy(e.func, name, sizeof(e.func) - 1);
	strncpy(e.file, file, sizeof(e.file) - 1);
	feed_event(f, f->now, WEFT_EV_SITE, &e, sizeof(e));
}

/* ---- records ---- */

void feed_spawn(struct feed *f, uint64_t t, uint64_t task, uint32_t site, uint32_t bytes)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_TASK_SPAWN, .task = task, .b = site, .c = bytes, .d = 1
	};

	feed_record(f, &r);
}

void feed_child(struct feed *f, uint64_t t, uint64_t task, uint64_t parent, uint32_t site)
{
	struct record r = { .t_ns = t,
			    .kind = WEFT_K_TASK_SPAWN,
			    .task = task,
			    .a = parent,
			    .b = site,
			    .c = 256,
			    .d = 1 };

	feed_record(f, &r);
}

void feed_wake(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t by, unsigned kind)
{
	struct record r = { .t_ns = t,
			    .kind = WEFT_K_TASK_WAKE,
			    .lane = lane,
			    .task = task,
			    .a = by,
			    .b = kind,
			    .c = 1 };

	feed_record(f, &r);
}

void feed_poll_delay(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t dur,
		     uint64_t delay)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_TASK_POLL, .lane = lane, .task = task, .a = dur, .b = delay
	};

	feed_record(f, &r);
}

void feed_poll(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t dur)
{
	feed_poll_delay(f, t, lane, task, dur, LIVE_UNKNOWN);
}

void feed_end(struct feed *f, uint64_t t, uint64_t task, unsigned reason)
{
	struct record r = { .t_ns = t, .kind = WEFT_K_TASK_END, .task = task, .b = reason };

	feed_record(f, &r);
}

void feed_offcpu(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t blocked,
		 uint64_t runnable, int syscall)
{
	struct record r = { .t_ns = t,
			    .kind = WEFT_EV_OFFCPU,
			    .lane = lane,
			    .task = task,
			    .a = blocked,
			    .b = runnable,
			    .c = (uint64_t)(int64_t)syscall };

	feed_record(f, &r);
}

void feed_lost(struct feed *f, uint64_t t, uint64_t lost)
{
	struct weft_ev_lost e = { .lost = { [WEFT_EV_OFFCPU - WEFT_EV_BATCH] = lost } };

	feed_event(f, t, WEFT_EV_LOST, &e, sizeof(e));
}

/* ---- stacks: clock_nanosleep < doze (src/db.c:41) < query (src/db.c:90) < worker, or burn (src/hot.c:7) < ... on the CPU ---- */

static void frame(struct feed *f, uint64_t t, uint32_t id, uint32_t module, const char *func,
		  const char *file, uint32_t line)
{
	struct weft_ev_frame e = { .frame = id, .module = module, .line = line };

	strncpy(e.func, func, sizeof(e.func) - 1);
	strncpy(e.file, file, sizeof(e.file) - 1);
	feed_event(f, t, WEFT_EV_FRAME, &e, sizeof(e));
}

static void frames(struct feed *f, uint64_t t)
{
	struct weft_ev_module libc = { .module = 1, .path = "/lib/libc.so.6" },
			      exe = { .module = 2, .path = "/srv/svc" };

	feed_event(f, t, WEFT_EV_MODULE, &libc, sizeof(libc));
	feed_event(f, t, WEFT_EV_MODULE, &exe, sizeof(exe));
	frame(f, t, 1, 0, "do_nanosleep", "", 0);
	frame(f, t, 2, 1, "clock_nanosleep", "", 0);
	frame(f, t, 3, 2, "doze", "src/db.c", 41);
	frame(f, t, 4, 2, "query", "src/db.c", 90);
	frame(f, t, 5, 2, "weft_task_poll", "runtime/task.c", 10);
	frame(f, t, 6, 2, "burn", "src/hot.c", 7);
}

void feed_stack(struct feed *f, uint64_t t, uint16_t lane, uint64_t task, uint64_t seq,
		unsigned why, int syscall)
{
	struct {
		struct weft_ev_stack head;
		uint32_t id[6];
	} e = { .head = { .task = task,
			  .poll_seq = seq,
			  .lane = lane,
			  .why = why,
			  .syscall = syscall,
			  .complete = 1 } };

	frames(f, t);
	if (why == WEFT_STACK_ON_CPU)
		e.head.frames = 3, e.id[0] = 6, e.id[1] = 4, e.id[2] = 5;
	else
		e.head.frames = 5, e.head.kernel_frames = 1, e.id[0] = 1, e.id[1] = 2, e.id[2] = 3,
		e.id[3] = 4, e.id[4] = 5;
	feed_event(f, t, WEFT_EV_STACK, &e, sizeof(e));
}

void feed_stack_of_runtime(struct feed *f, uint64_t t, uint64_t task, uint64_t seq)
{
	struct {
		struct weft_ev_stack head;
		uint32_t id[6];
	} e = { .head = { .task = task,
			  .poll_seq = seq,
			  .why = WEFT_STACK_BLOCKED,
			  .syscall = 202,
			  .frames = 5,
			  .kernel_frames = 1,
			  .complete = 1 },
		.id = { 1, 2, 7, 4, 5 } };

	frames(f, t);
	frame(f, t, 7, 2, "submit", "runtime/blocking/pool.c", 168);
	feed_event(f, t, WEFT_EV_STACK, &e, sizeof(e));
}

static void stack_named(struct feed *f, uint64_t t, const struct weft_ev_stack *head,
			const char *const *kernel, const char *const *user)
{
	struct {
		struct weft_ev_stack head;
		uint32_t id[16];
	} e = { .head = *head };
	uint64_t seq = head->poll_seq;
	uint32_t *n = &e.head.frames;

	frames(f, t);
	for (; *kernel && *n < 16; kernel++, e.head.kernel_frames++, ++*n) {
		e.id[*n] = 1000 * (uint32_t)seq + *n;
		frame(f, t, e.id[*n], 0, *kernel, "", 0);
	}
	for (; *user && *n < 16; user++, ++*n) {
		e.id[*n] = 1000 * (uint32_t)seq + *n;
		frame(f, t, e.id[*n], 2, *user, "", 0);
	}
	feed_event(f, t, WEFT_EV_STACK, &e, sizeof(e));
}

void feed_stack_named(struct feed *f, uint64_t t, uint64_t task, uint64_t seq, int syscall,
		      const char *const *kernel, const char *const *user)
{
	struct weft_ev_stack head = { .task = task,
				      .poll_seq = seq,
				      .why = WEFT_STACK_BLOCKED,
				      .syscall = syscall,
				      .complete = 1 };

	stack_named(f, t, &head, kernel, user);
}

void feed_sample_named(struct feed *f, uint64_t t, uint64_t task, uint64_t seq,
		       const char *const *user)
{
	struct weft_ev_stack head = { .task = task,
				      .poll_seq = seq,
				      .why = WEFT_STACK_ON_CPU,
				      .syscall = -1,
				      .complete = 1 };

	stack_named(f, t, &head, (const char *const[]){ NULL }, user);
}

void feed_stack_waiting(struct feed *f, uint64_t t, uint64_t quiet_ns, bool company,
			const char *const *user)
{
	struct {
		struct weft_ev_stack head;
		uint32_t id[16];
	} e = { .head = { .lane = UINT32_MAX,
			  .why = WEFT_STACK_WAITING,
			  .open_ns = quiet_ns,
			  .poll_seq = company,
			  .syscall = 202,
			  .complete = 1 } };
	uint32_t *n = &e.head.frames;

	frames(f, t);
	for (; *user && *n < 16; user++, ++*n) {
		e.id[*n] = 500 + *n;
		frame(f, t, e.id[*n], 2, *user, "src/lib.rs", 10 + *n);
	}
	feed_event(f, t, WEFT_EV_STACK, &e, sizeof(e));
}

/* ---- samples ---- */

void feed_rss(struct feed *f, uint64_t t, uint64_t bytes)
{
	struct weft_ev_process_sample e = { .rss_bytes = bytes, .threads = 3 };

	feed_event(f, t, WEFT_EV_PROCESS_SAMPLE, &e, sizeof(e));
}

void feed_gauge(struct feed *f, uint64_t t, uint64_t timers, uint32_t fds)
{
	struct weft_ev_runtime_sample e = { .runtime = 1, .timers = timers, .fds = fds };

	feed_event(f, t, WEFT_EV_RUNTIME_SAMPLE, &e, sizeof(e));
}

void feed_walk(struct feed *f, uint64_t t, const struct weft_ev_snapshot_task *tasks, uint32_t n)
{
	struct weft_ev_snapshot e = { .snapshot = 1 };

	feed_event(f, t, WEFT_EV_SNAPSHOT_BEGIN, &e, sizeof(e));
	for (uint32_t i = 0; i < n; i++)
		feed_event(f, t, WEFT_EV_SNAPSHOT_TASK, &tasks[i], sizeof(*tasks));
	e.tasks = n;
	feed_event(f, t, WEFT_EV_SNAPSHOT_END, &e, sizeof(e));
}

void feed_sample(struct feed *f, uint64_t t, uint32_t lane, const struct feed_sample *s)
{
	struct weft_ev_lane_sample *e = &f->lane[lane];

	if (!e->cpu_ns)
		e->cpu_ns = e->runq_ns = 1;
	e->lane = lane;
	e->state = s->state ? s->state : WEFT_WS_RUNNING;
	e->cpu_ns += s->cpu;
	e->runq_ns += s->runq;
	e->park_ns += s->park;
	e->polls += s->polls;
	e->busy_ns += s->busy;
	e->wakes += s->wakes;
	e->self_wakes += s->self_wakes;
	e->task = s->task;
	e->open_ns = s->open_ns;
	e->poll_seq = s->seq;
	e->off_cpu = s->off_cpu;
	e->syscall = s->syscall ? s->syscall : -1;
	e->local_depth = s->depth;
	feed_event(f, t, WEFT_EV_LANE_SAMPLE, e, sizeof(*e));
}

/* ---- answers ---- */

const struct live_finding *feed_finding(struct feed *f, const char *id)
{
	static struct live_finding rows[32];
	int n = live_findings(f->l, rows, 0, 32);

	for (int i = 0; i < n && i < 32; i++)
		if (!strcmp(rows[i].id, id) && !rows[i].resolved)
			return &rows[i];
	return NULL;
}

size_t feed_findings(struct feed *f)
{
	return (size_t)live_findings(f->l, NULL, 0, 0);
}

static const struct live_checked *checked(struct feed *f, const char *id)
{
	static const struct live_checked none = { .verdict = "" };
	static struct live_checked rows[32];
	int n = live_checked(f->l, rows, 32);

	for (int i = 0; i < n && i < 32; i++)
		if (!strcmp(rows[i].id, id))
			return &rows[i];
	return &none;
}

const char *feed_verdict(struct feed *f, const char *id)
{
	return checked(f, id)->verdict;
}

const char *feed_why(struct feed *f, const char *id)
{
	return checked(f, id)->why;
}
