// SPDX-License-Identifier: MIT
/*
 * A writer of the trace format that is not libweft: an independent reading of runtime/probe_points.h, as fast
 * as it can go, that also does what no service should do. It borrows only the probe points themselves.
 *
 *   fake_target [-t THREADS] [-r EVENTS_PER_SECOND] [-T TRUTH_FILE] [-s SECONDS] [-m MODE] [-e EXIT_CODE] [-a ABI] [-w]
 *
 * -w: its time begins when somebody watches, a minute from its start at the latest.
 * -a 1: as a libweft of ABI 1 writes, in batches of one page.
 * Modes: seal (default), unsealed, closed (the descriptor), garbage (header), cut (unsealed, cut to one page
 * after 0.5 s), scribble (random bytes over everything but the header's page, all the time),
 * forks (fork, vfork, posix_spawn, raw clone, all the time), exec (itself after 1 s, once), told (forks until
 * a SIGUSR1, then exec).
 * TRUTH_FILE: a u64 pair per thread, mapped shared: events begun, events committed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/usdt.h"

#define MAX_THREADS 16u
#define SITES       4u
#define LANE_OFFSET 65536u
#define LANE_STRIDE (WEFT_PAGE + WEFT_BATCH_BYTES)
#define BYTES       (LANE_OFFSET + MAX_THREADS * LANE_STRIDE)

extern char **environ;

struct truth {
	uint64_t begun, committed;
};

static struct weft_map_header *header;
static struct truth *truth, no_truth[MAX_THREADS];
static unsigned threads = 2, rate, abi = WEFT_ABI_VERSION;
static double seconds = 30;
static const char *mode = "seal";
static char **own_argv;
static volatile sig_atomic_t told;
static bool waits;

static uint32_t batch_bytes(void)
{
	return abi == 1 ? WEFT_BATCH_BYTES_1 : WEFT_BATCH_BYTES;
}

static uint32_t lane_stride(void)
{
	return WEFT_PAGE + batch_bytes();
}

static uint64_t stamp(void)
{
	return __builtin_ia32_rdtsc();
}

static unsigned level(void)
{
	return WEFT_USDT_UP(flush_full)     ? 3
	       : WEFT_USDT_UP(flush_normal) ? 2
	       : WEFT_USDT_UP(flush_light)  ? 1
					    : 0;
}

/* ---- one lane ---- */

struct writer {
	struct weft_lane *lane;
	struct weft_batch *batch;
	struct truth *truth;
	uint32_t seq, head;
	uint64_t count[WEFT_MAX_KINDS]; /* in the open batch */
	uint64_t total;
};

static void commit(struct writer *w)
{
	__atomic_store_n(&w->lane->commit, (uint64_t)w->seq << 32 | w->head, __ATOMIC_RELEASE);
}

static void open_batch(struct writer *w)
{
	*w->batch = (struct weft_batch){ .magic = WEFT_BATCH_MAGIC,
					 .lane = (uint16_t)w->lane->index,
					 .abi = (uint16_t)abi,
					 .seq = w->seq,
					 .level = level(),
					 .emitted = w->total,
					 .first_stamp = stamp() };
	w->head = sizeof(*w->batch);
	commit(w);
}

