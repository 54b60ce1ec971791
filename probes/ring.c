// SPDX-License-Identifier: MIT
#include "probes/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RELEASE_EVERY 64 /* records between two stores of the consumer position */

struct ring {
	size_t page, bytes;
	uint64_t *consumer; /* own page, writable */
	uint64_t *producer; /* page, then the data twice in a row: no record wraps */
	const uint8_t *data;
};

int ring_open(int map_fd, size_t bytes, struct ring **ret)
{
	struct ring *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->bytes = bytes;
	r->consumer = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	r->producer =
		mmap(NULL, r->page + 2 * bytes, PROT_READ, MAP_SHARED, map_fd, (off_t)r->page);
	if (r->consumer == MAP_FAILED || r->producer == MAP_FAILED) {
		err = -errno;
		ring_close(r);
		return err;
	}
	r->data = (const uint8_t *)r->producer + r->page;
	*ret = r;
	return 0;
}

struct ring *ring_close(struct ring *r)
{
	if (!r)
		return NULL;
	if (r->consumer && r->consumer != MAP_FAILED)
		munmap(r->consumer, r->page);
	if (r->producer && r->producer != MAP_FAILED)
		munmap(r->producer, r->page + 2 * r->bytes);
	free(r);
	return NULL;
}

uint64_t ring_head(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

bool ring_read(struct ring *r, uint64_t until, unsigned max, ring_fn fn, void *ctx)
{
	uint64_t at = *r->consumer;
	unsigned n;

	for (n = 0; at < until && n < max; n++) {
		const uint8_t *record = r->data + (at & (r->bytes - 1));
		uint32_t head =
			__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		uint32_t bytes = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(head & BPF_RINGBUF_DISCARD_BIT))
			fn(ctx, record + BPF_RINGBUF_HDR_SZ, bytes);
		at += (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
		if (n % RELEASE_EVERY == RELEASE_EVERY - 1)
			__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	return at >= until;
}
