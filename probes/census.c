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
	uint32_t sites, first_runtime;
	uint32_t tasks, torn, missed;
	uint64_t only;            /* id of the one that is looked for, 0 = all */
	uint64_t found, found_at; /* the last one that was looked for, and its slot's address */
	uint32_t found_slab;
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

static void begin(struct census *c, uint64_t only)
{
	if (c->running)
		return;
	c->running = true;
	c->only = only;
	c->slab = c->slot = 0;
	c->slabs = target_map_slabs(c->map);
	c->sites = target_map_sites(c->map);
	c->tasks = c->torn = c->missed = 0;
	target_map_load32(c->map, offsetof(struct weft_map_header, slabs_missed), &c->missed);
	target_map_load32(c->map, offsetof(struct weft_map_header, first_runtime),
			  &c->first_runtime);
}

void census_begin(struct census *c)
{
	begin(c, 0);
}

void census_begin_one(struct census *c, uint64_t id)
{
	begin(c, id);
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

static bool same_poll(const struct weft_task_head *a, const struct weft_task_head *b)
{
	return a->id == b->id && a->state == b->state && a->polls == b->polls &&
	       !(a->state & WEFT_T_RUNNING);
}

bool census_unmoved(const struct census *c, const struct census_task *task)
{
	struct weft_task_head now;

	return read_target(c, task->address, &now, sizeof(now)) && same_poll(&task->head, &now);
}

/* The same slot in the first read and in the second. */
struct slot {
	uint64_t address;
	const uint8_t *a, *b;
	uint32_t bytes;
};

static void look_at_slot(struct census *c, const struct slot *slot, const struct census_out *out)
{
	struct census_task task = {
		.name = "", .address = slot->address, .slot = slot->a, .slot_bytes = slot->bytes
	};
	struct weft_task_head again;

	memcpy(&task.head, slot->a, sizeof(task.head));
	if (c->only && task.head.id != c->only)
		return;
	memcpy(&again, slot->b, sizeof(again));
	if (!task.head.id && !again.id)
		return;
	/* Sites may have been added since; one that is not there yet is a torn read. */
	if (task.head.site >= c->sites)
		c->sites = target_map_sites(c->map);
	if (task.head.id != again.id || task.head.id > WEFT_ID_MASK || task.head.site >= c->sites) {
		c->torn++;
		return;
	}
	if (task.head.runtime < c->first_runtime)
		return;
	if (task.head.name)
		read_name(c, task.head.name, task.name, sizeof(task.name));
	c->tasks++;
	task.still = same_poll(&task.head, &again);
	if (c->only) {
		c->found = c->only;
		c->found_at = slot->address;
		c->found_slab = c->slab;
	}
	out->task(out->ctx, &task);
}

static bool slab_sound(const struct target_map *map, const struct weft_slab *slab)
{
	return slab->slot_bytes >= target_map_shape(map)->task_head_bytes &&
	       slab->slot_bytes <= MAX_SLOT_BYTES && slab->slots && slab->slots <= MAX_SLAB_SLOTS &&
	       slab->address && slab->address < 1ull << 56;
}

/* n slots from c->slot on. False: they can't be read. */
static bool look_at_slots(struct census *c, const struct weft_slab *slab, uint32_t n,
			  const struct census_out *out)
{
	uint64_t from = slab->address + (uint64_t)c->slot * slab->slot_bytes;
	size_t bytes = (size_t)n * slab->slot_bytes;

	if (!read_target(c, from, c->first, bytes) || !read_target(c, from, c->second, bytes))
		return false;
	for (size_t at = 0; at < bytes; at += slab->slot_bytes) {
		struct slot slot = { from + at, c->first + at, c->second + at, slab->slot_bytes };

		look_at_slot(c, &slot, out);
	}
	return true;
}

/* One chunk of the current slab; moves on to the next slab at its end or when it can't be read. */
static void step(struct census *c, const struct census_out *out)
{
	struct weft_slab slab;
	uint32_t n;

	if (!target_map_slab(c->map, c->slab, &slab) || !slab_sound(c->map, &slab)) {
		c->missed++;
		c->slab++;
		return;
	}
	n = CHUNK_BYTES / slab.slot_bytes;
	if (n > slab.slots - c->slot)
		n = slab.slots - c->slot;
	if (!look_at_slots(c, &slab, n, out)) {
		c->missed += slab.slots - c->slot;
		n = slab.slots - c->slot;
	}
	c->slot += n;
	if (c->slot >= slab.slots) {
		c->slot = 0;
		c->slab++;
	}
}

/* The one that is looked for is mostly where it was the last time. */
static void look_where_found(struct census *c, const struct census_out *out)
{
	struct weft_slab slab;

	if (c->found == c->only && target_map_slab(c->map, c->found_slab, &slab) &&
	    slab_sound(c->map, &slab) && c->found_at >= slab.address &&
	    (c->found_at - slab.address) / slab.slot_bytes < slab.slots) {
		c->slab = c->found_slab;
		c->slot = (uint32_t)((c->found_at - slab.address) / slab.slot_bytes);
		look_at_slots(c, &slab, 1, out);
	}
	c->slab = c->slot = 0;
}

void census_step(struct census *c, uint64_t until_ns, const struct census_out *out)
{
	if (!c->running)
		return;
	if (c->only && !c->slab && !c->slot)
		look_where_found(c, out);
	while (c->slab < c->slabs && !(c->only && c->tasks)) {
		step(c, out);
		if (clock_pair_now_ns() >= until_ns)
			break;
	}
	if (c->slab < c->slabs && !(c->only && c->tasks))
		return;
	c->running = false;
	out->end(out->ctx, c->tasks, c->torn, c->missed);
}
