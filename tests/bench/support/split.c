/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/split.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <stdio.h>

#define PERIOD_NS 249000u /* no multiple of a tick, so that work in step with it is seen */
#define THREADS   64u
#define DATA \
	(1u  \
	 << 18) /* bytes; a sample has 8: eight seconds of one thread, then the oldest are lost */

struct split {
	unsigned n;
	int fd[THREADS];
	struct perf_event_mmap_page *page[THREADS];
	size_t length;
};

static int sampler(pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
		.exclude_hv = 1,
		.wakeup_events = UINT32_MAX,
	};

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void add_thread(struct split *s, pid_t tid)
{
	int fd = s->n < THREADS ? sampler(tid) : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, s->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		close(fd);
		return;
	}
	s->fd[s->n] = fd;
	s->page[s->n++] = page;
}

struct split *split_start(pid_t pid)
{
	struct split *s = calloc(1, sizeof(*s));
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = s ? opendir(path) : NULL;
	if (!dir) {
		free(s);
		return NULL;
	}
	s->length = (size_t)sysconf(_SC_PAGESIZE) + DATA;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_thread(s, (pid_t)atoi(entry->d_name));
	closedir(dir);
	if (s->n)
		return s;
	free(s);
	return NULL;
}

static void count(const struct split *s, unsigned i, uint64_t *user, uint64_t *all)
{
	const struct perf_event_mmap_page *page = s->page[i];
	/* Acquire, as the kernel asks for it: what it wrote before it moved the head is there. */
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), at = 0;
	const char *data = (const char *)page + (s->length - DATA);

	while (at < head && at < DATA) {
		const struct perf_event_header *h = (const void *)(data + at);

		if (h->size < sizeof(*h))
			break;
		if (h->type == PERF_RECORD_SAMPLE) {
			*all += 1;
			*user += (h->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER;
		}
		at += h->size;
	}
}

double split_end(struct split *s)
{
	uint64_t user = 0, all = 0;

	if (!s)
		return -1;
	for (unsigned i = 0; i < s->n; i++) {
		count(s, i, &user, &all);
		munmap(s->page[i], s->length);
		close(s->fd[i]);
	}
	free(s);
	return all ? (double)user / (double)all : -1;
}
