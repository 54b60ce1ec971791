/* SPDX-License-Identifier: MIT */
/*
 * All flavours at once at full load, with churn: stress_soak [SECONDS [FLAVOUR [DRIVER]]], or
 * WEFT_STRESS_SECONDS, WEFT_STRESS_FLAVOUR and WEFT_STRESS_DRIVER (epoll, io_uring). On each runtime
 * clients go on connecting and asking an echo service, sleeping, giving up waits, spawning, aborting and
 * detaching tasks, and blocking in the pool and in place.
 *
 * Seen to, once a second and at the end: every request is answered and every client goes on (a lost wake-up
 * shows as one that doesn't), memory stays what it was after the first fifth, no descriptor, task or timer is left.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/weft.h"

#define MS          1000000ull
#define CLIENTS     64
#define DRIVERS     2
#define CHILDREN    8
#define STUCK_S     30
#define GROWTH_MAX  (24ull << 20) /* bytes; allocators and stacks breathe */
#define GROWTH_PART 4             /* or a quarter of what there was */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* its shadow grows */
#else
#define SANITIZED false
#endif

enum what { REQUESTS, CONNECTIONS, SLEEPS, GIVEN_UP, TASKS, ABORTED, JOBS, IN_PLACE, WHATS };
static const char *const what_text[] = { "requests", "connections", "sleeps", "waits given up",
					 "tasks",    "aborted",     "jobs",   "in place" };

struct side {
	struct weft_runtime *rt;
	uint32_t flavour, clients; /* clients: that live, atomic */
	uint16_t port;
	char path[64]; /* of the Unix listener, abstract */
	pthread_t driver[DRIVERS];
	struct weft_notify never;
	struct weft_join *acceptor[2];
	uint64_t spawned, ended; /* tasks that clients made, atomic */
	uint64_t beat[CLIENTS];  /* operations, atomic */
	uint32_t doing[CLIENTS]; /* enum what, atomic */
	uint64_t count[WHATS];   /* atomic */
};

static bool stop; /* atomic */

