/* SPDX-License-Identifier: MIT */
#include "runtime/os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"
#include "runtime/os/std_fd.h"

#define NAP_MIN_NS 1000000u
#define NAP_MAX_NS 20000000u

extern char **environ;
bool weft_child_without_pidfd;

/* How one waits for the end: embedded in a child, or in the frame of the reaper. */
struct ending {
	pid_t pid;
	int pidfd; /* -1: none */
	struct weft_fd_wait wait;
	struct weft_sleep sleep;
	uint64_t nap;
};

struct weft_child {
	struct ending end;
	struct weft_runtime *rt;
	int fd[3]; /* our ends, -1 = none */
	struct weft_fd_wait wait[3];
	uint32_t flags;
	pthread_mutex_t lock; /* reaped, status: a kill must not reach a pid that is used again */
	bool reaped;
	int status;
};

static int pidfd_open(pid_t pid)
{
	return weft_child_without_pidfd ? -1
					: weft_fd_above_std((int)syscall(SYS_pidfd_open, pid, 0));
}

/* Our end and the child's of each pipe asked for. Non-blocking is only ours. */
static int open_pipes(struct weft_child *child, int theirs[3])
{
	for (int i = 0; i < 3; i++) {
		int pair[2];

		if (!(child->flags & 1u << i))
			continue;
		if (pipe2(pair, O_CLOEXEC))
			return -errno;
		/* Not on one of the child's own three, to which they are copied one after another. */
		child->fd[i] = weft_fd_above_std(pair[i == 0]);
		theirs[i] = weft_fd_above_std(pair[i != 0]);
		if (child->fd[i] < 0 || theirs[i] < 0)
			return -errno;
		if (fcntl(child->fd[i], F_SETFL, O_NONBLOCK))
			return -errno;
	}
	return 0;
}

static int add_files(posix_spawn_file_actions_t *actions, const struct weft_child_options *o,
		     const int theirs[3])
{
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++) {
		if (theirs[i] >= 0)
			rc = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
		else if (o->flags & WEFT_CHILD_NULL)
			rc = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
	}
	if (rc == 0 && o->dir)
		rc = posix_spawn_file_actions_addchdir_np(actions, o->dir);
	return -rc;
}

