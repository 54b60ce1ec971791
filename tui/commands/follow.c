/* SPDX-License-Identifier: MIT */
/*
 * Memory order: the thread owns everything but `stop`, which is under `lock`; the owner touches the rest
 * before pthread_create and after pthread_join only.
 */
#include "tui/commands/follow.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/session.h"

#define LOOK_MS      1000 /* while all is well: another instance may come up */
#define LOOK_SOON_MS 200  /* while one is missing */
#define ASK_AGAIN_MS 3000

/* One of -p PID: which process it is now. */
struct slot {
	pid_t pid;
	uint64_t ticks;    /* its start, in clock ticks since boot */
	uint64_t youngest; /* of those that ran the file when the watch began */
	char exe[512];
};

struct asked {
	pid_t pid;
	uint64_t at_ms;
	bool told;
};

struct follow {
	const struct command *self;
	const struct command_target *target;
	struct live *live;
	bool say, running;
	struct slot slot[TARGET_MAX];
	int slots;
	struct asked asked[TARGET_MAX];
	int n_asked;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool watched(struct follow *f, pid_t pid)
{
	struct live_header h;
	uint32_t n = 1;

	for (uint32_t i = 0; i < n && live_header(f->live, i, &h) == 0; i++) {
		n = h.processes;
		if ((pid_t)h.info.pid == pid && !h.gone)
			return true;
	}
	return false;
}

/* ---- by pid: the same file, younger ---- */

/* A file that was replaced since is named "... (deleted)": its successor has the bare name. */
static bool read_exe(pid_t pid, char *to, size_t size)
{
	static const char mark[] = " (deleted)";
	const size_t marks = sizeof(mark) - 1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, to, size - 1);
	if (n <= 0 || (size_t)n == size - 1)
		return false;
	to[n] = 0;
	if ((size_t)n > marks && strcmp(to + n - marks, mark) == 0)
		to[(size_t)n - marks] = 0;
	return true;
}

/* 0 = gone. Fields are counted from behind the name, which may hold anything. */
static uint64_t started_at(pid_t pid)
{
	unsigned long long ticks = 0;
	char path[64], text[1024];
	auto_fclose FILE *file = NULL;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file) || !(at = strrchr(text, ')')))
		return 0;
	return sscanf(at + 1,
		      " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		      "%llu",
		      &ticks) == 1
		       ? ticks
		       : 0;
}

/* Calls `see` with each process that runs the file. */
static void each_of(const char *exe, void (*see)(void *ctx, pid_t pid, uint64_t ticks), void *ctx)
{
	auto_closedir DIR *proc = opendir("/proc");
	char other[sizeof(((struct slot *)0)->exe)];
	struct dirent *e;

	while (proc && (e = readdir(proc)) != NULL) {
		pid_t pid = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;
		uint64_t ticks;

		if (!pid || !read_exe(pid, other, sizeof(other)) || strcmp(other, exe) != 0)
			continue;
		ticks = started_at(pid);
		if (ticks)
			see(ctx, pid, ticks);
	}
}

static void see_youngest(void *ctx, pid_t pid, uint64_t ticks)
{
	uint64_t *ret = ctx;

	(void)pid;
	if (ticks > *ret)
		*ret = ticks;
}

struct search {
	struct follow *f;
	const struct slot *slot;
	pid_t pid;
	uint64_t ticks;
};

static bool taken(const struct follow *f, pid_t pid)
{
	for (int i = 0; i < f->slots; i++)
		if (f->slot[i].pid == pid)
			return true;
	return false;
}

/* The eldest of those younger than the watch. A child of it that is watched already is none. */
static void see_successor(void *ctx, pid_t pid, uint64_t ticks)
{
	struct search *s = ctx;
	struct session_process info;

	if (ticks <= s->slot->youngest || ticks >= s->ticks || taken(s->f, pid) ||
	    watched(s->f, pid) || session_inspect(pid, &info) != 0 || !info.runtimes)
		return;
	s->pid = pid;
	s->ticks = ticks;
}

/* A zombie has a start, and runs no file. */
static bool gone(const struct slot *s)
{
	char exe[sizeof(s->exe)];

	return started_at(s->pid) != s->ticks || !read_exe(s->pid, exe, sizeof(exe));
}

