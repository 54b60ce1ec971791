/* SPDX-License-Identifier: MIT */
#include "collector/model/task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

/* A page fills one huge page of the kernel: looks at tasks here and there then miss the TLB less. */
#define PAGE_BYTES (2u << 20)
#define PAGE_TASKS (PAGE_BYTES / (uint32_t)sizeof(struct model_task))
#define FIRST_BITS 12
#define SLOT_BITS  23 /* MODEL_MAX_TASKS + 1 fits */
#define SLOT_MASK  ((1u << SLOT_BITS) - 1)

/*
 * Runs of 8 ids stay together; where a run lies depends on a seed that a target can't know. Both rounds are
 * needed: one multiplication puts consecutive runs into few clusters for some seeds.
 */
static uint64_t mixed(const struct task_table *t, uint64_t id)
{
	uint64_t x = ((id >> 3) ^ t->seed) * 0x9e3779b97f4a7c15ull;

	return (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
}

static uint32_t home_of(const struct task_table *t, uint64_t x, uint64_t id)
{
	return (uint32_t)(x >> (67 - t->index_bits)) << 3 | (uint32_t)(id & 7);
}

static uint32_t home(const struct task_table *t, uint64_t id)
{
	return home_of(t, mixed(t, id), id);
}

/* An entry of the index: the slot + 1, and above it a few bits of the id, so that others' tasks need not be looked at. */
static uint32_t tag_of(uint64_t x, uint64_t id)
{
	return ((uint32_t)x ^ (uint32_t)(id & 7) * 73u) << SLOT_BITS;
}

static uint32_t slot_at(const struct task_table *t, uint32_t i)
{
	return (t->index[i] & SLOT_MASK) - 1;
}

struct model_task *task_table_slot(const struct task_table *t, uint32_t slot)
{
	return &t->pages[slot / PAGE_TASKS][slot % PAGE_TASKS];
}

/* Place in the index of an id. false = it is not there. */
static bool place_of(const struct task_table *t, uint64_t id, uint32_t *ret)
{
	uint64_t x = mixed(t, id);
	uint32_t mask = (1u << t->index_bits) - 1, tag = tag_of(x, id);

	for (uint32_t i = home_of(t, x, id); t->index[i]; i = (i + 1) & mask) {
		if ((t->index[i] & ~SLOT_MASK) != tag ||
		    task_table_slot(t, slot_at(t, i))->id != id)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

static uint32_t slot_of(const struct task_table *t, const struct model_task *task)
{
	uint32_t i;

	return place_of(t, task->id, &i) ? slot_at(t, i) : MODEL_NONE;
}

int task_table_init(struct task_table *t)
{
	*t = (struct task_table){ .index_bits = FIRST_BITS,
				  .free = MODEL_NONE,
				  .ended_first = MODEL_NONE,
				  .ended_last = MODEL_NONE };
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15ull;
	t->index = calloc(1u << FIRST_BITS, sizeof(*t->index));
	return t->index ? 0 : -ENOMEM;
}

void task_table_done(struct task_table *t)
{
	for (uint32_t slot = 0; slot < t->used; slot++) {
		free(task_table_slot(t, slot)->name);
		free(task_table_slot(t, slot)->hot);
	}
	for (uint32_t i = 0; i < t->npages; i++)
		free(t->pages[i]);
	free(t->pages);
	free(t->index);
}

struct model_task *task_table_find(const struct task_table *t, uint64_t id)
{
	uint32_t i;

	return place_of(t, id, &i) ? task_table_slot(t, slot_at(t, i)) : NULL;
}

void task_table_prefetch_index(const struct task_table *t, uint64_t id)
{
	__builtin_prefetch(&t->index[home(t, id)]);
}

void task_table_prefetch_task(const struct task_table *t, uint64_t id)
{
	uint32_t at = home(t, id);
	const struct model_task *task;

	if (!t->index[at])
		return;
	task = task_table_slot(t, slot_at(t, at));
	__builtin_prefetch(task, 1);
	__builtin_prefetch((const char *)task + 64, 1);
}

static void index_put(struct task_table *t, uint64_t id, uint32_t slot)
{
	uint64_t x = mixed(t, id);
	uint32_t mask = (1u << t->index_bits) - 1, i = home_of(t, x, id);

	while (t->index[i])
		i = (i + 1) & mask;
	t->index[i] = tag_of(x, id) | (slot + 1);
}

/* Backward shift: no entry may stand behind a hole on its way from home. */
static void index_remove(struct task_table *t, uint64_t id)
{
	uint32_t mask = (1u << t->index_bits) - 1, hole;

	if (!place_of(t, id, &hole))
		return;
	for (uint32_t i = (hole + 1) & mask; t->index[i]; i = (i + 1) & mask) {
		uint32_t want = home(t, task_table_slot(t, slot_at(t, i))->id);

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		t->index[hole] = t->index[i];
		hole = i;
	}
	t->index[hole] = 0;
	t->entries--;
}

static int index_grow(struct task_table *t)
{
	uint32_t *index = calloc(2u << t->index_bits, sizeof(*index));

	if (!index)
		return -ENOMEM;
	free(t->index);
	t->index = index;
	t->index_bits++;
	for (uint32_t slot = 0; slot < t->used; slot++)
		if (task_table_slot(t, slot)->id)
			index_put(t, task_table_slot(t, slot)->id, slot);
	return 0;
}

static uint32_t slot_take(struct task_table *t)
{
	uint32_t slot = t->free;

	if (slot != MODEL_NONE) {
		t->free = task_table_slot(t, slot)->next;
		return slot;
	}
	if (t->used == t->npages * PAGE_TASKS) {
		struct model_task **pages =
			realloc(t->pages, (t->npages + 1) * sizeof(struct model_task *));

		if (!pages)
			return MODEL_NONE;
		t->pages = pages;
		pages[t->npages] = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
		if (!pages[t->npages])
			return MODEL_NONE;
		madvise(pages[t->npages], PAGE_BYTES, MADV_HUGEPAGE);
		t->npages++;
	}
	return t->used++;
}

static void blank(struct model_task *task, uint64_t id)
{
	*task = (struct model_task){
		.id = id, .spawn_ns = LIVE_UNKNOWN, .next = MODEL_NONE, .lane = WEFT_NO_LANE
	};
}

struct model_task *task_table_add(struct task_table *t, uint64_t id)
{
	uint32_t slot;

	if (t->entries >= MODEL_MAX_TASKS)
		return NULL;
	if (t->entries + 1 > (3u << t->index_bits) / 4 && index_grow(t) < 0)
		return NULL;
	slot = slot_take(t);
	if (slot == MODEL_NONE)
		return NULL;
	blank(task_table_slot(t, slot), id);
	index_put(t, id, slot);
	t->entries++;
	t->alive++;
	return task_table_slot(t, slot);
}

static void release(struct task_table *t, struct model_task *task)
{
	task_table_cool(t, task);
	free(task->name);
	task->name = NULL;
}

static void drop_oldest(struct task_table *t)
{
	uint32_t slot = t->ended_first;
	struct model_task *task = task_table_slot(t, slot);

	t->ended_first = task->next;
	if (t->ended_first == MODEL_NONE)
		t->ended_last = MODEL_NONE;
	t->ended--;
	index_remove(t, task->id);
	release(t, task);
	task->id = 0;
	task->next = t->free;
	t->free = slot;
}

void task_table_end(struct task_table *t, struct model_task *task, enum live_task_state how,
		    uint64_t now_ns)
{
	uint32_t slot = slot_of(t, task);

	task->state = (uint8_t)how;
	task->end_ns = now_ns;
	task->next = MODEL_NONE;
	if (t->ended_last == MODEL_NONE)
		t->ended_first = slot;
	else
		task_table_slot(t, t->ended_last)->next = slot;
	t->ended_last = slot;
	t->ended++;
	t->alive--;
	if (t->ended > MODEL_KEEP_ENDED)
		drop_oldest(t);
}

/* Rare, so a walk over the list is fine. */
static void unlink_ended(struct task_table *t, struct model_task *task)
{
	uint32_t slot = slot_of(t, task), before = MODEL_NONE;

	for (uint32_t s = t->ended_first; s != MODEL_NONE;
	     before = s, s = task_table_slot(t, s)->next) {
		if (s != slot)
			continue;
		if (before == MODEL_NONE)
			t->ended_first = task->next;
		else
			task_table_slot(t, before)->next = task->next;
		if (t->ended_last == slot)
			t->ended_last = before;
		t->ended--;
		break;
	}
	task->next = MODEL_NONE;
}

void task_table_revive(struct task_table *t, struct model_task *task)
{
	unlink_ended(t, task);
	task->state = LIVE_IDLE;
	task->ready_ns = 0;
	t->alive++;
}

void task_table_recycle(struct task_table *t, struct model_task *task)
{
	if (!task_alive(task))
		task_table_revive(t, task);
	release(t, task);
	blank(task, task->id);
}

bool task_table_heat(struct task_table *t, struct model_task *task)
{
	if (task->hot)
		return true;
	if (t->hot >= MODEL_MAX_HOT)
		return false;
	task->hot = calloc(1, sizeof(*task->hot));
	t->hot += task->hot != NULL;
	return task->hot;
}

void task_table_cool(struct task_table *t, struct model_task *task)
{
	t->hot -= task->hot != NULL;
	free(task->hot);
	task->hot = NULL;
}