/* A program that blocks SIGTERM for signalfd must not hand that on. */
static int add_signals(posix_spawnattr_t *attr)
{
	sigset_t set;

	sigemptyset(&set);
	posix_spawnattr_setsigmask(attr, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(attr, &set);
	return -posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int execute(struct weft_child *child, const struct weft_child_options *o,
		   const int theirs[3])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	rc = add_files(&actions, o, theirs);
	if (rc == 0)
		rc = add_signals(&attr);
	if (rc == 0)
		rc = -posix_spawnp(&child->end.pid, o->argv[0], &actions, &attr,
				   (char *const *)(uintptr_t)o->argv,
				   o->env ? (char *const *)(uintptr_t)o->env : environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static void close_fds(int fd[3])
{
	for (int i = 0; i < 3; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

static void child_destroy(struct weft_child *child)
{
	close_fds(child->fd);
	if (child->end.pidfd >= 0)
		close(child->end.pidfd);
	pthread_mutex_destroy(&child->lock);
	weft_memory_free(child);
}

int weft_child_start(struct weft_runtime *rt, const struct weft_child_options *options,
		     struct weft_child **ret)
{
	int theirs[3] = { -1, -1, -1 }, rc;
	struct weft_child *child;

	if (!rt || !options->argv || !options->argv[0])
		return -EINVAL;
	if (!weft_runtime_running(rt)) {
		weft_misuse(WEFT_M_AFTER_SHUTDOWN, weft_thread.cx ? weft_thread.cx->task : NULL);
		return -ESHUTDOWN;
	}
	child = weft_memory_alloc(sizeof(*child));
	if (!child)
		return -ENOMEM;
	pthread_mutex_init(&child->lock, NULL);
	child->rt = rt;
	child->flags = options->flags;
	child->fd[0] = child->fd[1] = child->fd[2] = child->end.pidfd = -1;
	rc = open_pipes(child, theirs);
	if (rc == 0)
		rc = execute(child, options, theirs);
	close_fds(theirs);
	if (rc) {
		child_destroy(child);
		return rc;
	}
	child->end.pidfd = pidfd_open(child->end.pid);
	*ret = child;
	return 0;
}

pid_t weft_child_pid(const struct weft_child *child)
{
	return child->end.pid;
}

/* Pending: it runs. The pidfd shows POLLIN once it doesn't. */
static weft_poll_t wait_end(struct weft_cx *cx, struct ending *end)
{
	weft_poll_t rc;

	if (end->pidfd >= 0) {
		rc = weft_fd_wait(cx, &end->wait, end->pidfd, POLLIN);
	} else {
		if (end->nap < NAP_MIN_NS)
			end->nap = NAP_MIN_NS;
		rc = weft_sleep(cx, &end->sleep, end->nap);
		if (rc == 0 && end->nap < NAP_MAX_NS)
			end->nap *= 2;
	}
	return rc == WEFT_PENDING ? weft_pending(cx, WEFT_WAIT_CHILD) : rc;
}

/* 1: it has ended, *ret_status; 0: it runs. */
static int reap(pid_t pid, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(pid, ret_status, WNOHANG);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got == pid;
}

static int child_reap(struct weft_child *child, int *ret_status)
{
	int rc = 1;

	pthread_mutex_lock(&child->lock);
	if (!child->reaped)
		rc = reap(child->end.pid, &child->status);
	if (rc > 0) {
		child->reaped = true;
		*ret_status = child->status;
	}
	pthread_mutex_unlock(&child->lock);
	return rc;
}

static bool reaped(struct weft_child *child, int *ret_status)
{
	bool yes;

	pthread_mutex_lock(&child->lock);
	yes = child->reaped;
	if (yes)
		*ret_status = child->status;
	pthread_mutex_unlock(&child->lock);
	return yes;
}

weft_poll_t weft_child_wait(struct weft_cx *cx, struct weft_child *child, int *ret)
{
	weft_poll_t rc;
	int ended = 0;

	if (!cx->cancelled && reaped(child, ret))
		return WEFT_READY;
	while (!ended) {
		rc = wait_end(cx, &child->end);
		if (rc < 0) /* pending as well */
			return rc;
		ended = child_reap(child, ret);
	}
	return ended < 0 ? ended : WEFT_READY;
}

int weft_child_kill(struct weft_child *child, int signal)
{
	int rc;

	pthread_mutex_lock(&child->lock);
	rc = child->reaped ? -ESRCH : kill(child->end.pid, signal) ? -errno : 0;
	pthread_mutex_unlock(&child->lock);
	return rc;
}

/* Pending, ready with 0 = try again, or an error. `rc` is what the call gave, errno with it. */
static weft_poll_t pipe_wait(struct weft_cx *cx, struct weft_child *child, int which)
{
	weft_poll_t rc = weft_fd_wait(cx, &child->wait[which], child->fd[which],
				      which == 0 ? POLLOUT : POLLIN);

	if (rc == WEFT_PENDING)
		return weft_pending(cx, which == 0 ? WEFT_WAIT_WRITE : WEFT_WAIT_READ);
	return rc < 0 ? rc : WEFT_READY;
}

/* SIGPIPE would be for the whole process: it is held back and, if this write made it, taken away. */
static ssize_t write_quietly(int fd, const void *buf, size_t bytes)
{
	const struct timespec now = { 0, 0 };
	sigset_t pipe, old, pending;
	ssize_t n;
	int error;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	n = write(fd, buf, bytes);
	error = errno;
	if (n < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return n;
}

/* One try. -EAGAIN: nothing yet. */
static ssize_t pipe_try(struct weft_child *child, int which, void *buf, size_t bytes)
{
	ssize_t n;

	do
		n = which == 0 ? write_quietly(child->fd[0], buf, bytes)
			       : read(child->fd[which], buf, bytes);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

struct span {
	void *buf;
	size_t bytes;
	size_t *ret;
};

static weft_poll_t transfer(struct weft_cx *cx, struct weft_child *child, int which,
			    const struct span *span)
{
	ssize_t n = -EAGAIN;
	weft_poll_t rc;

	if (child->fd[which] < 0)
		return -EBADF;
	if (cx->cancelled)
		return pipe_wait(cx, child, which);
	if (!weft_budget_take(cx)) {
		weft_task_notify(cx->task, WEFT_W_TASK);
		return weft_pending(cx, which == 0 ? WEFT_WAIT_WRITE : WEFT_WAIT_READ);
	}
	while (n == -EAGAIN) {
		/* A wait that is under way comes to its end first. */
		if (!child->wait[which].source)
			n = pipe_try(child, which, span->buf, span->bytes);
		if (n == -EAGAIN) {
			rc = pipe_wait(cx, child, which);
			if (rc)
				return rc;
		}
	}
	if (n < 0)
		return (weft_poll_t)n;
	*span->ret = (size_t)n;
	return WEFT_READY;
}

weft_poll_t weft_child_read(struct weft_cx *cx, struct weft_child *child, void *buf, size_t cap,
			    size_t *ret)
{
	return transfer(cx, child, 1, &(struct span){ buf, cap, ret });
}

weft_poll_t weft_child_read_error(struct weft_cx *cx, struct weft_child *child, void *buf,
				  size_t cap, size_t *ret)
{
	return transfer(cx, child, 2, &(struct span){ buf, cap, ret });
}

weft_poll_t weft_child_write(struct weft_cx *cx, struct weft_child *child, const void *buf,
			     size_t bytes, size_t *ret)
{
	return transfer(cx, child, 0, &(struct span){ (void *)(uintptr_t)buf, bytes, ret });
}

void weft_child_close_input(struct weft_child *child)
{
	if (child->fd[0] >= 0)
		close(child->fd[0]);
	child->fd[0] = -1;
}

/* Takes the status of a child that nobody holds any more, so that no zombie stays. */
struct reaper {
	WEFT_FRAME;
	struct ending end;
	int status, ended;
};

static weft_poll_t reaper(struct weft_cx *cx, struct reaper *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, wait_end(cx, &f->end));
		f->ended = reap(f->end.pid, &f->status);
	} while (f->rc >= 0 && !f->ended);
	if (f->end.pidfd >= 0)
		close(f->end.pidfd);
	weft_async_end(f, 0);
}

struct weft_child *weft_child_free(struct weft_child *child)
{
	int status, ended;

	if (!child)
		return NULL;
	ended = child_reap(child, &status);
	if (!ended && child->flags & WEFT_CHILD_KILL)
		weft_child_kill(child, SIGKILL);
	if (!ended && weft_runtime_running(child->rt) &&
	    weft_spawn(child->rt, reaper,
		       ((struct reaper){
			       .end = { .pid = child->end.pid, .pidfd = child->end.pidfd } }),
		       .name = "weft::reaper", .detach = true) == 0)
		child->end.pidfd = -1; /* the reaper's */
	child_destroy(child);
	return NULL;
}
