// SPDX-License-Identifier: MIT
/*
 * Layout, seen in async-executor 1.5 to 1.14 with slab 0.4: the state holds `Mutex<Slab<Waker>>`, a slab is its vector (capacity,
 * pointer, length, the first two in either order), the number of entries in use and the next free one. An entry is two
 * words: a waker's data and vtable, in either order, or 0 in place of the vtable and the next free entry. A task's header is its state,
 * its vtable and the waker of who awaits it, in an order that the compiler chose, perhaps a word more.
 */
#include "probes/rust/executor_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define STATE_BYTES  2048u /* of the executor's state that are searched */
#define ENTRY_WORDS  2u
#define ENTRIES_MAX  (1u << 22)
#define LOOK         64u    /* entries that have to look right before a slab is believed */
#define LOOK_FAR     65536u /* for the first that is in use */
#define BATCH        512u   /* entries that are read at once */
#define HEADER_BYTES 64u
#define OWN_WORDS    5u /* of them: the header's */
#define LOWEST       4096u
#define FILE_BYTES   (256u << 20) /* of a program's constants */

static int read_at(const struct rust_walk_target *target, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };
	ssize_t n = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);

	if (n == (ssize_t)bytes)
		return 0;
	return n < 0 && errno != EFAULT ? -errno : -ESRCH;
}

static bool read_task(const struct rust_walk_target *target, uint64_t header,
		      struct rust_walk_task *ret)
{
	const struct rust_layout *l = &target->plan->layout[RUST_ASYNC_TASK];
	uint64_t word[HEADER_BYTES / 8];
	size_t words = (size_t)(l->state > l->vtable ? l->state : l->vtable) / 8 + 1;
	const struct rust_type *type;

	if (header < LOWEST || header % 8 || read_at(target, header, word, words * 8))
		return false;
	type = rust_plan_type(target->plan, word[l->vtable / 8] - target->bias);
	if (!type || type->family != RUST_ASYNC_TASK || type->blocking)
		return false;
	*ret = (struct rust_walk_task){ .header = header,
					.state = word[l->state / 8],
					.type = type };
	return true;
}

static bool layout_known(const struct rust_layout *l)
{
	return l->state >= 0 && l->vtable >= 0 && l->state + 8 <= (int32_t)HEADER_BYTES &&
	       l->vtable + 8 <= (int32_t)HEADER_BYTES;
}

enum entry { ENTRY_FREE, ENTRY_TASK, ENTRY_ODD };

/* The tables of a task's waker and of its type are constants of one file. A queue's slot has a task beside a small number. */
static bool is_near(const struct rust_walk_target *target, uint64_t table,
		    const struct rust_type *type)
{
	uint64_t own = type->vtable + target->bias;

	return table >= LOWEST && table % 8 == 0 &&
	       (table > own ? table - own : own - table) < FILE_BYTES;
}

/* A waker that is no task's (ODD) may be a task's that is just being freed. */
static enum entry look_at(const struct rust_walk_target *target, const uint64_t *entry,
			  uint64_t length, struct rust_walk_task *ret)
{
	if ((!entry[0] && entry[1] <= length) || (!entry[1] && entry[0] <= length))
		return ENTRY_FREE;
	/* A task that was freed is not a reason to take the waker's vtable for one. */
	for (unsigned i = 0; i < ENTRY_WORDS; i++)
		if (read_task(target, entry[!i], ret) && is_near(target, entry[i], ret->type))
			return ENTRY_TASK;
	return ENTRY_ODD;
}

/* Do the first entries look like wakers of tasks that are known, and places that are free? One task has to be there. */
static bool is_slab(const struct rust_walk_target *target, uint64_t entries, uint64_t length)
{
	uint64_t word[LOOK * ENTRY_WORDS], at = 0;
	uint32_t tasks = 0, odd = 0;
	struct rust_walk_task task;

	for (; at < length && at < LOOK_FAR && !tasks; at += LOOK) {
		uint64_t n = length - at < LOOK ? length - at : LOOK;

		if (read_at(target, entries + at * ENTRY_WORDS * 8, word, n * ENTRY_WORDS * 8))
			return false;
		for (uint64_t i = 0; i < n && odd <= n / 8; i++) {
			enum entry e = look_at(target, word + i * ENTRY_WORDS, length, &task);

			tasks += e == ENTRY_TASK;
			odd += e == ENTRY_ODD;
		}
		if (odd > n / 8)
			return false;
	}
	return tasks;
}

/* Numbers of a slab with anything in it: capacity, length, in use, next free. */
static bool are_numbers(uint64_t capacity, uint64_t length, uint64_t used, uint64_t next)
{
	return length && length <= capacity && capacity <= ENTRIES_MAX && used && used <= length &&
	       next <= length;
}

