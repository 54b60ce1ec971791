/* SPDX-License-Identifier: MIT */
/*
 * An order service under load, with three planted troubles. It is what the demo traces:
 *
 *	leak	"session" tasks wait for a logout that never comes, 20 more each second
 *	busy	"pump" spins 120 ms in checksum_batch() at each poll and so eats most of a worker
 *	block	"db::retry" sleeps 80-300 ms in db_backoff(), a blocking call inside its poll
 *
 * --healthy does the same work rightly: sessions end, checksums run on the blocking pool, the
 * retry sleeps asynchronously. --only TROUBLE plants one of them. --truth prints at the end, as
 * JSON, what the program itself has counted in its own poll functions.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"

#define MS                      1000000ull
#define CLIENTS                 24
#define REQUESTS_PER_CONNECTION 100
#define THINK_NS                (10 * MS)
#define SESSIONS_PER_S          20

/* One list: enum, name in the JSON. */
#define KINDS(X)                \
	X(ACCEPTOR, "acceptor") \
	X(ORDER, "order")       \
	X(CLIENT, "client")     \
	X(GATE, "gate") X(SESSION, "session") X(PUMP, "pump") X(RETRY, "db::retry")

enum kind {
#define X(name, text) name,
	KINDS(X)
#undef X
		KIND_COUNT
};

static const char *const kind_name[] = {
#define X(name, text) text,
	KINDS(X)
#undef X
};

static struct {
	uint64_t spawned, ended, cancelled, polls; /* cancelled: ended by shutdown */
} truth[KIND_COUNT];
static uint64_t requests, jobs, backoffs;

static struct {
	bool leak, busy, block, print_truth;
	unsigned workers, seconds;
	uint16_t port;
	uint32_t flavour;
} opt = { true, true, true, false, 4, 0, 0, WEFT_MULTI_THREAD };

static struct weft_runtime *rt;
static struct weft_semaphore *logout; /* released by nobody */
static volatile sig_atomic_t stopping;

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void ended(const struct weft_cx *cx, enum kind kind)
{
	count(cx->cancelled ? &truth[kind].cancelled : &truth[kind].ended);
}

#define SPAWN(kind, fn, frame)                                                                 \
	do {                                                                                   \
		if (weft_spawn(rt, fn, (frame), .name = kind_name[kind], .detach = true) == 0) \
			count(&truth[kind].spawned);                                           \
	} while (0)

/* ------------------------------------------------------------ the service */

struct order {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n, used;
	char in[512], reply[256];
};

static int order_reply(char *to, size_t cap, const char *request)
{
	char body[96];
	int id = 0, n;

	sscanf(request, "GET /orders/%d", &id);
	n = snprintf(body, sizeof(body), "{\"order\":%d,\"items\":%d,\"state\":\"packed\"}", id,
		     id % 7 + 1);
	return snprintf(
		to, cap,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		n, body);
}

static weft_poll_t order(struct weft_cx *cx, struct order *f)
{
	count(&truth[ORDER].polls);
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_tcp_read(cx, f->conn, f->in + f->used,
					    sizeof(f->in) - 1 - f->used, &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		f->used += f->n;
		f->in[f->used] = '\0';
		if (!strstr(f->in, "\r\n\r\n")) {
			if (f->used == sizeof(f->in) - 1)
				break;
			continue;
		}
		f->used = 0;
		count(&requests);
		f->n = (size_t)order_reply(f->reply, sizeof(f->reply), f->in);
		weft_await(f, weft_write_all(cx, &f->out, f->conn, f->reply, f->n));
		if (f->rc < 0)
			break;
	}
	weft_tcp_close(f->conn);
	ended(cx, ORDER);
	weft_async_end(f, 0);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
	struct weft_sleep pause;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	count(&truth[ACCEPTOR].polls);
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc == -ECANCELED)
			break;
		if (f->rc < 0)
			weft_await(f, weft_sleep(cx, &f->pause, 10 * MS)); /* out of descriptors */
		else
			SPAWN(ORDER, order, ((struct order){ .conn = f->conn }));
	}
	weft_listener_close(f->listener);
	ended(cx, ACCEPTOR);
	weft_async_end(f, 0);
}

/* --------------------------------------------------------------- the load */

struct client {
	WEFT_FRAME;
	uint16_t port;
	int number, left;
	struct weft_connect connecting;
	struct weft_tcp *conn;
	struct weft_write_all out;
	struct weft_sleep pause;
	size_t n;
	char buf[256];
};

