/* SPDX-License-Identifier: MIT */
/*
 * collector/live.h without a collector: answers made from numbers, the same in every run. Defines the
 * live_* functions, so include it in one file of a program; the library's are then not linked.
 */
#ifndef WEFT_FAKE_LIVE_H
#define WEFT_FAKE_LIVE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/live.h"

struct live {
	uint64_t tasks; /* ids 1..tasks */
	uint32_t workers;
	int findings; /* the first is critical, unless calm */
	bool calm, unknown, gone, replay, done, early;
	int32_t exit_signal;
	uint64_t lost, now_ns;
	const char *hostile; /* name of task 7 */
	uint32_t more_processes;
	unsigned wants, task_reads;
	uint32_t want_kind, want_value;
	bool raised;    /* as it was asked for last */
	uint64_t muted; /* key of the finding that is; it comes last */
	uint64_t raised_task;
	bool held;
	double speed;
	uint64_t rotated;     /* added to ids when ordering: shuffles the list as time goes by */
	uint64_t first_alive; /* tasks with smaller ids have ended and are forgotten */
};

static inline struct live fake_live(void)
{
	return (struct live){ .tasks = 1204,
			      .workers = 2,
			      .findings = 2,
			      .now_ns = 192000000000ull,
			      .first_alive = 1 };
}

static inline uint64_t fake_mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

static inline enum live_task_state fake_state(uint64_t id)
{
	return id == 7                ? LIVE_BLOCKED
	       : id == 12 || id == 13 ? LIVE_RUNNING
	       : id % 60 == 3         ? LIVE_READY
				      : LIVE_IDLE;
}

static inline float fake_busy(const struct live *l, uint64_t id)
{
	return id == 12 ? 0.784f : (float)(fake_mix(id + l->rotated) % 1000) / 20000;
}

static inline void fake_task(const struct live *l, uint64_t id, struct live_task *t)
{
	static const char *const names[] = { "session::{async fn}", "ingest::pump", "http::accept",
					     "timer::tick" };

	*t = (struct live_task){ .id = id,
				 .native_id = id,
				 .parent = id > 20 ? id % 20 + 1 : 0,
				 .state = fake_state(id),
				 .busy = fake_busy(l, id),
				 .blocked = id == 7 ? 1 : 0,
				 .polls_s = id == 12 ? 9100 : (double)(id % 50),
				 .polls = id * 3,
				 .wakes = id * 3,
				 .self_wakes = id,
				 .poll_max_ns = 61000 * (id % 9 + 1),
				 .poll_p99_ns = id == 7 ? 1840000000 : 41000,
				 .delay_p99_ns = 2100000,
				 .end_ns = LIVE_UNKNOWN,
				 .spawn_ns = id < 20 ? LIVE_UNKNOWN : id * 1000000,
				 .age_ns = id < 20 ? LIVE_UNKNOWN : 192000000000ull - id * 1000000,
				 .idle_ns = 30000000,
				 .bytes = 1200,
				 .worker = id % 2 ? 1 : 0,
				 .depth = id > 20 ? 1 : 0,
				 .site = (uint32_t)(id % 4),
				 .raised = l->raised && (!l->raised_task || l->raised_task == id),
				 .finding = id == 7 };
	t->open_ns = t->state == LIVE_BLOCKED ? 1840000000 : t->state == LIVE_RUNNING ? 120000 : 0;
	snprintf(t->name, sizeof(t->name), "%s",
		 id == 7 ? (l->hostile ? l->hostile : "http::serve_conn") : names[id % 4]);
	snprintf(t->location, sizeof(t->location), "src/main.rs:%u", (unsigned)(id % 300));
	if (!l->unknown)
		return;
	t->busy = t->blocked = -1;
	t->poll_p99_ns = t->delay_p99_ns = t->poll_max_ns = t->open_ns = t->idle_ns = t->spawn_ns =
		t->age_ns = LIVE_UNKNOWN;
	t->native_id = LIVE_UNKNOWN;
	t->worker = UINT32_MAX;
	t->polls = t->wakes = t->self_wakes = LIVE_UNKNOWN;
	t->polls_s = -1;
	t->bytes = 0;
	t->name[0] = t->location[0] = 0;
}

