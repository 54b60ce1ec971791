// SPDX-License-Identifier: MIT
#include "probes/census.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "probes/clock_pair.h"

#define CHUNK_BYTES    (256u << 10)
#define MAX_SLOT_BYTES (64u << 10)
#define MAX_SLAB_SLOTS (16u << 20)

struct census {
	pid_t pid;
	const struct target_map *map;
	bool running;
	uint32_t slab, slabs, slot; /* next to read */
	uint32_t sites;
	uint32_t tasks, torn, missed;
	uint8_t *first, *second; /* CHUNK_BYTES each: the same memory, read twice */
};

int census_new(pid_t pid, const struct target_map *map, struct census **ret)
{
	struct census *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->pid = pid;
	c->map = map;
	c->first = malloc(CHUNK_BYTES);
	c->second = malloc(CHUNK_BYTES);
	if (!c->first || !c->second) {
		census_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

struct census *census_free(struct census *c)
{
	if (!c)
		return NULL;
	free(c->first);
	free(c->second);
	free(c);
	return NULL;
}

bool census_running(const struct census *c)
{
	return c->running;
}

void census_begin(struct census *c)
{
	if (c->running)
		return;
	c->running = true;
	c->slab = c->slot = 0;
	c->slabs = target_map_slabs(c->map);
	c->sites = target_map_sites(c->map);
	c->tasks = c->torn = c->missed = 0;
	target_map_load32(c->map, offsetof(struct weft_map_header, slabs_missed), &c->missed);
}

static bool read_target(const struct census *c, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };

	return process_vm_readv(c->pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* A dynamic name; it may lie at the end of a mapping, so less than the whole is fine. */
static void read_name(const struct census *c, uint64_t address, char *to, size_t size)
{
	struct iovec local = { to, size - 1 };
	struct iovec remote[2];
	size_t in_page = WEFT_PAGE - address % WEFT_PAGE;
	ssize_t n;

	if (in_page > size - 1)
		in_page = size - 1;
	remote[0] = (struct iovec){ (void *)(uintptr_t)address, in_page };
	remote[1] = (struct iovec){ (void *)(uintptr_t)(address + in_page), size - 1 - in_page };
	n = process_vm_readv(c->pid, &local, 1, remote, 2, 0);
	to[n > 0 ? n : 0] = '\0';
	n = (ssize_t)strlen(to);
	memset(to + n, 0, size - (size_t)n);
}

static void look_at_slot(struct census *c, const uint8_t *a, const uint8_t *b,
			 const struct census_out *out)
{
	struct census_task task = { .name = "" };
	uint64_t again;

	memcpy(&task.head, a, sizeof(task.head));
	memcpy(&again, b + offsetof(struct weft_task_head, id), sizeof(again));
	if (!task.head.id && !again)
		return;
	/* Sites may have been added since; one that is not there yet is a torn read. */
	if (task.head.site >= c->sites)
		c->sites = target_map_sites(c->map);
	if (task.head.id != again || task.head.id > WEFT_ID_MASK || task.head.site >= c->sites) {
		c->torn++;
		return;
	}
	if (task.head.name)
		read_name(c, task.head.name, task.name, sizeof(task.name));
	c->tasks++;
	out->task(out->ctx, &task);
}

static bool slab_sound(const struct target_map *map, const struct weft_slab *slab)
{
	return slab->slot_bytes >= target_map_shape(map)->task_head_bytes &&
	       slab->slot_bytes <= MAX_SLOT_BYTES && slab->slots && slab->slots <= MAX_SLAB_SLOTS &&
	       slab->address && slab->address < 1ull << 56;
}

/* One chunk of the current slab; moves on to the next slab at its end or when it can't be read. */
static void step(struct census *c, const struct census_out *out)
{
	struct weft_slab slab;
	uint32_t n;
	uint64_t at;

	if (!target_map_slab(c->map, c->slab, &slab) || !slab_sound(c->map, &slab)) {
		c->missed++;
		c->slab++;
		return;
	}
	n = CHUNK_BYTES / slab.slot_bytes;
	if (n > slab.slots - c->slot)
		n = slab.slots - c->slot;
	at = slab.address + (uint64_t)c->slot * slab.slot_bytes;
	if (!read_target(c, at, c->first, (size_t)n * slab.slot_bytes) ||
	    !read_target(c, at, c->second, (size_t)n * slab.slot_bytes)) {
		c->missed += slab.slots - c->slot;
		n = slab.slots - c->slot;
	} else {
		for (uint32_t i = 0; i < n; i++)
			look_at_slot(c, c->first + (size_t)i * slab.slot_bytes,
				     c->second + (size_t)i * slab.slot_bytes, out);
	}
	c->slot += n;
	if (c->slot >= slab.slots) {
		c->slot = 0;
		c->slab++;
	}
}

void census_step(struct census *c, uint64_t until_ns, const struct census_out *out)
{
	if (!c->running)
		return;
	while (c->slab < c->slabs) {
		step(c, out);
		if (clock_pair_now_ns() >= until_ns)
			break;
	}
	if (c->slab < c->slabs)
		return;
	c->running = false;
	out->end(out->ctx, c->tasks, c->torn, c->missed);
}