static weft_poll_t client(struct weft_cx *cx, struct client *f)
{
	count(&truth[CLIENT].polls);
	weft_async_begin(f);
	while (!stopping && !cx->cancelled) {
		weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1", f->port, &f->conn));
		if (f->rc < 0) {
			weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
			continue;
		}
		for (f->left = REQUESTS_PER_CONNECTION; f->left > 0 && !stopping; f->left--) {
			f->n = (size_t)snprintf(f->buf, sizeof(f->buf),
						"GET /orders/%d HTTP/1.1\r\nHost: demo\r\n\r\n",
						f->number * 1000 + f->left);
			weft_await(f, weft_write_all(cx, &f->out, f->conn, f->buf, f->n));
			if (f->rc < 0)
				break;
			weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
			if (f->rc < 0 || f->n == 0)
				break;
			weft_await(f, weft_sleep(cx, &f->pause, THINK_NS));
		}
		f->conn = weft_tcp_close(f->conn);
	}
	ended(cx, CLIENT);
	weft_async_end(f, 0);
}

/* --------------------------------------------------------------- sessions */

struct session {
	WEFT_FRAME;
	struct weft_acquire wait;
	struct weft_sleep idle;
	char cart[200];
};

static weft_poll_t session(struct weft_cx *cx, struct session *f)
{
	count(&truth[SESSION].polls);
	weft_async_begin(f);
	if (opt.leak)
		weft_await(f, weft_semaphore_acquire(cx, logout, &f->wait));
	else
		weft_await(f, weft_sleep(cx, &f->idle, 300 * MS));
	ended(cx, SESSION);
	weft_async_end(f, 0);
}

struct gate {
	WEFT_FRAME;
	struct weft_sleep pause;
};

static weft_poll_t gate(struct weft_cx *cx, struct gate *f)
{
	count(&truth[GATE].polls);
	weft_async_begin(f);
	while (!stopping && !cx->cancelled) {
		SPAWN(SESSION, session, ((struct session){ .cart = "" }));
		weft_await(f, weft_sleep(cx, &f->pause, 1000 * MS / SESSIONS_PER_S));
	}
	ended(cx, GATE);
	weft_async_end(f, 0);
}

/* ------------------------------------------------------------- the troubles */

static volatile uint32_t checksum;

static __attribute__((noinline)) uint32_t checksum_batch(uint64_t ns)
{
	uint64_t until = weft_now() + ns;
	uint32_t sum = 1;

	do {
		for (uint32_t i = 0; i < 20000; i++)
			sum = sum * 31 + (i ^ sum >> 7);
	} while (weft_now() < until);
	return sum;
}

static int checksum_job(void *arg)
{
	checksum += checksum_batch(*(const uint64_t *)arg);
	return 0;
}

struct pump {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_job job;
	uint64_t ns;
};

static weft_poll_t pump(struct weft_cx *cx, struct pump *f)
{
	count(&truth[PUMP].polls);
	weft_async_begin(f);
	while (!stopping && !cx->cancelled) {
		if (opt.busy) {
			checksum += checksum_batch(120 * MS);
			weft_await(f, weft_sleep(cx, &f->pause, 5 * MS));
		} else {
			count(&jobs);
			f->ns = 5 * MS;
			weft_await(f, weft_spawn_blocking(cx, &f->job, checksum_job, &f->ns));
			weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
		}
	}
	ended(cx, PUMP);
	weft_async_end(f, 0);
}

/* What a C programmer brings along from threads. */
static __attribute__((noinline)) void db_backoff(unsigned attempt)
{
	usleep(80000 + attempt * 7919 % 12 * 20000);
	count(&backoffs); /* after usleep: a tail call would leave no frame of this function */
}

struct retry {
	WEFT_FRAME;
	struct weft_sleep pause;
	unsigned attempt;
};