int live_open(const struct live_options *options, struct live **ret)
{
	(void)options;
	(void)ret;
	return -ENOTSUP;
}
const char *live_error(const struct live *l)
{
	(void)l;
	return "fake";
}
int live_stop(struct live *l)
{
	(void)l;
	return 0;
}
struct live *live_close(struct live *l)
{
	(void)l;
	return NULL;
}
bool live_failed(struct live *l)
{
	(void)l;
	return false;
}

bool live_done(struct live *l)
{
	return l->done;
}
int live_wait(struct live *l, uint64_t t_ns, int timeout_ms)
{
	(void)l;
	(void)t_ns;
	(void)timeout_ms;
	return 0;
}
void live_replay_control(struct live *l, bool paused, double speed)
{
	l->held = paused;
	l->speed = speed;
}

int live_request(struct live *l, const struct session_want *want)
{
	l->wants++;
	l->want_kind = want->kind;
	l->want_value = want->value;
	if (want->kind == SESSION_WANT_RAISE) {
		l->raised = want->value != UINT32_MAX;
		l->raised_task = want->task;
	}
	return 0;
}

static inline struct live_worker_bar fake_bar(const struct live *l, uint32_t i)
{
	if (l->unknown)
		return (struct live_worker_bar){ .worker = i };
	if (i == 1)
		return (struct live_worker_bar){ .worker = i, .blocked = 1 };
	return (struct live_worker_bar){ .worker = i,
					 .busy = 0.82f / (float)(i / 4 + 1),
					 .own = 0.05f,
					 .runnable = 0.01f,
					 .parked = 0.12f };
}

int live_header(struct live *l, uint32_t process, struct live_header *h)
{
	*h = (struct live_header){ .processes = 1 + l->more_processes,
				   .process = process,
				   .runtimes = 1,
				   .workers = l->workers,
				   .now_ns = l->now_ns,
				   .realtime_ns = 1763863200000000000ull + l->now_ns,
				   .level = WEFT_LEVEL_LIGHT,
				   .level_auto = true,
				   .raised = l->raised,
				   .raised_task = l->raised_task,
				   .replay = l->replay,
				   .gone = l->gone,
				   .exit_code = -1,
				   .exit_signal = l->exit_signal,
				   .alive = l->tasks,
				   .polls_s = 41200,
				   .wakes_s = 12300,
				   .steals_s = 310,
				   .spawns_s = 95,
				   .ends_s = 91,
				   .alive_per_s = 4,
				   .poll_p99_ns = 610000,
				   .rss_bytes = 812u << 20,
				   .rss_per_s = 1.1 * (1 << 20),
				   .produced = 1000000,
				   .stored = 1000000 - l->lost,
				   .lost = l->lost,
				   .own_cost = 0.008,
				   .pool_threads = 4,
				   .pool_busy = 2,
				   .inject_depth = 5,
				   .driver_worker = 0,
				   .driver_age_ns = 1200000 };
	if (l->early)
		return -ENOENT;
	strcpy(h->info.comm, "orders-svc");
	h->info.pid = 4711 + process;
	h->runtime.kind = WEFT_RT_TOKIO;
	h->runtime.flavour = WEFT_F_MULTI_THREAD;
	strcpy(h->runtime.version, "1.53");
	for (uint64_t id = 1; id <= l->tasks; id++) {
		enum live_task_state s = fake_state(id);

		h->idle += s == LIVE_IDLE;
		h->ready += s == LIVE_READY;
		h->running += s == LIVE_RUNNING;
		h->blocked += s == LIVE_BLOCKED;
	}
	h->findings_crit = l->findings && !l->calm ? 1 : 0;
	h->findings_warn = (uint32_t)l->findings - h->findings_crit;
	if (l->muted == 100)
		h->findings_crit = 0;
	h->findings_muted = l->muted == 100;
	h->bars = l->workers < 64 ? l->workers : 64;
	for (uint32_t i = 0; i < h->bars; i++)
		h->bar[i] = fake_bar(l, i);
	if (l->unknown) {
		h->poll_p99_ns = h->rss_bytes = h->driver_age_ns = LIVE_UNKNOWN;
		h->polls_s = h->wakes_s = h->steals_s = h->spawns_s = h->ends_s = h->alive_per_s =
			h->own_cost = __builtin_nan("");
		h->driver_worker = UINT32_MAX;
	}
	return 0;
}

/* ---- tasks ---- */

