/* SPDX-License-Identifier: MIT */
#include "tui/commands/child.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

#define FAMILY_MAX  1024u
#define PATIENCE_MS 3000

/* The command and what descends from it, by descriptors: a pid may be another's by the time it is used. */
struct family {
	int pidfd[FAMILY_MAX];
	pid_t pid[FAMILY_MAX];
	size_t n;
};

static void add(struct family *f, pid_t pid)
{
	int fd = f->n < FAMILY_MAX ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0)
		return;
	f->pid[f->n] = pid;
	f->pidfd[f->n++] = fd;
}

static void add_children_of_thread(struct family *f, pid_t pid, const char *tid)
{
	char path[64 + 256];
	auto_fclose FILE *in = NULL;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, tid);
	in = fopen(path, "re");
	while (in && fscanf(in, "%d", &child) == 1)
		add(f, child);
}

static void add_children(struct family *f, pid_t pid)
{
	auto_closedir DIR *dir = NULL;
	char path[32];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			add_children_of_thread(f, pid, e->d_name);
}

static bool is_over(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void send_all(const struct family *f, int number)
{
	for (size_t i = 0; i < f->n; i++)
		if (!is_over(f->pidfd[i]))
			syscall(SYS_pidfd_send_signal, f->pidfd[i], number, NULL, 0);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until all have ended, or the time is up. */
static void wait_all(const struct family *f)
{
	int64_t end = now_ms() + PATIENCE_MS, left;

	for (size_t i = 0; i < f->n && (left = end - now_ms()) > 0; i++) {
		struct pollfd p = { .fd = f->pidfd[i], .events = POLLIN };

		poll(&p, 1, (int)left);
	}
}

void child_end(pid_t pid, int *ret_status)
{
	struct family *f = calloc(1, sizeof(*f));

	if (f) {
		add(f, pid);
		for (size_t i = 0; i < f->n; i++)
			add_children(f, f->pid[i]);
		send_all(f, SIGTERM);
		wait_all(f);
		send_all(f, SIGKILL);
		for (size_t i = 0; i < f->n; i++)
			close(f->pidfd[i]);
		free(f);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}