int rust_executor_find(const struct rust_walk_target *target, uint64_t state,
		       struct rust_executor *ret)
{
	uint64_t word[STATE_BYTES / 8];
	size_t words = sizeof(word) / 8;

	if (!layout_known(&target->plan->layout[RUST_ASYNC_TASK]))
		return -ENOENT;
	if (state < LOWEST || state % 8)
		return -ESRCH;
	/* It may end before a hole in the address space. */
	while (words >= 16 && read_at(target, state, word, words * 8))
		words /= 2;
	if (words < 16)
		return -ESRCH;
	for (size_t i = 1; i + 4 < words; i++) {
		bool before = are_numbers(word[i - 1], word[i + 1], word[i + 2], word[i + 3]);
		bool behind = are_numbers(word[i + 1], word[i + 2], word[i + 3], word[i + 4]);

		if (word[i] < LOWEST || word[i] % 8 || !(before || behind) ||
		    !is_slab(target, word[i], before ? word[i + 1] : word[i + 2]))
			continue;
		*ret = (struct rust_executor){ .pointer = state + i * 8,
					       .length = before ? 8 : 16,
					       .count = before ? 16 : 24 };
		return 0;
	}
	return -ENOENT;
}

int rust_executor_of(const struct rust_walk_target *target, uint64_t header,
		     struct rust_executor *ret)
{
	struct rust_walk_task task;
	uint64_t state;

	if (!layout_known(&target->plan->layout[RUST_ASYNC_TASK]))
		return -ENOENT;
	if (!read_task(target, header, &task) || task.type->schedule_offset <= 0)
		return -ESRCH;
	if (read_at(target, header + (uint32_t)task.type->schedule_offset, &state, sizeof(state)))
		return -ESRCH;
	return rust_executor_find(target, state, ret);
}

struct slab {
	uint64_t entries, length, used;
};

static int read_slab(const struct rust_walk_target *target, const struct rust_executor *e,
		     struct slab *ret)
{
	uint64_t word[4];
	int err = read_at(target, e->pointer, word, sizeof(word));

	if (err || e->length / 8 >= 4 || e->count / 8 >= 4)
		return err ? err : -ESRCH;
	*ret = (struct slab){ word[0], word[e->length / 8], word[e->count / 8] };
	return ret->length > ENTRIES_MAX || ret->used > ret->length || ret->entries % 8 ? -ESRCH
											: 0;
}

/* True: all of it was read. */
static bool walk_entries(const struct rust_walk_target *target, const struct slab *s, uint32_t max,
			 rust_walk_fn fn, void *ctx, struct rust_walk_result *result)
{
	uint64_t word[BATCH * ENTRY_WORDS];
	struct rust_walk_task task;

	for (uint64_t at = 0; at < s->length;) {
		uint64_t n = s->length - at < BATCH ? s->length - at : BATCH;

		if (read_at(target, s->entries + at * ENTRY_WORDS * 8, word, n * ENTRY_WORDS * 8))
			return false;
		for (uint64_t i = 0; i < n; i++) {
			if (look_at(target, word + i * ENTRY_WORDS, s->length, &task) != ENTRY_TASK)
				continue;
			if (result->tasks >= max)
				return false;
			result->tasks++;
			fn(ctx, &task);
		}
		at += n;
	}
	return true;
}

int rust_executor_walk(const struct rust_walk_target *target, const struct rust_executor *e,
		       uint32_t max, rust_walk_fn fn, void *ctx, struct rust_walk_result *ret)
{
	struct rust_walk_result result = { .lists = 1 };
	struct slab before, after;
	int err = read_slab(target, e, &before);

	if (err)
		return err;
	/* Memory that is something else by now has no tasks where a slab would have them. */
	if (before.used && !is_slab(target, before.entries, before.length))
		return -ESRCH;
	result.whole = !before.used || walk_entries(target, &before, max, fn, ctx, &result);
	if (read_slab(target, e, &after) || after.entries != before.entries)
		result.whole = false; /* it grew: old entries are where they were */
	*ret = result;
	return 0;
}

bool rust_executor_awaiter(const struct rust_walk_target *target, const struct rust_walk_task *task,
			   struct rust_walk_task *ret)
{
	const struct rust_layout *l = &target->plan->layout[RUST_ASYNC_TASK];
	uint64_t word[OWN_WORDS];

	if (!(task->state & RUST_ASYNC_AWAITER) || !layout_known(l) ||
	    read_at(target, task->header, word, sizeof(word)))
		return false;
	for (int32_t i = 0; i < (int32_t)OWN_WORDS; i++)
		if (i != l->state / 8 && i != l->vtable / 8 && read_task(target, word[i], ret))
			return true;
	return false;
}