static const struct live *fake_ordering;
static enum live_sort fake_sort;

static inline int fake_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	if ((fake_sort == LIVE_SORT_STATE || fake_sort == LIVE_SORT_TROUBLE) &&
	    fake_state(x) != fake_state(y))
		return (int)fake_state(y) - (int)fake_state(x);
	if (fake_sort == LIVE_SORT_BUSY) {
		float bx = fake_busy(fake_ordering, x), by = fake_busy(fake_ordering, y);

		if (bx != by)
			return bx < by ? 1 : -1;
	}
	return (x > y) - (x < y);
}

static inline bool fake_contains(const char *hay, const char *needle)
{
	return strcasestr(hay, needle) != NULL;
}

int live_tasks(struct live *l, const struct live_query *q, struct live_task *rows,
	       struct live_page *ret)
{
	uint64_t *ids = calloc(l->tasks + 1, sizeof(*ids));
	struct live_task t;
	size_t n = 0;

	l->task_reads++;
	for (uint64_t id = l->first_alive; id <= l->tasks; id++) {
		fake_task(l, id, &t);
		if (!q->filter || fake_contains(t.name, q->filter) ||
		    fake_contains(t.location, q->filter))
			ids[n++] = id;
	}
	fake_ordering = l;
	fake_sort = q->sort;
	if (!q->tree)
		qsort(ids, n, sizeof(*ids), fake_compare);
	*ret = (struct live_page){ .total = n, .first = q->offset, .pinned_index = SIZE_MAX };
	for (size_t i = 0; i < n; i++) {
		uint64_t id = q->reverse ? ids[n - 1 - i] : ids[i];

		if (q->pinned && id == q->pinned)
			ret->pinned_index = i;
		if (i >= q->offset && i < q->offset + q->count)
			fake_task(l, id, &rows[ret->rows++]);
	}
	free(ids);
	return 0;
}

/* Told after somebody asked, as the real one does. */
int live_task_await(struct live *l, uint64_t task, struct live_await *ret)
{
	(void)task;
	*ret = (struct live_await){ .t_ns = LIVE_UNKNOWN };
	if (!l->wants || l->want_kind != SESSION_WANT_AWAIT)
		return -ENOENT;
	*ret = (struct live_await){ .t_ns = 192 * 1000000000ull, .on = "sleep", .complete = true };
	ret->places = 2;
	ret->place[0] = (struct live_place){ "order", "runtime/examples/demo_service.c:170" };
	ret->place[1] = (struct live_place){ "session::run\033[31m", "x.c:12" };
	return 0;
}

int live_task_detail(struct live *l, uint64_t task, struct live_task_detail *d)
{
	if (task < l->first_alive || task > l->tasks)
		return -ENOENT;
	memset(d, 0, sizeof(*d));
	fake_task(l, task, &d->task);
	for (int i = 0; i < LIVE_HIST; i++)
		d->poll_hist[i] = i > 3 && i < 12 ? 1000u << (12 - i) : i == 25;
	d->delay_hist[6] = 100;
	d->poll_p50_ns = 22000;
	d->poll_p90_ns = 61000;
	d->delay_p50_ns = 18000;
	d->nwakers = 2;
	d->wakers[0] = (struct live_waker){ .kind = WEFT_W_IO, .count = task * 2 };
	d->wakers[1] = (struct live_waker){
		.kind = WEFT_W_TASK, .task = 12, .count = task, .name = "ingest::pump"
	};
	live_task_await(l, task, &d->await);
	if (task == 7) {
		d->nstack = 3;
		d->stack[0] = (struct live_frame){ "hrtimer_nanosleep", true };
		d->stack[1] = (struct live_frame){ "std::thread::sleep", false };
		d->stack[2] = (struct live_frame){ "db::retry (src/db.rs:41)", false };
		strcpy(d->syscall, "clock_nanosleep");
		strcpy(d->stack_why, "blocked");
	}
	strcpy(d->spawn_func, "main");
	strcpy(d->labels, "trace_id=4bf9\033[2J  user=ann");
	return 0;
}

/* ---- workers, findings ---- */

