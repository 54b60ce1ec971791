/* SPDX-License-Identifier: MIT */
#include "tests/support/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned next(unsigned *seed)
{
	return *seed = *seed * 1103515245u + 12345u, *seed >> 8;
}

static void sundry(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		   unsigned i)
{
	static const char *const stack[] = { "do_sys_poll", "read", "handle", "main" };
	const uint64_t steal[3] = { 0, 1 | 2ull << 16 | 3ull << 32, 1 },
		       park[3] = { 0, 1 | 2ull << 32, 700 };

	if (i % 97 == 0)
		synth_name(s, process, lane, t, task,
			   i % 2 ? "conn 10.0.0.1:443" : "\x1b[31mred\xff");
	if (i % 31 == 0)
		synth_timer(s, process, lane, t, WEFT_K_TIMER_FIRE, i, task,
			    (int64_t)t - 1000 - (i % 7) * 100000);
	if (i % 41 == 0)
		synth_record(s, process, lane, t, WEFT_K_STEAL, steal, 3);
	if (i % 43 == 0)
		synth_record(s, process, lane, t, WEFT_K_WORKER_UNPARK, park, 3);
	if (i % 61 == 0)
		synth_offcpu(s, process, lane, t, task, i % 2 ? 900 : 0, 50);
	if (i % 401 == 0)
		synth_stack(s, process, lane, t, task, 2000000, WEFT_STACK_BLOCKED, stack, 4, 1);
}

static void turn(struct synth *s, uint64_t *t, unsigned *seed, unsigned i)
{
	uint32_t process = i % 5 == 0, lane = i % 3;
	uint64_t task = 1 + next(seed) % 50, dur = 300 + next(seed) % 1500;

	*t += 700 + next(seed) % 900;
	if (i % 6 == 1) { /* one that lives shortly */
		task = 1000 + i;
		synth_spawn(s, process, lane, *t, task, 1, 1 + i % 2);
	}
	synth_wake(s, process, lane, *t + 20, task, i % 3 ? task : 7, 1 + i % 7);
	*t += dur + 150;
	synth_poll_delay(s, process, lane, *t, task, dur, i % 6 == 1, i % 11 ? 130 : UINT64_MAX);
	if (i % 6 == 1)
		synth_end(s, process, lane, *t + 1, task, WEFT_E_DONE);
	*t += 10;
	sundry(s, process, lane, *t, task, i);
}

struct synth *scenario_new(unsigned turns, unsigned lose_at)
{
	struct synth *s = synth_new();
	unsigned seed = 42;
	uint64_t t = 1000;

	for (uint32_t p = 0; p < 2; p++) {
		synth_process(s, p, p ? "worker" : "service");
		synth_runtime(s, p, 1, WEFT_RT_WEFT, 3);
		for (uint32_t l = 0; l < 3; l++)
			synth_worker(s, p, l, 1, l);
		synth_site(s, p, 1, "accept", "svc.c", 10);
		synth_site(s, p, 2, "echo", "svc.c", 20);
	}
	for (uint64_t task = 1; task <= 50; task++, t += 100)
		synth_spawn(s, task % 2, task % 3, t, task, 0, 1 + task % 2);
	for (unsigned i = 1; i <= turns; i++) {
		turn(s, &t, &seed, i);
		if (i == lose_at)
			synth_lose(s, 0, 1);
		if (i % 500 == 0)
			synth_piece(s, 0, i % 3);
		if (i % 2000 == 0)
			synth_counts(s, t, false);
	}
	synth_filtered(s, 0, WEFT_K_TASK_WAKE, 12345);
	synth_finish(s);
	return s;
}

int scenario_record(const struct synth *s, const char *path, uint64_t max_bytes,
		    const struct engine_consumer *consumer, struct engine_account *rows, int *n)
{
	struct session *session = fake_session_new(s, 2000, false);
	struct engine_options options = { .session = session,
					  .session_ops = &fake_session_ops,
					  .store_path = path,
					  .max_bytes = max_bytes };
	struct engine *e = NULL;
	int rc = engine_open(&options, consumer, &e);

	if (!rc) {
		while (!engine_done(e))
			usleep(1000);
		rc = engine_stop(e);
		if (rows)
			*n = engine_accounts(e, rows, (size_t)*n);
	}
	engine_close(e);
	fake_session_free(session);
	return rc;
}

void scenario_path(char path[64], const char *name)
{
	snprintf(path, 64, "/tmp/weft-%s-%d.db", name, (int)getpid());
	scenario_unlink(path);
}

void scenario_unlink(const char *path)
{
	static const char *const suffix[] = { "", "-wal", "-shm", "-journal" };
	char name[128];

	for (unsigned i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffix[i]);
		unlink(name);
	}
}

int scenario_exact(const struct engine_account *rows, int n)
{
	for (int i = 0; i < n; i++)
		if (rows[i].produced !=
		    rows[i].stored + rows[i].lost + rows[i].filtered + rows[i].expired)
			return 0;
	return n > 0;
}