static void die(const struct side *side, const char *what, long value)
{
	fprintf(stderr, "stress_soak: %s: %s (%ld)\n",
		side ? weft_flavour_name(side->flavour) : "all", what, value);
	abort();
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void count(struct side *side, enum what what)
{
	__atomic_fetch_add(&side->count[what], 1, __ATOMIC_RELAXED);
}

/* ---- the service ---- */

struct echo {
	WEFT_FRAME;
	struct weft_stream *conn;
	struct weft_write_all out;
	size_t n;
	char buf[512];
};

static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_stream_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_stream_write_all(cx, &f->out, f->conn, f->buf, f->n));
	} while (f->rc == 0);
	weft_stream_close(f->conn);
	weft_async_end(f, 0);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *tcp;
	struct weft_stream *conn;
	bool local;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx)) {
		if (f->local) {
			weft_await(f, weft_unix_accept(cx, f->listener, &f->conn));
		} else {
			weft_await(f, weft_tcp_accept(cx, f->listener, &f->tcp));
			f->conn = weft_tcp_stream(f->tcp);
		}
		if (f->rc == 0 && weft_spawn(NULL, echo, ((struct echo){ .conn = f->conn })))
			weft_stream_close(f->conn);
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

/* ---- what clients do ---- */

struct talk {
	WEFT_FRAME;
	struct weft_connect connecting;
	struct weft_tcp *tcp;
	struct weft_stream *conn;
	struct weft_write_all out;
	struct weft_sleep limit;
	int left;
	size_t n, got, part;
	char data[512], back[512];
};

/* One request; the answer has to be what was sent. */
static weft_poll_t ask(struct weft_cx *cx, struct talk *f, struct side *side, uint32_t *random)
{
	weft_async_begin(f);
	f->n = 1 + next_random(random) % sizeof(f->data);
	memset(f->data, (int)*random, f->n);
	weft_await(f, weft_stream_write_all(cx, &f->out, f->conn, f->data, f->n));
	for (f->got = 0; f->rc == 0 && f->got < f->n; f->got += f->part) {
		f->part = 0;
		weft_await(f, weft_timeout(cx, &f->limit, STUCK_S * 1000 * MS,
					   weft_stream_read(cx, f->conn, f->back + f->got,
							    f->n - f->got, &f->part)));
		if (f->rc == 0 && f->part == 0)
			die(side, "the service went away", (long)f->got);
	}
	if (f->rc && !weft_is_cancelled(cx))
		die(side, "a request has no answer", f->rc);
	if (f->rc == 0 && memcmp(f->data, f->back, f->n) != 0)
		die(side, "another answer", (long)f->n);
	count(side, REQUESTS);
	weft_async_end(f, f->rc);
}

struct client {
	WEFT_FRAME;
	struct side *side;
	uint32_t me, random;
	int i, n;
	enum what what;
	struct talk talk;
	struct talk ask;
	struct weft_sleep sleep;
	struct weft_waiter wait;
	struct weft_job job;
	struct weft_join *join[CHILDREN];
};

static weft_poll_t connect_to(struct weft_cx *cx, struct talk *f, struct side *side, bool local)
{
	int rc;

	if (local)
		return weft_unix_connect(cx->runtime, side->path, &f->conn);
	rc = weft_tcp_connect(cx, &f->connecting, "127.0.0.1", side->port, &f->tcp);
	if (rc == 0)
		f->conn = weft_tcp_stream(f->tcp);
	return rc;
}

/* Some leave without waiting for the answer, some reset the connection. */
static weft_poll_t converse(struct weft_cx *cx, struct client *f)
{
	struct side *side = f->side;

	weft_async_begin(&f->talk);
	weft_await(&f->talk, connect_to(cx, &f->talk, side, f->random & 64));
	if (f->talk.rc) /* no port left, or the queue is full: as on any busy machine */
		return 0;
	count(side, CONNECTIONS);
	f->ask.conn = f->talk.conn;
	for (f->talk.left = (int)(f->random >> 8 & 15); f->talk.left > 0; f->talk.left--)
		weft_await(&f->talk, ask(cx, &f->ask, side, &f->random));
	if (f->random % 16 == 0)
		weft_await(&f->talk,
			   weft_stream_write_all(cx, &f->ask.out, f->talk.conn, f->ask.data, 100));
	if (f->random % 4 == 0)
		(void)weft_stream_set(f->talk.conn, WEFT_OPTION_LINGER, 0);
	weft_stream_close(f->talk.conn);
	weft_async_end(&f->talk, 0);
}

struct child {
	WEFT_FRAME;
	struct side *side;
	uint32_t random;
	struct weft_yield yield;
	struct weft_sleep sleep;
};

static weft_poll_t child(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	if (f->random & 1)
		weft_await(f, weft_yield(cx, &f->yield));
	if (f->random & 2)
		weft_await(f, weft_sleep(cx, &f->sleep, f->random % 500 * 1000));
	__atomic_fetch_add(&f->side->ended, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static weft_poll_t breed(struct weft_cx *cx, struct client *f)
{
	struct side *side = f->side;

	weft_async_begin(&f->talk);
	f->n = 1 + (int)(f->random >> 8) % CHILDREN;
	for (f->i = 0; f->i < f->n; f->i++) {
		__atomic_fetch_add(&side->spawned, 1, __ATOMIC_RELAXED);
		if (weft_spawn(NULL, child,
			       ((struct child){ .side = side, .random = next_random(&f->random) }),
			       .join = &f->join[f->i]))
			die(side, "spawn", 0);
		count(side, TASKS);
	}
	for (f->i = 0; f->i < f->n; f->i++) {
		if (next_random(&f->random) % 5 == 0) {
			weft_join_abort(f->join[f->i]);
			count(side, ABORTED);
		}
		if (f->random % 3 == 0)
			f->join[f->i] = weft_join_detach(f->join[f->i]);
		else
			weft_await(&f->talk, weft_join(cx, &f->join[f->i]));
	}
	weft_async_end(&f->talk, 0);
}

static int block(void *arg)
{
	usleep(*(uint32_t *)arg % 300);
	return 17;
}

/* Gives the operation's result; those that can't fail say so. */
static weft_poll_t one(struct weft_cx *cx, struct client *f, enum what what)
{
	struct side *side = f->side;
	int rc;

	switch (what) {
	case REQUESTS:
		return converse(cx, f);
	case SLEEPS:
		return weft_sleep(cx, &f->sleep, f->random % 2000 * 1000);
	case GIVEN_UP:
		rc = weft_timeout(cx, &f->sleep, f->random % 1000 * 1000,
				  weft_notify_wait(cx, &side->never, &f->wait));
		return rc == -ETIMEDOUT ? 0 : rc;
	case TASKS:
		return breed(cx, f);
	case JOBS:
		rc = weft_spawn_blocking(cx, &f->job, block, &f->random);
		return rc == 17 ? 0 : rc;
	default:
		rc = weft_block_in_place(cx, block, &f->random);
		return rc == 17 || rc == -ENOTSUP ? 0 : rc;
	}
}

static enum what pick(uint32_t random)
{
	switch (random % 32) {
	case 0:
		return SLEEPS;
	case 1:
		return GIVEN_UP;
	case 2:
		return JOBS;
	case 3:
		return IN_PLACE;
	default:
		return random % 32 < 18 ? REQUESTS : TASKS;
	}
}

static weft_poll_t client(struct weft_cx *cx, struct client *f)
{
	struct side *side = f->side;

	weft_async_begin(f);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		next_random(&f->random);
		f->what = pick(f->random >> 4);
		__atomic_store_n(&side->doing[f->me], f->what, __ATOMIC_RELAXED);
		weft_await(f, one(cx, f, f->what));
		if (f->rc)
			die(side, what_text[f->what], f->rc);
		if (f->what != REQUESTS && f->what != TASKS)
			count(side, f->what);
		__atomic_fetch_add(&side->beat[f->me], 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_sub(&side->clients, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

/* ---- a runtime of each kind ---- */

static void *driver_main(void *arg)
{
	struct side *side = arg;
	int rc = weft_runtime_run(side->rt);

	if (rc && rc != -ESHUTDOWN)
		die(side, "run", rc);
	return NULL;
}

static void begin(struct side *side, uint32_t flavour, uint32_t driver)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = flavour,
				      .driver = driver,
				      .workers = 2,
				      .max_blocking = 8,
				      .keep_alive_ns = 100 * MS };
	struct acceptor tcp = { .local = false }, local = { .local = true };

	side->flavour = flavour;
	snprintf(side->path, sizeof(side->path), "@weft_soak.%d.%u", getpid(), flavour);
	if (weft_runtime_new(&config, &side->rt) ||
	    weft_tcp_listen(side->rt, "127.0.0.1", 0, &tcp.listener) ||
	    weft_unix_listen(side->rt, side->path, &local.listener))
		die(side, "start", errno);
	side->port = weft_listener_port(tcp.listener);
	for (int i = 0; i < DRIVERS; i++)
		if (pthread_create(&side->driver[i], NULL, driver_main, side))
			die(side, "thread", 0);
	if (weft_spawn(side->rt, acceptor, tcp, .join = &side->acceptor[0]) ||
	    weft_spawn(side->rt, acceptor, local, .join = &side->acceptor[1]))
		die(side, "spawn", 0);
	side->clients = CLIENTS;
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (weft_spawn(side->rt, client,
			       ((struct client){ .side = side,
						 .me = i,
						 .random = (i + 1) * 2654435761u + flavour })))
			die(side, "spawn", 0);
}

/* Nothing may be left but the acceptors and the drivers' roots. */
static void settle(struct side *side)
{
	uint64_t until = weft_now() + STUCK_S * 1000 * MS;
	struct weft_runtime_stats stats;

	do {
		usleep(1000);
		weft_runtime_stats(side->rt, &stats);
		if (weft_now() > until)
			die(side, "tasks that don't end", (long)stats.alive);
	} while (__atomic_load_n(&side->clients, __ATOMIC_ACQUIRE) || stats.alive > 2 + DRIVERS);
	if (side->spawned != __atomic_load_n(&side->ended, __ATOMIC_ACQUIRE))
		die(side, "children that ended twice or not", (long)(side->spawned - side->ended));
	if (stats.timers)
		die(side, "timers left", (long)stats.timers);
	if (stats.fds != 2)
		die(side, "sockets left", stats.fds);
}

static void finish(struct side *side)
{
	struct weft_runtime_stats stats;

	settle(side);
	for (int i = 0; i < 2; i++)
		side->acceptor[i] = weft_join_detach(side->acceptor[i]);
	if (weft_runtime_shutdown(side->rt, STUCK_S * 1000 * MS))
		die(side, "shutdown", 0);
	for (int i = 0; i < DRIVERS; i++)
		pthread_join(side->driver[i], NULL);
	weft_runtime_stats(side->rt, &stats);
	if (stats.alive || stats.fds || stats.timers || stats.pool_threads)
		die(side, "left after the shutdown", (long)(stats.alive + stats.fds));
	weft_notify_done(&side->never);
	weft_runtime_free(side->rt);
}

/* ---- watching ---- */

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!dir)
		die(NULL, "/proc/self/fd", errno);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static uint64_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!file || fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct watch {
	uint64_t beat[WEFT_EXECUTOR][CLIENTS];
	unsigned still[WEFT_EXECUTOR][CLIENTS]; /* seconds */
	uint64_t early, late;                   /* most bytes in the second and in the last fifth */
	unsigned fds;                           /* most */
};

/* Once a second. */
static void look_at(struct watch *w, unsigned at, struct side *side)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		uint64_t beat = __atomic_load_n(&side->beat[i], __ATOMIC_RELAXED);

		w->still[at][i] = beat == w->beat[at][i] ? w->still[at][i] + 1 : 0;
		w->beat[at][i] = beat;
		if (w->still[at][i] > STUCK_S)
			die(side, what_text[__atomic_load_n(&side->doing[i], __ATOMIC_RELAXED)],
			    -(long)i);
	}
}

static void weigh(struct watch *w, unsigned second, unsigned seconds)
{
	uint64_t bytes = resident();
	unsigned fds = open_fds();

	if (second * 5 / seconds == 1 && bytes > w->early)
		w->early = bytes;
	if (second * 5 / seconds == 4 && bytes > w->late)
		w->late = bytes;
	w->fds = fds > w->fds ? fds : w->fds;
}

static void report(const struct side *side, const struct watch *w, unsigned seconds)
{
	struct rusage usage;

	for (; side->rt; side++) {
		printf("stress_soak: %-14s", weft_flavour_name(side->flavour));
		for (unsigned i = 0; i < WHATS; i++)
			printf("%s %" PRIu64 " %s", i ? "," : "", side->count[i], what_text[i]);
		printf("\n");
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("stress_soak: %u s, CPU %.0f %%, memory %.1f -> %.1f MiB, %u descriptors at most\n",
	       seconds,
	       100.0 *
		       ((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6) /
		       seconds,
	       (double)w->early / 1048576.0, (double)w->late / 1048576.0, w->fds);
}

int main(int argc, char **argv)
{
	const char *env = getenv("WEFT_STRESS_SECONDS"), *name = getenv("WEFT_STRESS_FLAVOUR"),
		   *with = getenv("WEFT_STRESS_DRIVER");
	unsigned seconds = (unsigned)atoi(argc > 1 ? argv[1] : env ? env : "20"), n = 0, before;
	static struct side side[WEFT_EXECUTOR + 1];
	static struct watch w;
	uint32_t only, driver;

	name = argc > 2 ? argv[2] : name;
	only = name ? weft_flavour_find(name) : 0;
	with = argc > 3 ? argv[3] : with;
	driver = with && strcmp(with, "io_uring") == 0 ? WEFT_DRIVER_URING : WEFT_DRIVER_EPOLL;
	if (seconds == 0 || (name && !only) ||
	    (with && driver == WEFT_DRIVER_EPOLL && strcmp(with, "epoll") != 0))
		die(NULL, "usage: stress_soak [SECONDS [FLAVOUR [DRIVER]]]", 0);
	before = open_fds();
	for (uint32_t code = 1; code <= WEFT_EXECUTOR; code++)
		if (!only || only == code)
			begin(&side[n++], code, driver);
	for (unsigned second = 0; second < seconds; second++) {
		sleep(1);
		for (unsigned i = 0; i < n; i++)
			look_at(&w, i, &side[i]);
		weigh(&w, second, seconds);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		finish(&side[i]);
	report(side, &w, seconds);
	if (open_fds() > before + 2) /* the trace mapping, and what the C library keeps */
		die(NULL, "descriptors left", (long)open_fds() - before);
	if (!SANITIZED && seconds >= 10 && w.late > w.early + GROWTH_MAX &&
	    w.late > w.early + w.early / GROWTH_PART)
		die(NULL, "memory grew, KiB", (long)(w.late - w.early) / 1024);
	return 0;
}
