// SPDX-License-Identifier: MIT
#include "probes/attach_group.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/attach.h"
#include "probes/base/cleanup.h"

#define REFUSED_MAX 256u /* then the file is not what it was taken for */

struct places {
	const uint64_t *offsets, *cookies;
};

static int keep(struct attach_group *g, int fd)
{
	if (g->links == g->room) {
		unsigned room = g->room ? g->room * 2 : 8;
		int *more = realloc(g->fd, room * sizeof(*more));

		if (!more) {
			close(fd);
			return -ENOMEM;
		}
		g->fd = more;
		g->room = room;
	}
	g->fd[g->links++] = fd;
	return 0;
}

/* On 6.18 a 5- or 10-byte nop becomes a call that overwrites the red zone; lock prefixes are refused by all kernels. */
static bool harmless(int file_fd, uint64_t offset)
{
	uint8_t code[4];

	if (pread(file_fd, code, sizeof(code), (off_t)offset) != (ssize_t)sizeof(code))
		return false;
	if (code[0] == 0xf0 || code[0] == 0xcc)
		return false;
	if (code[0] == 0x66 || code[0] == 0x2e)
		return code[1] != 0x0f && code[1] != 0x2e && code[1] != 0x66;
	return !(code[0] == 0x0f && code[1] == 0x1f);
}

static bool of_a_place(int err)
{
	return err == -EINVAL || err == -ENOTSUP || err == -524 /* the kernel's ENOTSUPP */ ||
	       err == -EIO || err == -ENOEXEC;
}

static int add(struct attach_group *g, const struct attach_many *r, const struct places *p,
	       unsigned from, unsigned n)
{
	struct attach_many part = *r;
	int fd, err;

	if (!n)
		return 0;
	part.offsets = p->offsets + from;
	part.cookies = p->cookies + from;
	part.n = n;
	fd = attach_many(&part);
	if (fd >= 0) {
		g->places += n;
		return keep(g, fd);
	}
	if (!of_a_place(fd) || g->refused >= REFUSED_MAX)
		return fd;
	if (n == 1) {
		g->refused++;
		return 0;
	}
	err = add(g, r, p, from, n / 2); /* depth: log2 of n */
	return err ? err : add(g, r, p, from + n / 2, n - n / 2);
}

static unsigned harmless_ones(struct attach_group *g, const struct attach_many *r,
			      uint64_t *offsets, uint64_t *cookies)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < r->n; i++) {
		if (!harmless(r->file_fd, r->offsets[i])) {
			g->refused++;
			continue;
		}
		offsets[kept] = r->offsets[i];
		cookies[kept++] = r->cookies[i];
	}
	return kept;
}

int attach_group_add(struct attach_group *g, int prog_fd, int file_fd, pid_t pid,
		     const uint64_t *offsets, const uint64_t *cookies, unsigned n)
{
	const struct attach_many r = { .prog_fd = prog_fd,
				       .file_fd = file_fd,
				       .pid = pid,
				       .offsets = offsets,
				       .cookies = cookies,
				       .n = n };
	auto_free uint64_t *copy = calloc(2ull * n + 1, sizeof(*copy));
	struct attach_group before = *g;
	struct places p;
	int err;

	if (!copy)
		return -ENOMEM;
	p = (struct places){ copy, copy + n };
	err = add(g, &r, &p, 0, harmless_ones(g, &r, copy, copy + n));
	if (!err)
		return 0;
	while (g->links > before.links)
		close(g->fd[--g->links]);
	g->places = before.places;
	g->refused = before.refused;
	return err;
}

static void *close_one(void *arg)
{
	close(*(const int *)arg);
	return NULL;
}

/* Begins in the order of the descriptors, last one first. Returns what must be joined. */
static unsigned start_closing(struct attach_group *g, pthread_t *thread)
{
	sigset_t all, before;
	unsigned started = 0;

	sigfillset(&all); /* signals belong to the program's own threads */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = g->links; i-- > 0;)
		if (!thread || pthread_create(&thread[started], NULL, close_one, &g->fd[i]))
			close(g->fd[i]);
		else
			started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

void attach_groups_close(struct attach_group *g, unsigned n)
{
	pthread_t *thread[ATTACH_GROUPS_MAX] = { NULL };
	unsigned started[ATTACH_GROUPS_MAX] = { 0 };

	for (unsigned i = n < ATTACH_GROUPS_MAX ? n : ATTACH_GROUPS_MAX; i-- > 0;) {
		thread[i] = calloc(g[i].links + 1, sizeof(*thread[i]));
		started[i] = start_closing(&g[i], thread[i]);
	}
	for (unsigned i = 0; i < n && i < ATTACH_GROUPS_MAX; i++) {
		while (started[i] > 0)
			pthread_join(thread[i][--started[i]], NULL);
		free(thread[i]);
		free(g[i].fd);
		g[i] = (struct attach_group){ 0 };
	}
}

void attach_group_close(struct attach_group *g)
{
	attach_groups_close(g, 1);
}
