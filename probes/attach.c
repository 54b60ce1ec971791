// SPDX-License-Identifier: MIT
#include "probes/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/proc_maps.h"
#include "runtime/probe_points.h"

#define NOP            0x90
#define CALIBRATE_HITS 500

/* The part of union bpf_attr that BPF_LINK_CREATE reads for uprobe_multi (6.6), absent from older headers. */
struct link_create_multi {
	uint32_t prog_fd, target, attach_type, flags;
	uint64_t path, offsets, counters, cookies;
	uint32_t count, multi_flags, pid, pad;
};

/* And for a perf event with a cookie (5.15). */
struct link_create_perf {
	uint32_t prog_fd, target, attach_type, flags;
	uint64_t cookie;
	uint64_t pad[6];
};

static int link_create(void *attr, size_t bytes)
{
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, attr, bytes);

	return fd < 0 ? -errno : fd;
}

static int check_nop(int file_fd, uint64_t offset)
{
	uint8_t byte;

	if (pread(file_fd, &byte, 1, (off_t)offset) != 1)
		return -EIO;
	return byte == NOP ? 0 : -EILSEQ;
}

/* The kernel follows /proc/self/fd, so deleted files and those of other mount namespaces work alike. */
static void fd_path(int fd, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

static int open_multi(const struct attach_request *r, struct attachment *a)
{
	uint64_t offsets[ATTACH_PLACES], counters[ATTACH_PLACES], cookies[ATTACH_PLACES];
	struct link_create_multi attr = { .prog_fd = (uint32_t)r->prog_fd,
					  .attach_type = ATTACH_UPROBE_MULTI };
	char path[64];
	int fd;

	fd_path(r->file_fd, path, sizeof(path));
	for (unsigned i = 0; i < r->places; i++) {
		offsets[i] = r->place[i].offset;
		counters[i] = r->place[i].counter;
		cookies[i] = r->cookie;
	}
	attr.path = (uintptr_t)path;
	attr.offsets = (uintptr_t)offsets;
	attr.counters = (uintptr_t)counters;
	attr.cookies = (uintptr_t)cookies;
	attr.count = r->places;
	attr.pid = (uint32_t)r->pid;
	fd = link_create(&attr, offsetof(struct link_create_multi, pad));
	if (fd < 0)
		return fd;
	a->fd[a->links++] = fd;
	return 0;
}

int attach_many(const struct attach_many *r)
{
	struct link_create_multi attr = { .prog_fd = (uint32_t)r->prog_fd,
					  .attach_type = ATTACH_UPROBE_MULTI,
					  .offsets = (uintptr_t)r->offsets,
					  .cookies = (uintptr_t)r->cookies,
					  .count = r->n,
					  .pid = (uint32_t)r->pid };
	char path[64];

	fd_path(r->file_fd, path, sizeof(path));
	attr.path = (uintptr_t)path;
	return link_create(&attr, offsetof(struct link_create_multi, pad));
}

static int uprobe_pmu_type(void)
{
	auto_fclose FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type;

	return f && fscanf(f, "%d", &type) == 1 ? type : -ENOTSUP;
}

static int open_perf(const struct attach_request *r, const struct attach_place *place,
		     struct attachment *a)
{
	struct link_create_perf link = { .prog_fd = (uint32_t)r->prog_fd,
					 .attach_type = BPF_PERF_EVENT };
	struct perf_event_attr attr = { .size = sizeof(attr) };
	int type = uprobe_pmu_type(), fd;
	char path[64];

	if (type < 0)
		return type;
	fd_path(r->file_fd, path, sizeof(path));
	attr.type = (uint32_t)type;
	attr.config = place->counter << 32; /* PMU format: ref_ctr_offset is config:32-63 */
	attr.config1 = (uintptr_t)path;
	attr.config2 = place->offset;
	fd = (int)syscall(SYS_perf_event_open, &attr, r->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	a->fd[a->links++] = fd;
	link.target = (uint32_t)fd;
	link.cookie = r->cookie;
	fd = link_create(&link, sizeof(link));
	if (fd < 0)
		return fd;
	a->fd[a->links++] = fd;
	return 0;
}

int attach_open(const struct attach_request *request, struct attachment *ret)
{
	struct attachment a = { 0 };
	int err = 0;

	if (request->places > ATTACH_PLACES)
		return -E2BIG;
	for (unsigned i = 0; i < request->places && !err; i++)
		err = check_nop(request->file_fd, request->place[i].offset);
	if (!err && !request->perf)
		err = open_multi(request, &a);
	for (unsigned i = 0; i < request->places && !err && request->perf; i++)
		err = open_perf(request, &request->place[i], &a);
	if (err)
		attach_close(&a);
	else
		*ret = a;
	return err;
}

/* Links before their perf events: in the opposite order of opening. */
void attach_close(struct attachment *a)
{
	while (a->links > 0)
		close(a->fd[--a->links]);
}

struct attach_closing {
	struct attach_closing *next;
	pthread_t thread;
	bool done;
	struct attachment first, then;
};

static void *close_both(void *arg)
{
	struct attach_closing *c = arg;

	attach_close(&c->first);
	attach_close(&c->then);
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Of a program that changes levels for days only the last ones are kept. */
static void reap(struct attach_closing **list, bool all)
{
	while (*list) {
		struct attach_closing *c = *list;

		if (!all && !__atomic_load_n(&c->done, __ATOMIC_ACQUIRE)) {
			list = &c->next;
			continue;
		}
		pthread_join(c->thread, NULL);
		*list = c->next;
		free(c);
	}
}

static struct attachment take(struct attachment *a)
{
	struct attachment taken = { 0 };

	if (a)
		taken = *a;
	if (a)
		a->links = 0;
	return taken;
}

void attach_close_begin(struct attach_closing **list, struct attachment *first,
			struct attachment *then)
{
	struct attach_closing *c = calloc(1, sizeof(*c)), on_stack = { 0 }, *to = c ? c : &on_stack;
	sigset_t every, before;
	bool threaded;

	reap(list, false);
	to->first = take(first);
	to->then = take(then);
	sigfillset(&every); /* signals belong to the program's own threads */
	pthread_sigmask(SIG_SETMASK, &every, &before);
	threaded = c && (c->first.links || c->then.links) &&
		   !pthread_create(&c->thread, NULL, close_both, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (threaded) {
		c->next = *list;
		*list = c;
		return;
	}
	close_both(to);
	free(c);
}

void attach_close_end(struct attach_closing **list)
{
	reap(list, true);
}

/* ---- what a hit costs ---- */

/* A site of our own: a 1-byte nop in a function that nobody else calls. */
void attach_calibrate_site(const void *batch);
__asm__(".pushsection .text\n"
	".globl attach_calibrate_site\n"
	".type attach_calibrate_site, @function\n"
	"attach_calibrate_site:\n"
	"	nop\n"
	"	ret\n"
	".size attach_calibrate_site, . - attach_calibrate_site\n"
	".popsection\n");

static int own_site(struct attach_place *ret)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	uint64_t address = (uintptr_t)attach_calibrate_site;
	const struct proc_map *map;
	int err = proc_maps_read(getpid(), &maps);

	if (err)
		return err;
	map = proc_maps_find(maps, address);
	if (!map)
		return -ENOENT;
	ret->offset = address - map->start + map->offset;
	return proc_maps_open(maps, map);
}

static void *hit_many(void *arg)
{
	static const uint8_t batch[WEFT_BATCH_BYTES];
	double *ns = arg;
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (int i = 0; i < CALIBRATE_HITS; i++)
		attach_calibrate_site(batch);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	*ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
	      CALIBRATE_HITS;
	return NULL;
}

int attach_calibrate(int prog_fd, bool perf, double *ret_ns)
{
	struct attach_request r = { .prog_fd = prog_fd, .pid = getpid(), .perf = perf, .places = 1 };
	auto_close int file = own_site(&r.place[0]);
	struct attachment a = { 0 };
	pthread_t thread;
	int err;

	if (file < 0)
		return file;
	r.file_fd = file;
	err = attach_open(&r, &a);
	if (err)
		return err;
	err = -pthread_create(&thread, NULL, hit_many, ret_ns);
	if (!err)
		pthread_join(thread, NULL);
	attach_close(&a);
	return err;
}
