/* SPDX-License-Identifier: MIT */
/*
 * What the model and the detectors cost at 2,000,000 records a second, in three mixes: few busy tasks, tasks that
 * live for three polls, 200,000 tasks. Records are made beforehand, 50 ms at a time; CPU time of this thread. The rows that
 * have one value for all mixes show the worst.
 *
 * Also: the task list of 100,000 tasks asked for 4 times a second, and the memory of a task.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/live_internal.h"

#define TICK_NS  50000000ull
#define PER_TICK 100000u /* 2 M a second */
#define SECONDS  5u
#define LANES    8u
#define STEP_NS  (TICK_NS / PER_TICK)

struct mix {
	const char *name;
	uint32_t tasks; /* alive all along */
	bool spawns;    /* else polls and wakes of the same tasks */
};

struct cost {
	double apply_ns, detect_share, model_share;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint32_t next_random(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32);
}

static void event(struct model *m, uint64_t t, unsigned kind, const void *payload, size_t bytes)
{
	struct {
		struct weft_ev ev;
		unsigned char payload[512];
	} e = { .ev = { .size = sizeof(e), .kind = (uint16_t)kind, .time_ns = t } };
	struct record r = { .t_ns = t, .kind = (uint16_t)kind, .lane = WEFT_NO_LANE, .ev = &e.ev };

	memcpy(e.payload, payload, bytes);
	model_apply(m, &r);
}

static void start(struct model *m, const struct mix *mix)
{
	struct weft_ev_process process = { .pid = 1, .comm = "svc" };
	struct weft_ev_runtime runtime = { .runtime = 1, .kind = WEFT_RT_WEFT, .workers = LANES };
	struct weft_ev_level level = { .level = WEFT_LEVEL_NORMAL };
	struct record spawn = { .kind = WEFT_K_TASK_SPAWN, .lane = 0, .c = 512, .d = 1 };

	event(m, 0, WEFT_EV_PROCESS, &process, sizeof(process));
	event(m, 0, WEFT_EV_RUNTIME, &runtime, sizeof(runtime));
	event(m, 0, WEFT_EV_LEVEL_SET, &level, sizeof(level));
	for (uint32_t i = 0; i < LANES; i++) {
		struct weft_ev_lane lane = { .lane = i,
					     .role = WEFT_LANE_WORKER,
					     .runtime = 1,
					     .worker = i,
					     .ns_tid = 100 + i };

		event(m, 0, WEFT_EV_LANE, &lane, sizeof(lane));
	}
	for (uint32_t i = 1; i <= mix->tasks; i++) {
		spawn.t_ns = i;
		spawn.task = i;
		spawn.b = i % 20;
		model_apply(m, &spawn);
	}
}

/* A wake and its poll, in turn; every 5,000th poll takes 2 ms, half of it blocked. */
static void steady(struct record *r, const struct mix *mix, uint64_t t, uint32_t i,
		   uint64_t *ret_task)
{
	if (i % 2 == 0) {
		*ret_task = 1 + next_random() % mix->tasks;
		*r = (struct record){ .t_ns = t,
				      .kind = WEFT_K_TASK_WAKE,
				      .lane = (uint16_t)(i / 2 % LANES),
				      .task = *ret_task,
				      .a = i % 16 ? 0 : 1 + next_random() % mix->tasks,
				      .b = i % 16 ? WEFT_W_IO : WEFT_W_TASK,
				      .c = 1 };
		return;
	}
	*r = (struct record){ .t_ns = t,
			      .kind = WEFT_K_TASK_POLL,
			      .lane = (uint16_t)(i / 2 % LANES),
			      .task = *ret_task,
			      .a = i % 10000 == 9999 ? 2000000 : 500 + next_random() % 8000,
			      .b = 200 + next_random() % 4000 };
}

/* spawn, wake, poll, wake, poll, end: 6 records for a life. */
static void lives(struct record *r, const struct mix *mix, uint64_t t, uint32_t i,
		  uint64_t *next_task)
{
	static const uint16_t kind[] = { WEFT_K_TASK_SPAWN, WEFT_K_TASK_WAKE, WEFT_K_TASK_POLL,
					 WEFT_K_TASK_WAKE,  WEFT_K_TASK_POLL, WEFT_K_TASK_END };

	if (i % 6 == 0)
		++*next_task;
	*r = (struct record){ .t_ns = t,
			      .kind = kind[i % 6],
			      .lane = (uint16_t)(i / 6 % LANES),
			      .task = mix->tasks + *next_task,
			      .a = 700,
			      .b = 3,
			      .c = 1,
			      .d = 1 };
	if (r->kind == WEFT_K_TASK_END)
		r->b = WEFT_E_DONE;
}

