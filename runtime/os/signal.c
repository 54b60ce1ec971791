/* SPDX-License-Identifier: MIT */
/*
 * One counter per signal in the process. A runtime whose tasks wait for a signal has a task for it, the
 * listener, on a signalfd; whichever listener reads a signal counts it and wakes all waiters, also
 * those of other runtimes.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"

#define SIGNALS 65u

enum state { STATE_IDLE, STATE_QUEUED, STATE_FIRED };

struct listener {
	struct listener *next;
	struct weft_runtime *rt;
	int number, fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all of this */
static uint64_t came[SIGNALS];
static struct weft_signal *waiters[SIGNALS];
static struct listener *listeners;

/* The child has none of the parent's runtimes. */
static void fork_child(void)
{
	listeners = NULL;
	memset(waiters, 0, sizeof(waiters));
	pthread_mutex_unlock(&lock);
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static __attribute__((constructor)) void init(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

int weft_signal_block(const int *signals)
{
	sigset_t set;

	sigemptyset(&set);
	for (; *signals; signals++)
		if (sigaddset(&set, *signals))
			return -EINVAL;
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* The line SigBlk of one thread's status: a mask in hex, bit n - 1 for signal n. */
static bool blocks(const char *task, int number)
{
	char path[64], line[128];
	bool yes = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", task);
	file = fopen(path, "re");
	if (!file) /* it has ended */
		return true;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "SigBlk:", 7) == 0)
			yes = strtoull(line + 7, NULL, 16) >> (number - 1) & 1;
	fclose(file);
	return yes;
}

static bool blocked_everywhere(int number)
{
	struct dirent *entry;
	bool yes = true;
	DIR *dir = opendir("/proc/self/task");

	if (!dir) { /* no /proc: what this thread does */
		sigset_t set;

		pthread_sigmask(SIG_BLOCK, NULL, &set);
		return sigismember(&set, number);
	}
	while (yes && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			yes = blocks(entry->d_name, number);
	closedir(dir);
	return yes;
}

static void unlink_waiter(struct weft_signal *f)
{
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
}

/*
 * Under the lock: one waiter of the signal, taken out, its task referenced because it may end as
 * soon as the lock is released.
 */
static struct weft_task *take_waiter(int number)
{
	struct weft_signal *f = waiters[number];
	struct weft_task *task;

	while (f && f->seen > came[number]) /* it has had this one and waits again */
		f = f->next;
	if (!f)
		return NULL;
	task = f->task;
	unlink_waiter(f);
	weft_task_ref(task);
	f->state = STATE_FIRED;
	return task;
}

static void deliver(int number)
{
	struct weft_task *task;

	pthread_mutex_lock(&lock);
	came[number]++;
	while ((task = take_waiter(number))) {
		pthread_mutex_unlock(&lock);
		weft_task_wake(task, WEFT_W_IO);
		weft_task_unref(task);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
}

static void read_signals(int fd)
{
	struct signalfd_siginfo info[8];
	ssize_t n;

	while ((n = read(fd, info, sizeof(info))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(info[0]); i++)
			if (info[i].ssi_signo < SIGNALS)
				deliver((int)info[i].ssi_signo);
}

static void listener_end(struct listener *l)
{
	struct listener **at = &listeners;

	pthread_mutex_lock(&lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	pthread_mutex_unlock(&lock);
	close(l->fd);
	weft_memory_free(l);
}

struct listen {
	WEFT_FRAME;
	struct weft_fd_wait wait;
	struct listener *l;
};

/* Until shutdown. */
static weft_poll_t listen_task(struct weft_cx *cx, struct listen *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_fd_wait(cx, &f->wait, f->l->fd, POLLIN));
		if (f->rc > 0)
			read_signals(f->l->fd);
	} while (f->rc > 0);
	listener_end(f->l);
	weft_async_end(f, f->rc);
}

/* Under the lock: this runtime hears the signal. */
static bool is_heard(const struct weft_runtime *rt, int number)
{
	for (struct listener *l = listeners; l; l = l->next)
		if (l->rt == rt && l->number == number)
			return true;
	return false;
}

/* Another thread may have been faster. */
static bool link_listener(struct listener *l)
{
	bool heard;

	pthread_mutex_lock(&lock);
	heard = is_heard(l->rt, l->number);
	if (!heard) {
		l->next = listeners;
		listeners = l;
	}
	pthread_mutex_unlock(&lock);
	return !heard;
}

static int listener_start(struct weft_runtime *rt, int number)
{
	struct listener *l = weft_memory_alloc(sizeof(*l));
	sigset_t set;
	int rc;

	if (!l)
		return -ENOMEM;
	sigemptyset(&set);
	sigaddset(&set, number);
	l->rt = rt;
	l->number = number;
	l->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	rc = l->fd < 0 ? -errno : 0;
	if (rc || !link_listener(l)) {
		if (rc == 0)
			close(l->fd);
		weft_memory_free(l);
		return rc;
	}
	rc = weft_spawn(rt, listen_task, ((struct listen){ .l = l }), .name = "weft::signal",
			.detach = true);
	if (rc)
		listener_end(l);
	return rc;
}

/*
 * Before it waits: what comes from now on is for it. Under no lock, as spawning takes others, which fork() takes first, and /proc
 * tells of every thread.
 */
static int hear(struct weft_cx *cx, struct weft_signal *f, int number)
{
	bool begins, heard;
	int rc = 0;

	pthread_mutex_lock(&lock);
	begins = f->state == STATE_IDLE && !cx->cancelled;
	heard = is_heard(cx->runtime, number);
	if (begins && (!f->seen || f->number != number))
		f->seen = came[number] + 1;
	if (begins)
		f->number = number;
	pthread_mutex_unlock(&lock);
	if (begins && !heard)
		rc = blocked_everywhere(number) ? listener_start(cx->runtime, number) : -EPERM;
	if (rc)
		f->seen = 0;
	return rc;
}

/* Under the lock. */
static weft_poll_t enter(struct weft_cx *cx, struct weft_signal *f, int number)
{
	if (came[number] + 1 > f->seen)
		return WEFT_READY;
	f->task = cx->task;
	f->state = STATE_QUEUED;
	f->link = &waiters[number];
	f->next = *f->link;
	if (f->next)
		f->next->link = &f->next;
	*f->link = f;
	cx->task->links++;
	return WEFT_PENDING;
}

/* Under the lock. */
static weft_poll_t look(struct weft_cx *cx, struct weft_signal *f, int number)
{
	weft_poll_t rc;

	if (f->state == STATE_IDLE) {
		rc = cx->cancelled ? weft_cancelled(cx) : enter(cx, f, number);
		if (rc == WEFT_READY)
			f->seen = came[number] + 1;
		return rc;
	}
	if (f->state == STATE_QUEUED && !cx->cancelled)
		return WEFT_PENDING;
	if (f->state == STATE_QUEUED)
		unlink_waiter(f);
	f->task->links--;
	f->state = STATE_IDLE;
	if (cx->cancelled)
		return weft_cancelled(cx); /* what came meanwhile is for the next wait */
	f->seen = came[f->number] + 1;
	return WEFT_READY;
}

weft_poll_t weft_signal_wait(struct weft_cx *cx, struct weft_signal *f, int number)
{
	weft_poll_t rc;

	if (number < 1 || number >= (int)SIGNALS)
		return -EINVAL;
	rc = hear(cx, f, number);
	if (rc)
		return rc;
	pthread_mutex_lock(&lock);
	rc = look(cx, f, number);
	pthread_mutex_unlock(&lock);
	return rc == WEFT_PENDING ? weft_pending(cx, WEFT_WAIT_SIGNAL) : rc;
}
