/* SPDX-License-Identifier: MIT */
/*
 * A target that lies: it carries Weft's probe notes, but its "weft-trace" mapping is its own work: not sealed,
 * and cut to nothing under the reader's feet after SIGUSR1. Whoever reads it through a mapping dies of SIGBUS.
 * --variant garbage: the mapping is full size and every byte after the magic is 0xff.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/probe_points.h"

#define MAP_PAGES 64

/* Makes the linker take the runtime in, and with it the notes; never called. */
extern int weft_runtime_new(const void *config, void **ret);
int (*volatile keep)(const void *, void **) = weft_runtime_new;

static void fill_header(struct weft_map_header *h)
{
	h->magic = WEFT_MAP_MAGIC;
	h->abi = WEFT_ABI_VERSION;
	h->header_bytes = sizeof(*h);
	h->pid = (__u32)getpid();
	h->map_bytes = MAP_PAGES * WEFT_PAGE;
	h->lane_offset = 16 * WEFT_PAGE;
	h->lane_stride = WEFT_PAGE + WEFT_BATCH_BYTES;
	h->max_lanes = h->lanes = 8;
	h->site_offset = WEFT_PAGE;
	h->site_stride = sizeof(struct weft_site_entry);
	h->max_sites = h->sites = 16;
	h->slab_offset = 15 * WEFT_PAGE;
	h->max_slabs = h->slabs = 4;
	h->task_head_bytes = sizeof(struct weft_task_head);
	h->runtime[0].id = 1;
	h->runtime[0].flavour = WEFT_F_MULTI_THREAD;
	h->runtime[0].workers = 2;
}

int main(int argc, char **argv)
{
	size_t bytes = MAP_PAGES * WEFT_PAGE;
	int fd = memfd_create(WEFT_MAP_NAME, MFD_CLOEXEC),
	    garbage = argc > 2 && !strcmp(argv[2], "garbage");
	struct timespec limit = { 60, 0 };
	struct weft_map_header *h;
	sigset_t set;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return 1;
	h = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED)
		return 1;
	if (garbage)
		memset(h, 0xff, bytes), h->magic = WEFT_MAP_MAGIC;
	else
		fill_header(h);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready pid=%d\n", (int)getpid());
	fflush(stdout);
	if (sigtimedwait(&set, NULL, &limit) == SIGUSR1) {
		if (ftruncate(fd, 0) < 0)
			return 1;
		sigtimedwait(&set, NULL, &limit);
	}
	return 0;
}