static void samples(struct model *m, uint64_t t)
{
	for (uint32_t i = 0; i < LANES; i++) {
		struct weft_ev_lane_sample s = { .lane = i,
						 .state = WEFT_WS_RUNNING,
						 .cpu_ns = t * 9 / 10 + 1,
						 .runq_ns = t / 100 + 1,
						 .busy_ns = t / 2,
						 .polls = t / 4000,
						 .wakes = t / 4000,
						 .task = 1 + i,
						 .open_ns = 1000,
						 .poll_seq = t + i,
						 .syscall = -1 };

		event(m, t, WEFT_EV_LANE_SAMPLE, &s, sizeof(s));
	}
}

static struct cost run(const struct mix *mix, struct record *records)
{
	uint64_t apply = 0, tick = 0, detect_cost = 0, n = 0, task = 0, t = 1000000, begin;
	struct detect *d;
	struct model *m;
	char error[100];

	if (model_new(&m) < 0 ||
	    detect_new(m, &(struct detect_options){ 0 }, &d, error, sizeof(error)) < 0)
		abort();
	start(m, mix);
	for (uint32_t k = 0; k < SECONDS * 20; k++) {
		for (uint32_t i = 0; i < PER_TICK; i++, t += STEP_NS)
			(mix->spawns ? lives : steady)(&records[i], mix, t, i, &task);
		begin = cpu_ns();
		model_apply_all(m, records, PER_TICK);
		apply += cpu_ns() - begin;
		n += PER_TICK;
		begin = cpu_ns();
		samples(m, t);
		model_tick(m, t);
		tick += cpu_ns() - begin;
		begin = cpu_ns();
		detect_tick(d, t, 0);
		detect_cost += cpu_ns() - begin;
	}
	detect_free(d);
	model_free(m);
	return (struct cost){ (double)apply / (double)n, (double)detect_cost / (SECONDS * 1e9),
			      (double)(apply + tick) / (SECONDS * 1e9) };
}

/* ---- the task list ---- */

static double list_share(bool tree, enum live_sort sort)
{
	const struct mix mix = { "", 100000, false };
	static struct live_task rows[60];
	struct live_query q = {
		.process = UINT32_MAX, .sort = sort, .tree = tree, .count = 50, .pinned = 77
	};
	struct live_page page;
	struct live *l;
	struct record r;
	uint64_t begin, cost = 0, t = 200000, task = 0;

	if (live_make(&(struct live_options){ 0 }, &l) < 0)
		abort();
	start(l->model, &mix);
	for (int k = 0; k < 12;
	     k++) { /* 3 s of 4 Hz; between them tasks are busy and one in a thousand is new */
		for (uint32_t i = 0; i < 100000; i++, t += 2500) {
			steady(&r, &mix, t, i, &task);
			live_feed(l, &r, 1);
		}
		for (uint32_t i = 0; i < 100; i++) {
			r = (struct record){ .t_ns = t,
					     .kind = WEFT_K_TASK_SPAWN,
					     .task = 200000 + (uint64_t)k * 100 + i,
					     .a = 5,
					     .d = 1 };
			live_feed(l, &r, 1);
		}
		model_tick(l->model, t);
		q.offset = (size_t)k * 1000;
		begin = cpu_ns();
		live_tasks(l, &q, rows, &page);
		cost += cpu_ns() - begin;
	}
	live_close(l);
	return (double)cost / 3e9;
}

static double resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total, pages = 0;

	if (f && fscanf(f, "%lu %lu", &total, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * 4096;
}

static double task_bytes(void)
{
	const struct mix few = { "", 1, false }, many = { "", 200000, false };
	struct model *a, *b;
	double before, after;

	if (model_new(&a) < 0 || model_new(&b) < 0)
		abort();
	start(a, &few);
	before = resident();
	start(b, &many);
	after = resident();
	model_free(a);
	model_free(b);
	return (after - before) / 200000;
}

int main(void)
{
	static const struct mix mixes[] = { { "poll_heavy", 1000, false },
					    { "spawn_heavy", 1000, true },
					    { "tasks_200k", 200000, false } };
	struct record *records = malloc(PER_TICK * sizeof(*records));
	double detect_worst = 0;

	if (!records)
		return 1;
	printf("model.task_bytes %.0f bytes\n", task_bytes());
	for (size_t i = 0; i < sizeof(mixes) / sizeof(*mixes); i++) {
		struct cost c = run(&mixes[i], records);

		printf("model.%s_ns %.1f ns\n", mixes[i].name, c.apply_ns);
		printf("model.%s.cpu_at_2M %.4f share\n", mixes[i].name, c.model_share);
		if (c.detect_share > detect_worst)
			detect_worst = c.detect_share;
	}
	printf("detect.cpu_at_2M %.4f share\n", detect_worst);
	printf("live.list_100k %.4f share\n", list_share(false, LIVE_SORT_BUSY));
	printf("live.list_100k_p99 %.4f share\n", list_share(false, LIVE_SORT_P99));
	printf("live.tree_100k %.4f share\n", list_share(true, LIVE_SORT_ID));
	free(records);
	return 0;
}
