/* SPDX-License-Identifier: MIT */
#include "tests/workloads/support/workload.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MAX 600.0

static atomic_bool ended;
static sem_t go;

static void on_end(int sig)
{
	(void)sig;
	atomic_store_explicit(&ended, true, memory_order_relaxed);
	sem_post(&go);
}

static void on_go(int sig)
{
	(void)sig;
	sem_post(&go);
}

static void handle(int sig, void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_RESTART };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

static void usage(const char *program, const char *variants)
{
	fprintf(stderr,
		"usage: %s [--healthy] [--variant %s] [--flavour NAME] [--workers N] [--count N] [--seconds S] [--wait]\n",
		program, *variants ? variants : "-");
	exit(2);
}

static bool among(const char *variants, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = variants; *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == n && !strncmp(p, name, n))
			return true;
	return false;
}

enum { HEALTHY = 1, VARIANT, FLAVOUR, WORKERS, COUNT, SECONDS, WAIT };
static const struct option options[] = {
	{ "healthy", 0, 0, HEALTHY }, { "variant", 1, 0, VARIANT },
	{ "flavour", 1, 0, FLAVOUR }, { "workers", 1, 0, WORKERS },
	{ "count", 1, 0, COUNT },     { "seconds", 1, 0, SECONDS },
	{ "wait", 0, 0, WAIT },       { 0 },
};

static void parse(struct workload *w, int argc, char **argv, const char *variants)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case HEALTHY:
			w->healthy = true;
			break;
		case VARIANT:
			w->variant = optarg;
			break;
		case FLAVOUR:
			w->flavour = weft_flavour_find(optarg);
			break;
		case WORKERS:
			w->workers = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case COUNT:
			w->count = strtoull(optarg, NULL, 10);
			break;
		case SECONDS:
			w->seconds = strtod(optarg, NULL);
			break;
		case WAIT:
			w->wait = true;
			break;
		default:
			usage(argv[0], variants);
		}
	}
	if (optind < argc || !w->flavour || w->seconds <= 0 || w->seconds > SECONDS_MAX ||
	    w->workers > 64 || (*w->variant && !among(variants, w->variant)))
		usage(argv[0], variants);
}

static void *drive(void *rt)
{
	weft_runtime_run(rt);
	return NULL;
}

/* Threads for a flavour that has none of its own. They end at the shutdown. */
static void drivers_start(struct workload *w)
{
	pthread_t thread;

	if (w->flavour == WEFT_CURRENT_THREAD || w->flavour == WEFT_EXECUTOR)
		w->drivers = w->flavour == WEFT_EXECUTOR ? w->workers : 1;
	for (unsigned i = 0; i < w->drivers; i++) {
		if (pthread_create(&thread, NULL, drive, w->rt)) {
			perror("pthread_create");
			exit(1);
		}
		pthread_detach(thread);
	}
}

static void live_on(struct workload *w)
{
	atomic_store_explicit(&w->end_ns, weft_now() + (uint64_t)(w->seconds * 1e9),
			      memory_order_relaxed);
}

void workload_begin(struct workload *w, int argc, char **argv, const char *variants)
{
	struct weft_config config = { .size = sizeof(config) };
	const char *slash = strrchr(argv[0], '/');
	int rc;

	*w = (struct workload){
		.flavour = WEFT_MULTI_THREAD, .workers = 2, .seconds = 60, .variant = ""
	};
	parse(w, argc, argv, variants);
	sem_init(&go, 0, 0);
	handle(SIGTERM, on_end);
	handle(SIGINT, on_end);
	handle(SIGUSR1, on_go);
	config.flavour = w->flavour;
	config.workers = w->workers;
	config.name = slash ? slash + 1 : argv[0];
	rc = weft_runtime_new(&config, &w->rt);
	if (rc < 0) {
		fprintf(stderr, "%s: no runtime: %s\n", argv[0], strerror(-rc));
		exit(1);
	}
	drivers_start(w);
	live_on(w);
}

static void wait_for_go(const struct workload *w)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)w->seconds;
	while (sem_timedwait(&go, &until) < 0 && errno == EINTR)
		;
}

void workload_ready(struct workload *w, const char *task, const char *more)
{
	printf("ready pid=%d", (int)getpid());
	if (task && w->at_file)
		printf(" task=%s at=%s:%u", task, w->at_file, w->at_line);
	printf("%s%s\n", more ? " " : "", more ? more : "");
	fflush(stdout);
	if (w->wait) {
		wait_for_go(w);
		live_on(w); /* not counting how long it took to get here */
	}
}

bool workload_on(const struct workload *w)
{
	return !atomic_load_explicit(&ended, memory_order_relaxed) &&
	       weft_now() < atomic_load_explicit(&w->end_ns, memory_order_relaxed);
}

void workload_rest(const struct workload *w)
{
	while (workload_on(w))
		workload_doze(20 * MS);
}

int workload_end(struct workload *w)
{
	int rc = weft_runtime_shutdown(w->rt, 2 * SECOND);

	/* A worker that never comes back is what some of these programs are about. */
	if (rc == 0)
		weft_runtime_free(w->rt);
	return 0;
}

bool workload_is(const struct workload *w, const char *variant)
{
	return !strcmp(w->variant, variant);
}

__attribute__((noinline)) void workload_doze(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / SECOND), (long)(ns % SECOND) };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

__attribute__((noinline)) void workload_burn(uint64_t ns)
{
	uint64_t until = weft_now() + ns;
	volatile uint64_t x = 88172645463325252ull;

	do {
		for (unsigned i = 0; i < 2000; i++)
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	} while (weft_now() < until);
}

struct ticker {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep sleep;
};

static weft_poll_t ticker(struct weft_cx *cx, struct ticker *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx))
		weft_await(f, weft_sleep(cx, &f->sleep, 5 * MS));
	weft_async_end(f, 0);
}

void workload_tickers(struct workload *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		weft_spawn(w->rt, ticker, ((struct ticker){ .w = w }), .detach = true);
}
