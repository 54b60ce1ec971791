/* SPDX-License-Identifier: MIT */
/*
 * How long it takes to attach to a running program and to let it go: attach PID light|normal prints both, and the CPU time of the first,
 * in ms, the number of events, and the most memory that was resident, in MiB. One process, one measurement: what was learnt of a file is kept. rust.sh runs it on a program with 5,000 task types.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "probes/session.h"

#define WATCH_MS 300.0

static unsigned long events;

static void count(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	(void)ev;
	events++;
}

static double ms_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double now_ms(void)
{
	return ms_of(CLOCK_MONOTONIC);
}

/* Up to the first round that has seen the process live: what comes with it is told then. */
static int measure(struct session *s, pid_t pid)
{
	double start = now_ms(), cpu = ms_of(CLOCK_PROCESS_CPUTIME_ID), attached, let_go;
	struct rusage used = { .ru_maxrss = 0 };

	if (session_attach(s, pid) || session_drain(s, count, NULL) < 0)
		return -1;
	attached = now_ms();
	cpu = ms_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	while (now_ms() < attached + WATCH_MS) {
		session_drain(s, count, NULL);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	let_go = now_ms();
	session_finish(s, count, NULL);
	session_close(s);
	getrusage(RUSAGE_SELF, &used);
	printf("%.1f %.1f %.1f %lu %.0f\n", attached - start, now_ms() - let_go, cpu, events,
	       (double)used.ru_maxrss / 1024);
	return 0;
}

int main(int argc, char **argv)
{
	struct session_options o = { .level = WEFT_LEVEL_LIGHT };
	struct session *s;

	if (argc != 3) {
		printf("of a program with 5,000 task types: bench.sh rust\n");
		return 77;
	}
	if (!strcmp(argv[2], "normal"))
		o.level = WEFT_LEVEL_NORMAL;
	if (session_open(&o, &s)) {
		fprintf(stderr, "attach: %s\n", session_error(NULL));
		return 1;
	}
	if (measure(s, atoi(argv[1]))) {
		fprintf(stderr, "attach: %s\n", session_error(s));
		session_close(s);
		return 1;
	}
	return 0;
}