static int pids_of_slots(struct follow *f, pid_t *pids)
{
	int n = 0;

	for (int i = 0; i < f->slots; i++) {
		struct slot *s = &f->slot[i];
		struct search search = { f, s, 0, UINT64_MAX };

		if (gone(s)) {
			each_of(s->exe, see_successor, &search);
			if (!search.pid)
				continue;
			s->pid = search.pid;
			s->ticks = search.ticks;
		}
		pids[n++] = s->pid;
	}
	return n;
}

static int note_pids(struct follow *f)
{
	pid_t pids[TARGET_MAX];
	int n = target_pids(f->self, f->target, pids);

	for (int i = 0; i < n; i++) {
		struct slot *s = &f->slot[f->slots];

		*s = (struct slot){ .pid = pids[i], .ticks = started_at(pids[i]) };
		if (!s->ticks || !read_exe(pids[i], s->exe, sizeof(s->exe)))
			continue; /* the attach tells */
		each_of(s->exe, see_youngest, &s->youngest);
		f->slots++;
	}
	return n < 0 ? -EINVAL : 0;
}

/* ---- asking ---- */

static struct asked *asked_of(struct follow *f, pid_t pid)
{
	struct asked *a = NULL;

	for (int i = 0; i < f->n_asked; i++)
		if (f->asked[i].pid == pid)
			return &f->asked[i];
	if (f->n_asked < TARGET_MAX) {
		a = &f->asked[f->n_asked++];
	} else {
		a = &f->asked[0];
		for (int i = 1; i < TARGET_MAX; i++)
			if (f->asked[i].at_ms < a->at_ms)
				a = &f->asked[i];
	}
	*a = (struct asked){ .pid = pid };
	return a;
}

/* Again after a while when nothing came of it: it may not have had its runtime yet. */
static void ask(struct follow *f, pid_t pid)
{
	struct session_want want = { .kind = SESSION_WANT_ATTACH, .value = (uint32_t)pid };
	struct asked *a = asked_of(f, pid);
	uint64_t now = now_ms();

	if (a->at_ms && now - a->at_ms < ASK_AGAIN_MS)
		return;
	a->at_ms = now;
	a->told = false;
	live_request(f->live, &want);
}

static void tell(struct follow *f)
{
	for (int i = 0; i < f->n_asked; i++) {
		struct asked *a = &f->asked[i];

		if (a->told || !watched(f, a->pid))
			continue;
		a->told = true;
		if (f->say)
			fprintf(stderr, "weft %s: process %d came up and is watched now\n",
				f->self->name, (int)a->pid);
	}
}

/* True when all that was found is watched. */
static bool look(struct follow *f)
{
	pid_t pids[TARGET_MAX];
	int n = f->target->pids ? pids_of_slots(f, pids) : target_look(f->target, pids);
	bool all = n > 0 && n >= f->slots;

	for (int i = 0; i < n; i++) {
		if (watched(f, pids[i]))
			continue;
		all = false;
		ask(f, pids[i]);
	}
	tell(f);
	return all;
}

static bool nap(struct follow *f, unsigned ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&f->lock);
	while (!f->stop && pthread_cond_timedwait(&f->wake, &f->lock, &until) != ETIMEDOUT)
		;
	stop = f->stop;
	pthread_mutex_unlock(&f->lock);
	return stop;
}

static void *follow_main(void *arg)
{
	struct follow *f = arg;

	pthread_setname_np(pthread_self(), "weft-follow");
	while (!nap(f, look(f) ? LOOK_MS : LOOK_SOON_MS))
		;
	return NULL;
}

/* ---- life ---- */

int follow_new(const struct command *self, const struct command_target *target, struct follow **ret)
{
	struct follow *f = calloc(1, sizeof(*f));
	pthread_condattr_t attr;
	int rc = 0;

	if (!f)
		return -ENOMEM;
	f->self = self;
	f->target = target;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (target->pids)
		rc = note_pids(f);
	if (rc)
		f = follow_free(f);
	*ret = f;
	return rc;
}

int follow_start(struct follow *f, struct live *live, bool say)
{
	f->live = live;
	f->say = say;
	f->running = pthread_create(&f->thread, NULL, follow_main, f) == 0;
	return f->running ? 0 : -EAGAIN;
}

struct follow *follow_free(struct follow *f)
{
	if (!f)
		return NULL;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	if (f->running)
		pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}
