/* SPDX-License-Identifier: MIT */
/*
 * What a probe site costs the program that carries it.
 *
 *   probe.detached_ns  the checks of one instrumented place, nobody attached, above an empty loop
 *   probe.event_ns     one poll record with `weft record` attached at normal, flush probes included, against
 *                      the same record stored into a bare ring in memory, in turn in the same run
 *
 * Time is CPU time of this thread. Bursts are spaced so that the recorder keeps up: what is measured
 * is the path on which nothing is lost, and the recording must confirm that.
 *
 *   probe [--quick]    WEFT: the program that records; TMPDIR: where to
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/trace.h"
#include "runtime/weft.h"
#include "tests/bench/support/row.h"

#define BURST          20000u
#define RING_RECORDS   128u /* 4 KiB, as a batch */
#define EMPTY_LOOPS    2000000u
#define ATTACH_SECONDS 15

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static __attribute__((noinline)) double empty_loop(void)
{
	double start = cpu_ns();

	for (unsigned i = 0; i < EMPTY_LOOPS; i++)
		__asm__ volatile("" : : "r"(i) : "memory");
	return (cpu_ns() - start) / EMPTY_LOOPS;
}

/* A place as the runtime has it at the end of a poll: the batch path and the plain point. */
static __attribute__((noinline)) double site_loop(void)
{
	double start = cpu_ns();

	for (unsigned i = 0; i < EMPTY_LOOPS; i++) {
		__asm__ volatile("" : : "r"(i) : "memory");
		if (weft_trace_on())
			weft_trace_emit(WEFT_K_TASK_POLL, weft_clock_stamp(), i, 0, 0, 0);
		WEFT_USDT(task_poll_end, i, 0, 0);
	}
	return (cpu_ns() - start) / EMPTY_LOOPS;
}

static void detached(unsigned rounds)
{
	static struct row row = { .name = "probe.detached_ns",
				  .unit = "ns",
				  .against = "empty_loop" };

	for (unsigned i = 0; i < rounds; i++) {
		double empty = empty_loop(), site = site_loop();

		row_add(&row, site > empty ? site - empty : 0, empty);
	}
	row_print(&row);
}

/* The least that recording in memory can cost: stamp, four words, a commit word. */
static __attribute__((noinline)) double ring_burst(void)
{
	static __thread uint64_t ring[RING_RECORDS][4];
	static __thread uint64_t commit;
	double start = cpu_ns();

	for (uint64_t i = 0; i < BURST; i++) {
		uint64_t *to = ring[i % RING_RECORDS];

		WEFT_SET(to[0], WEFT_WORD0(WEFT_K_TASK_POLL, weft_clock_stamp()));
		WEFT_SET(to[1], i);
		WEFT_SET(to[2], 100);
		WEFT_SET(to[3], 200);
		__atomic_store_n(&commit, i, __ATOMIC_RELEASE);
	}
	return (cpu_ns() - start) / BURST;
}

static __attribute__((noinline)) double event_burst(void)
{
	double start = cpu_ns();

	for (uint64_t i = 0; i < BURST; i++)
		WEFT_EMIT(TASK_POLL, 1, 100, 200);
	return (cpu_ns() - start) / BURST;
}

static pid_t start_recorder(const char *weft, char *db)
{
	char self[16];
	pid_t pid;

	snprintf(self, sizeof(self), "%d", (int)getpid());
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDOUT_FILENO);
		execl(weft, weft, "record", "-p", self, "-o", db, "--level", "normal",
		      (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* False: not in time, or the recorder has ended (*recorder is 0 then). */
static bool wait_until_traced(pid_t *recorder)
{
	for (unsigned i = 0; i < ATTACH_SECONDS * 100; i++) {
		if (weft_trace_on())
			return true;
		if (waitpid(*recorder, NULL, WNOHANG) == *recorder) {
			*recorder = 0;
			return false;
		}
		pause_ms(10);
	}
	return false;
}

static void attached(unsigned rounds)
{
	static struct row row = { .name = "probe.event_ns", .unit = "ns", .against = "user_ring" };

	for (unsigned i = 0; i < rounds; i++) {
		double ring, event;

		ring = ring_burst();
		event = event_burst();
		pause_ms(10);
		row_add(&row, event, ring);
	}
	row_print(&row);
}

static int measure(const char *weft, unsigned rounds)
{
	const char *dir = getenv("TMPDIR");
	char db[PATH_MAX];
	int status = 0;
	pid_t recorder;

	snprintf(db, sizeof(db), "%s/probe.db", dir ? dir : "/tmp");
	recorder = start_recorder(weft, db);
	if (recorder < 0 || !wait_until_traced(&recorder)) {
		fprintf(stderr, "probe: %s record did not attach within %d s\n", weft,
			ATTACH_SECONDS);
		if (recorder > 0)
			kill(recorder, SIGKILL);
		return 1;
	}
	attached(rounds);
	kill(recorder, SIGINT);
	waitpid(recorder, &status, 0);
	return status != 0;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 && !strcmp(argv[1], "--quick") ? 11 : ROW_ROUNDS_MAX;
	const char *weft = getenv("WEFT");
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "bench" };
	struct weft_trace_role role = { .role = WEFT_LANE_FOREIGN, .worker = UINT32_MAX };
	struct weft_runtime *rt;
	int rc;

	if (weft_runtime_new(&config, &rt) < 0)
		return 1;
	weft_trace_thread_begin(&role, "bench");
	detached(rounds < 21 ? rounds : 21);
	rc = measure(weft ? weft : "build/weft", rounds);
	weft_trace_thread_end();
	weft_runtime_free(rt);
	return rc;
}