static void flush(struct writer *w)
{
	uint64_t id = w->lane->index | (uint64_t)w->seq << 32, page = (uintptr_t)w->batch;

	switch (level()) {
	case 1:
		weft_usdt_flush_light(page, w->head, id, stamp());
		break;
	case 2:
		weft_usdt_flush_normal(page, w->head, id, stamp());
		break;
	case 3:
		weft_usdt_flush_full(page, w->head, id, stamp());
		break;
	default:
		break;
	}
	for (unsigned k = 0; k < WEFT_MAX_KINDS; k++) {
		w->lane->emitted[(w->seq + 1) & 1][k] =
			w->lane->emitted[w->seq & 1][k] + w->count[k];
		w->total += w->count[k];
		w->count[k] = 0;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	w->seq++;
	open_batch(w);
}

static void put(struct writer *w, unsigned kind, unsigned words, uint64_t a, uint64_t b)
{
	uint64_t *to;

	__atomic_store_n(&w->truth->begun, w->truth->begun + 1, __ATOMIC_RELAXED);
	if (w->head + words * 8 > batch_bytes())
		flush(w);
	to = (uint64_t *)(void *)((char *)w->batch + w->head);
	to[0] = WEFT_WORD0(kind, stamp());
	to[1] = a;
	to[2] = b;
	if (words > 3)
		to[3] = WEFT_TICKS_UNKNOWN;
	w->head += words * 8;
	w->count[kind]++;
	commit(w);
	__atomic_store_n(&w->truth->committed, w->truth->committed + 1, __ATOMIC_RELEASE);
}

static void one_poll(struct writer *w, uint64_t task)
{
	uint64_t begun = stamp();

	__atomic_store_n(&w->lane->poll_start, begun, __ATOMIC_RELAXED);
	__atomic_store_n(&w->lane->poll_seq, w->lane->poll_seq + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&w->lane->task, task, __ATOMIC_RELAXED);
	if (level() > 1)
		put(w, WEFT_K_TASK_WAKE, 3, task, (uint64_t)WEFT_W_TIMER << 48);
	else
		w->lane->filtered[WEFT_K_TASK_WAKE]++;
	put(w, WEFT_K_TASK_POLL, 4, task, (stamp() - begun) & WEFT_ID_MASK);
	__atomic_store_n(&w->lane->task, 0, __ATOMIC_RELAXED);
	w->lane->polls++;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double beginning(void)
{
	for (double limit = now() + 60; waits && !level() && now() < limit;)
		usleep(200);
	return now();
}

static void *write_lane(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	struct writer w = { .lane = (void *)((char *)header + LANE_OFFSET + i * lane_stride()),
			    .truth = &truth[i] };
	double end, then, watched = 0; /* seconds */
	uint64_t n = 0;

	w.batch = (void *)((char *)w.lane + WEFT_PAGE);
	w.lane->index = i;
	w.lane->tid = (uint32_t)syscall(SYS_gettid);
	w.lane->runtime = 1;
	w.lane->worker = i;
	snprintf(w.lane->name, sizeof(w.lane->name), "fake-%u", i);
	open_batch(&w);
	__atomic_store_n(&w.lane->role, WEFT_LANE_WORKER, __ATOMIC_RELEASE);
	while (__atomic_load_n(&header->lanes, __ATOMIC_ACQUIRE) !=
	       i) /* in order: all below the count are there */
		usleep(10);
	__atomic_store_n(&header->lanes, i + 1, __ATOMIC_RELEASE);
	then = beginning();
	end = then + seconds;
	while (n % 64 || now() < end) {
		double t = now();

		watched += level() ? t - then : 0;
		then = t;
		if (!level() || (rate && (double)n > watched * rate)) {
			usleep(500);
			if (now() > end)
				break;
			continue;
		}
		one_poll(&w, 1 + n++ % 1000);
	}
	return NULL;
}

/* ---- the mapping ---- */

static void fill_header(void)
{
	header->abi = abi;
	header->header_bytes = sizeof(*header);
	header->pid = (uint32_t)getpid();
	header->clock = WEFT_CLOCK_TSC;
	header->start_stamp = stamp();
	header->map_bytes = BYTES;
	header->lane_offset = LANE_OFFSET;
	header->lane_stride = lane_stride();
	header->max_lanes = MAX_THREADS;
	header->site_offset = 8192;
	header->site_stride = sizeof(struct weft_site_entry);
	header->max_sites = SITES;
	header->slab_offset = 16384;
	header->max_slabs = 4;
	header->task_head_bytes = sizeof(struct weft_task_head);
#define X(name, code, text, lowest, words) header->kind_words[code] = words;
	WEFT_WIRE_EVENTS(X)
#undef X
	header->runtime[0] = (struct weft_runtime_entry){
		.id = 1, .flavour = WEFT_F_MULTI_THREAD, .workers = threads, .name = "fake"
	};
	for (unsigned i = 0; i < SITES; i++) {
		struct weft_site_entry *s =
			(void *)((char *)header + header->site_offset + i * header->site_stride);

		snprintf(s->func, sizeof(s->func), "fake_function_%u", i);
		snprintf(s->file, sizeof(s->file), "fake.c");
		s->line = i;
	}
	header->sites = SITES;
	__atomic_store_n(&header->magic, WEFT_MAP_MAGIC, __ATOMIC_RELEASE);
}

static int make_mapping(void)
{
	int fd = memfd_create(WEFT_MAP_NAME, MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, BYTES))
		return -1;
	header = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		return -1;
	madvise(header, BYTES, MADV_DONTFORK);
	if (strcmp(mode, "unsealed") && strcmp(mode, "cut") &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -1;
	if (!strcmp(mode, "closed"))
		close(fd);
	return fd;
}

/* ---- misbehaviour, in the main thread ---- */

static int idle(void *arg)
{
	(void)arg;
	_exit(0);
}

static void fork_all_ways(void)
{
	static char stack[65536];
	char *const argv[] = { "true", NULL };
	pid_t pid = fork();

	if (!pid) {
		usleep(1000);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	if (!posix_spawnp(&pid, "true", NULL, NULL, argv, environ))
		waitpid(pid, NULL, 0);
	pid = clone(idle, stack + sizeof(stack), SIGCHLD, NULL);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void scribble(unsigned *seed)
{
	uint8_t *at = (uint8_t *)header;

	for (unsigned i = 0; i < 256; i++)
		at[WEFT_PAGE + (unsigned)rand_r(seed) % (BYTES - WEFT_PAGE)] =
			(uint8_t)rand_r(seed);
}

static void misbehave(int fd)
{
	double begun = beginning();
	unsigned seed = (unsigned)getpid();
	bool cut = false;

	while (now() - begun < seconds) {
		if (!strcmp(mode, "forks") || !strcmp(mode, "told"))
			fork_all_ways();
		if (!strcmp(mode, "scribble"))
			scribble(&seed);
		if (!strcmp(mode, "cut") && !cut && now() - begun > 0.5)
			cut = !ftruncate(fd, WEFT_PAGE);
		if (!strcmp(mode, "exec") ? now() - begun > 1.0 : told) {
			setenv("FAKE_TARGET_MODE", "seal", 1);
			execv("/proc/self/exe", own_argv);
			_exit(126);
		}
		usleep(2000);
	}
}

static void on_usr1(int signal)
{
	(void)signal;
	told = 1;
}

static void on_bus(int signal)
{
	(void)signal;
	_exit(0); /* it cut its own mapping */
}

int main(int argc, char **argv)
{
	pthread_t thread[MAX_THREADS];
	int c, fd, code = 0;

	own_argv = argv;
	truth = no_truth;
	while ((c = getopt(argc, argv, "t:r:T:s:m:e:a:w")) != -1)
		switch (c) {
		case 't':
			threads = (unsigned)atoi(optarg) % (MAX_THREADS + 1);
			break;
		case 'r':
			rate = (unsigned)atoi(optarg);
			break;
		case 's':
			seconds = atof(optarg);
			break;
		case 'm':
			mode = optarg;
			break;
		case 'e':
			code = atoi(optarg);
			break;
		case 'w':
			waits = true;
			break;
		case 'a':
			abi = (unsigned)atoi(optarg);
			break;
		case 'T':
			fd = open(optarg, O_RDWR);
			truth = mmap(NULL, sizeof(no_truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				     0);
			if (truth == MAP_FAILED)
				return 2;
			close(fd);
			break;
		default:
			return 2;
		}
	if (getenv("FAKE_TARGET_MODE"))
		mode = getenv("FAKE_TARGET_MODE");
	fd = make_mapping();
	if (fd < 0)
		return 2;
	fill_header();
	if (!strcmp(mode, "garbage"))
		memset((char *)header + 8, 0x5a, 4000);
	signal(SIGBUS, on_bus);
	if (!strcmp(mode, "told"))
		signal(SIGUSR1, on_usr1);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, write_lane, (void *)(uintptr_t)i);
	puts("ready");
	fflush(stdout);
	misbehave(fd);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return code;
}