int live_workers(struct live *l, uint32_t process, struct live_worker *rows, size_t max)
{
	(void)process;
	for (uint32_t i = 0; i < l->workers && i < max; i++) {
		struct live_worker_bar bar = fake_bar(l, i);

		rows[i] = (struct live_worker){ .worker = i,
						.tid = 4712 + i,
						.state = i % 3 == 2 ? WEFT_WS_PARKED_FUTEX
								    : WEFT_WS_RUNNING,
						.blocked = i == 1,
						.task = i == 1   ? 7
							: i == 0 ? 12
								 : 0,
						.open_ns = i == 1 ? 1840000000 : 120000,
						.busy = bar.busy,
						.blocked_share = bar.blocked,
						.runnable = bar.runnable,
						.own = bar.own,
						.parked = bar.parked,
						.local_depth = 3,
						.steals = 210,
						.stolen = 40,
						.parks_s = 120 };
		strcpy(rows[i].task_name, i == 1 ? "http::serve_conn" : "ingest::pump");
		strcpy(rows[i].syscall, i == 1 ? "clock_nanosleep" : "");
		for (int k = 0; k < 60; k++) {
			rows[i].last_60s[k] = k < 10 ? -1 : (float)(k % 10) / 10;
			rows[i].last_60s_blocked[k] = i == 1 && k > 50 ? 0.9f : 0;
		}
	}
	return (int)l->workers;
}

static inline void fake_finding(int i, struct live_finding *f)
{
	*f = (struct live_finding){ .key = 100 + (uint64_t)i,
				    .severity = i ? LIVE_WARN : LIVE_CRIT,
				    .confidence = 0.97f,
				    .subject_id = 7,
				    .pid = 4711,
				    .evidence_n = 1,
				    .harm_task_ms = i ? 0 : 31400,
				    .first_ns = 60000000000ull,
				    .last_ns = 190000000000ull };
	strcpy(f->id, i ? "task-leak" : "blocking-call");
	strcpy(f->cause, i ? "waits on Notify" : "thread::sleep at src/db.rs:41");
	strcpy(f->subject_kind, i ? "task_type" : "task");
	strcpy(f->subject_name, i ? "session::{async fn}" : "http::serve_conn");
	strcpy(f->location, "src/db.rs:41");
	strcpy(f->advice, "std::thread::sleep blocks the worker: use tokio::time::sleep(..).await");
	strcpy(f->evidence[0].text, "blocked 1.84 s in clock_nanosleep");
}

int live_findings(struct live *l, struct live_finding *rows, size_t offset, size_t max)
{
	for (int i = (int)offset; i < l->findings && (size_t)i < offset + max; i++) {
		/* The muted one, if any, is the first of them. */
		int which = l->muted == 100 ? (i + 1) % l->findings : i;

		fake_finding(which, &rows[i - (int)offset]);
		rows[i - (int)offset].muted = rows[i - (int)offset].key == l->muted;
		if (l->calm)
			rows[i - (int)offset].severity = LIVE_WARN;
	}
	return l->findings;
}

int live_checked(struct live *l, struct live_checked *rows, size_t max)
{
	(void)l;
	if (max < 2)
		return 2;
	rows[0] = (struct live_checked){ "blocking-call", "clean", "" };
	rows[1] = (struct live_checked){ "task-leak", "not-checked", "needs 30 s" };
	return 2;
}

int live_cannot_see(struct live *l, struct live_cannot_see *rows, size_t max)
{
	(void)l;
	(void)rows;
	(void)max;
	return 0;
}
int live_report_json(struct live *l, FILE *out)
{
	(void)l;
	(void)out;
	return 0;
}
int live_report_text(struct live *l, FILE *out)
{
	(void)l;
	(void)out;
	return 0;
}
int live_exit_code(struct live *l, enum live_severity fail_on)
{
	(void)l;
	(void)fail_on;
	return 0;
}

int live_finding_json(const struct live_finding *f, FILE *out)
{
	return fprintf(out, "{\"id\":\"%s\"}\n", f->id) < 0 ? -EIO : 0;
}

void live_mutes(struct live *l, const struct mutes *m)
{
	(void)l;
	(void)m;
}

int live_finding_text(const struct live_finding *f, bool brief, FILE *out)
{
	fprintf(out, "%s %s\nwhere   %s\nproof   %s\n", f->id, f->cause, f->location,
		f->evidence[0].text);
	if (!brief)
		fprintf(out, "advice  %s\n", f->advice);
	return 0;
}

#endif