static weft_poll_t db_retry(struct weft_cx *cx, struct retry *f)
{
	count(&truth[RETRY].polls);
	weft_async_begin(f);
	for (f->attempt = 0; !stopping && !cx->cancelled; f->attempt++) {
		if (opt.block)
			db_backoff(f->attempt);
		else
			weft_await(f, weft_sleep(cx, &f->pause, (80 + f->attempt % 12 * 20) * MS));
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	ended(cx, RETRY);
	weft_async_end(f, 0);
}

/* -------------------------------------------------------------------- main */

static void usage(FILE *to)
{
	fputs("usage: demo_service [--flavour NAME] [--workers N] [--seconds S] [--port P]\n"
	      "                    [--healthy] [--only leak|busy|block] [--truth]\n",
	      to);
}

static int only(const char *which)
{
	opt.leak = strcmp(which, "leak") == 0;
	opt.busy = strcmp(which, "busy") == 0;
	opt.block = strcmp(which, "block") == 0;
	return opt.leak || opt.busy || opt.block ? 0 : -1;
}

static int options(int argc, char **argv)
{
	static const struct option list[] = {
		{ "flavour", required_argument, NULL, 'f' },
		{ "workers", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 's' },
		{ "port", required_argument, NULL, 'p' },
		{ "healthy", no_argument, NULL, 'h' },
		{ "only", required_argument, NULL, 'o' },
		{ "truth", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, '?' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (c == 'w')
			opt.workers = (unsigned)atoi(optarg);
		else if (c == 's')
			opt.seconds = (unsigned)atoi(optarg);
		else if (c == 'p')
			opt.port = (uint16_t)atoi(optarg);
		else if (c == 'h')
			opt.leak = opt.busy = opt.block = false;
		else if (c == 't')
			opt.print_truth = true;
		else if (c == 'f')
			opt.flavour = weft_flavour_find(optarg);
		else if (c != 'o' || only(optarg))
			return -1;
	}
	return optind == argc && opt.flavour ? 0 : -1;
}

static void print_truth(void)
{
	printf("{\"requests\":%llu,\"jobs\":%llu,\"backoffs\":%llu,\"tasks\":{",
	       (unsigned long long)requests, (unsigned long long)jobs,
	       (unsigned long long)backoffs);
	for (int i = 0; i < KIND_COUNT; i++)
		printf("%s\"%s\":{\"spawned\":%llu,\"ended\":%llu,\"cancelled\":%llu,\"polls\":%llu}",
		       i ? "," : "", kind_name[i], (unsigned long long)truth[i].spawned,
		       (unsigned long long)truth[i].ended, (unsigned long long)truth[i].cancelled,
		       (unsigned long long)truth[i].polls);
	printf("}}\n");
}

static int serve(struct weft_listener *listener)
{
	uint16_t port = weft_listener_port(listener);

	SPAWN(ACCEPTOR, acceptor, ((struct acceptor){ .listener = listener }));
	SPAWN(GATE, gate, ((struct gate){ .rc = 0 }));
	SPAWN(PUMP, pump, ((struct pump){ .ns = 0 }));
	SPAWN(RETRY, db_retry, ((struct retry){ .attempt = 0 }));
	for (int i = 0; i < CLIENTS; i++)
		SPAWN(CLIENT, client, ((struct client){ .port = port, .number = i }));
	/* Last: who reads it may count on all of them. */
	printf("demo_service: pid %d, http://127.0.0.1:%u/orders/1\n", (int)getpid(), port);
	fflush(stdout);
	return 0;
}

/* Threads for a flavour that has none; they end with the runtime. */
static void *drive(void *unused)
{
	weft_runtime_run(rt);
	return unused;
}

static void drivers_start(void)
{
	unsigned n = opt.flavour == WEFT_EXECUTOR         ? opt.workers
		     : opt.flavour == WEFT_CURRENT_THREAD ? 1
							  : 0;
	pthread_t thread;

	for (; n > 0; n--)
		if (pthread_create(&thread, NULL, drive, NULL) == 0)
			pthread_detach(thread);
}

/* Signals are blocked everywhere and taken here. */
static void wait_for_end(const sigset_t *set)
{
	struct timespec until = { (time_t)opt.seconds, 0 };

	while ((opt.seconds ? sigtimedwait(set, NULL, &until) : sigwaitinfo(set, NULL)) < 0 &&
	       errno == EINTR)
		;
	stopping = 1;
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "orders" };
	struct weft_listener *listener;
	sigset_t set;
	int rc;

	if (options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	config.flavour = opt.flavour;
	config.workers = opt.workers;
	rc = weft_semaphore_new(0, &logout);
	if (rc == 0)
		rc = weft_runtime_new(&config, &rt);
	if (rc == 0)
		rc = weft_tcp_listen(rt, "127.0.0.1", opt.port, &listener);
	if (rc) {
		fprintf(stderr, "demo_service: start: %s\n", strerror(-rc));
		return 1;
	}
	serve(listener);
	drivers_start();
	wait_for_end(&set);
	rt = weft_runtime_free(rt);
	weft_semaphore_free(logout);
	if (opt.print_truth)
		print_truth();
	return 0;
}
