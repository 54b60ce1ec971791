// SPDX-License-Identifier: MIT
/*
 * kill -9 of a busy target at random moments, again and again, with exact accounting:
 *
 *   session_kill [-n TIMES] [-l LEVEL] [-w MAX_MS] [-S SEED] [-x] TARGET [ARGS]
 *
 * Starts TARGET -T TRUTH ARGS, attaches as soon as that works, kills it, reads the crash tail. Every time: decoded +
 * nothing = emitted for each kind (unless the ring was full, which is counted), and the sum lies between what the target's truth file says it had
 * committed and had begun (-x: a target that keeps no such file). Prints one line per wrong round and a total. Exit 0: none wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/session.h"

#define TRUTH_THREADS 16u

struct round {
	uint64_t decoded[WEFT_MAX_KINDS], emitted[WEFT_MAX_KINDS], gaps, full, tail;
	uint64_t damaged;
	bool counted, exited, last_sample;
	int signal;
};

static struct round now;
static bool no_truth;

static void decode(const uint8_t *at, uint32_t bytes)
{
	static const uint8_t words[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, n) [code] = n,
		WEFT_WIRE_EVENTS(X)
#undef X
	};

	while (bytes >= 16) {
		uint64_t w[2];
		unsigned kind;
		uint32_t n;

		memcpy(w, at, sizeof(w));
		kind = (unsigned)(w[0] >> 56) % WEFT_MAX_KINDS;
		n = words[kind] ? words[kind] * 8u : (uint32_t)(w[1] & 0xffff);
		if (n < 16 || n > bytes)
			break;
		now.decoded[kind]++;
		at += n;
		bytes -= n;
	}
	now.damaged += bytes != 0;
}

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	if (ev->kind == WEFT_EV_BATCH) {
		const struct weft_ev_batch *b = (const void *)(ev + 1);
		uint32_t skip = b->offset ? 0 : sizeof(struct weft_batch);

		decode((const uint8_t *)(b + 1) + skip, b->bytes - skip);
		now.tail += (ev->flags & WEFT_EVF_TAIL) != 0;
	} else if (ev->kind == WEFT_EV_GAP) {
		if (((const struct weft_ev_gap *)(const void *)(ev + 1))->reason ==
		    WEFT_GAP_RING_FULL)
			now.full++;
		else
			now.gaps++;
	} else if (ev->kind == WEFT_EV_COUNTS && ev->flags & WEFT_EVF_LAST) {
		const struct weft_ev_counts *c = (const void *)(ev + 1);

		memcpy(now.emitted, c->emitted, sizeof(now.emitted));
		now.counted = true;
	} else if (ev->kind == WEFT_EV_LANE_SAMPLE && ev->flags & WEFT_EVF_LAST) {
		now.last_sample = true;
	} else if (ev->kind == WEFT_EV_PROCESS_EXIT) {
		now.exited = true;
		now.signal = ((const struct weft_ev_exit *)(const void *)(ev + 1))->signal;
	}
}

static pid_t start(char **argv, int argc, const char *truth)
{
	pid_t pid = (fflush(NULL), fork());
	char *args[64] = { argv[0], "-T", (char *)(uintptr_t)truth };

	if (pid)
		return pid;
	for (int i = 1; i < argc && i < 60; i++)
		args[i + (no_truth ? 0 : 2)] = argv[i];
	if (!freopen("/dev/null", "w", stdout))
		_exit(126);
	execv(argv[0], args);
	_exit(127);
}

static int attach(struct session *s, pid_t pid)
{
	int err;

	while ((err = session_attach(s, pid)) == -ENOENT)
		usleep(200);
	return err;
}

/* -1: the session failed; 0 fine; 1 wrong. */
static int one(struct session *s, int n, char **argv, int argc, const char *path, uint64_t *truth,
	       unsigned wait_us)
{
	uint64_t begun = 0, committed = 0, emitted = 0, decoded = 0;
	struct timespec t0, t;
	int wrong = 0, err;
	pid_t pid;

	memset(&now, 0, sizeof(now));
	memset(truth, 0, TRUTH_THREADS * 16);
	pid = start(argv, argc, path);
	err = attach(s, pid);
	if (err) {
		fprintf(stderr, "session_kill: %s\n", session_error(s));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &t0);
	do {
		session_drain(s, sink, NULL);
		usleep(500);
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((t.tv_sec - t0.tv_sec) * 1000000 + (t.tv_nsec - t0.tv_nsec) / 1000 <
		 (long)wait_us);
	kill(pid, SIGKILL);
	for (int i = 0; i < 4000 && session_alive(s); i++) {
		session_drain(s, sink, NULL);
		usleep(500);
	}
	waitpid(pid, NULL, 0);
	for (unsigned i = 0; i < TRUTH_THREADS; i++) {
		begun += truth[2 * i];
		committed += truth[2 * i + 1];
	}
	for (unsigned k = 1; k < WEFT_MAX_KINDS; k++) {
		wrong |= now.full ? now.emitted[k] < now.decoded[k]
				  : now.emitted[k] != now.decoded[k];
		emitted += now.emitted[k];
		decoded += now.decoded[k];
	}
	if (now.counted) /* else it was dead before its mapping was found: nothing of it can be known */
		wrong |= now.gaps || now.damaged || now.signal != SIGKILL ||
			 (!no_truth && (emitted < committed || emitted > begun));
	if (wrong || getenv("SESSION_KILL_VERBOSE"))
		printf("round %d after %u us: emitted %llu decoded %llu truth %llu..%llu gaps %llu full %llu damaged %llu counted %d signal %d%s\n",
		       n, wait_us, (unsigned long long)emitted, (unsigned long long)decoded,
		       (unsigned long long)committed, (unsigned long long)begun,
		       (unsigned long long)now.gaps, (unsigned long long)now.full,
		       (unsigned long long)now.damaged, now.counted, now.signal,
		       wrong ? " WRONG" : "");
	return wrong;
}

int main(int argc, char **argv)
{
	struct session_options options = { .level = WEFT_LEVEL_NORMAL, .census_ms = ~0u };
	unsigned seed = (unsigned)time(NULL), max_ms = 20;
	int c, times = 100, wrong = 0, empty = 0, full = 0, done;
	uint64_t *truth, records = 0;
	char path[] = "/tmp/session_kill.XXXXXX";
	struct session *s;
	int fd;

	while ((c = getopt(argc, argv, "+n:l:w:S:x")) != -1)
		switch (c) {
		case 'n':
			times = atoi(optarg);
			break;
		case 'l':
			options.level = (enum weft_level)atoi(optarg);
			break;
		case 'w':
			max_ms = (unsigned)atoi(optarg);
			break;
		case 'S':
			seed = (unsigned)atoi(optarg);
			break;
		case 'x':
			no_truth = true;
			break;
		default:
			return 2;
		}
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, TRUTH_THREADS * 16))
		return 2;
	truth = mmap(NULL, TRUTH_THREADS * 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (truth == MAP_FAILED || session_open(&options, &s)) {
		fprintf(stderr, "session_kill: %s\n", session_error(NULL));
		return 2;
	}
	for (done = 0; done < times; done++) {
		int r = one(s, done, argv + optind, argc - optind, path, truth,
			    (unsigned)rand_r(&seed) % (max_ms * 1000 + 1));

		if (r < 0)
			break;
		wrong += r;
		empty += !now.counted;
		full += now.full != 0;
		for (unsigned k = 0; k < WEFT_MAX_KINDS; k++)
			records += now.decoded[k];
	}
	session_finish(s, sink, NULL);
	session_close(s);
	unlink(path);
	printf("%d rounds, %d wrong, %d died before the runtime was found, %d with a full ring, %llu records\n",
	       done, wrong, empty, full, (unsigned long long)records);
	return wrong || done < times;
}
