/* SPDX-License-Identifier: MIT */
/*
 * A "weft-trace" mapping in the test's own process, filled by hand: target_map_open() finds it there without
 * rights, since the descriptor stays open.
 */
#ifndef WEFT_TEST_FAKE_MAP_H
#define WEFT_TEST_FAKE_MAP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/probe_points.h"

#define FAKE_LANES       4u
#define FAKE_LANE_OFFSET 65536u
#define FAKE_STRIDE      (WEFT_PAGE + WEFT_BATCH_BYTES)
#define FAKE_BYTES       (FAKE_LANE_OFFSET + FAKE_LANES * FAKE_STRIDE)

struct fake_map {
	int fd;
	struct weft_map_header *header;
};

static inline struct weft_lane *fake_lane(const struct fake_map *f, uint32_t i)
{
	return (struct weft_lane *)(void *)((char *)f->header + FAKE_LANE_OFFSET + i * FAKE_STRIDE);
}

static inline uint8_t *fake_batch(const struct fake_map *f, uint32_t i)
{
	return (uint8_t *)fake_lane(f, i) + WEFT_PAGE;
}

static inline void fake_commit(const struct fake_map *f, uint32_t i, uint32_t seq, uint32_t head)
{
	__atomic_store_n(&fake_lane(f, i)->commit, (__u64)seq << 32 | head, __ATOMIC_RELEASE);
}

/* One TASK_POLL record (32 bytes) at `at` of the lane's batch page. Returns the offset behind it. */
static inline uint32_t fake_poll(const struct fake_map *f, uint32_t i, uint32_t at, uint64_t stamp)
{
	const __u64 words[4] = { WEFT_WORD0(WEFT_K_TASK_POLL, stamp), 1, 10, WEFT_TICKS_UNKNOWN };

	memcpy(fake_batch(f, i) + at, words, sizeof(words));
	return at + (uint32_t)sizeof(words);
}

static inline void fake_map_init(struct fake_map *f, bool sealed)
{
	struct weft_map_header *h;

	f->fd = memfd_create(WEFT_MAP_NAME, MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (f->fd < 0 || ftruncate(f->fd, FAKE_BYTES))
		abort();
	f->header = h = mmap(NULL, FAKE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (h == MAP_FAILED)
		abort();
	h->abi = WEFT_ABI_VERSION;
	h->header_bytes = sizeof(*h);
	h->pid = (__u32)getpid();
	h->clock = WEFT_CLOCK_TSC;
	h->map_bytes = FAKE_BYTES;
	h->lane_offset = FAKE_LANE_OFFSET;
	h->lane_stride = FAKE_STRIDE;
	h->max_lanes = FAKE_LANES;
	h->lanes = 1;
	h->site_offset = 8192;
	h->site_stride = sizeof(struct weft_site_entry);
	h->max_sites = 8;
	h->sites = 2;
	h->slab_offset = 16384;
	h->max_slabs = 8;
	h->task_head_bytes = sizeof(struct weft_task_head);
#define X(name, code, text, level, words) h->kind_words[code] = words;
	WEFT_WIRE_EVENTS(X)
#undef X
	for (uint32_t i = 0; i < FAKE_LANES; i++)
		fake_commit(f, i, 0, sizeof(struct weft_batch));
	h->magic = WEFT_MAP_MAGIC;
	if (sealed && fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		abort();
}

static inline void fake_map_done(struct fake_map *f)
{
	munmap(f->header, FAKE_BYTES);
	close(f->fd);
}

#endif
