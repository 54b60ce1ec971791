/* SPDX-License-Identifier: MIT */
#include "collector/model/task_index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define FIRST_BITS 12

struct model_task *task_table_slot(const struct task_table *t, uint32_t slot)
{
	return &t->pages[slot / TASK_PAGE_TASKS][slot % TASK_PAGE_TASKS];
}

static uint32_t home(const struct task_table *t, uint64_t id)
{
	return task_index_home(t, task_index_hash(t, id), id);
}

static uint32_t entry_of(uint32_t tag, uint32_t away, uint32_t slot)
{
	return (tag & ~0u << TASK_TAG_SHIFT) |
	       (away < TASK_AWAY_MOST ? away : TASK_AWAY_MOST) << TASK_SLOT_BITS | (slot + 1);
}

static uint32_t slot_at(const struct task_table *t, uint32_t i)
{
	return (t->index[i] & TASK_SLOT_MASK) - 1;
}

/* Place in the index of an id. false = it is not there. */
static bool place_of(const struct task_table *t, uint64_t id, uint32_t *ret)
{
	uint64_t x = task_index_hash(t, id);
	uint32_t mask = (1u << t->index_bits) - 1, tag = task_index_tag(x, id);

	for (uint32_t i = task_index_home(t, x, id); t->index[i];
	     i = (i + TASK_INDEX_STEP) & mask) {
		if (!task_index_tagged(t->index[i], tag) ||
		    task_table_slot(t, slot_at(t, i))->id != id)
			continue;
		*ret = i;
		return true;
	}
	return false;
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

static void index_put(struct task_table *t, uint64_t id, uint32_t slot)
{
	uint64_t x = task_index_hash(t, id);
	uint32_t mask = (1u << t->index_bits) - 1, first = task_index_home(t, x, id), i = first;

	while (t->index[i])
		i = (i + TASK_INDEX_STEP) & mask;
	t->index[i] = entry_of(task_index_tag(x, id), ((i - first) & mask) / TASK_INDEX_STEP, slot);
}

static uint32_t away_at(const struct task_table *t, uint32_t i)
{
	uint32_t away = t->index[i] >> TASK_SLOT_BITS & 7;

	if (away < TASK_AWAY_MOST)
		return away;
	return ((i - home(t, task_table_slot(t, slot_at(t, i))->id)) &
		((1u << t->index_bits) - 1)) /
	       TASK_INDEX_STEP;
}

/* Backward shift: no entry may stand behind a hole on its way from home. */
static void index_remove(struct task_table *t, uint64_t id)
{
	uint32_t mask = (1u << t->index_bits) - 1, hole;

	if (!place_of(t, id, &hole))
		return;
	for (uint32_t i = (hole + TASK_INDEX_STEP) & mask; t->index[i];
	     i = (i + TASK_INDEX_STEP) & mask) {
		uint32_t away = away_at(t, i), back = ((i - hole) & mask) / TASK_INDEX_STEP;

		if (away < back)
			continue;
		t->index[hole] = entry_of(t->index[i], away - back, slot_at(t, i));
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
	if (t->used == t->npages * TASK_PAGE_TASKS) {
		struct model_task **pages =
			realloc(t->pages, (t->npages + 1) * sizeof(struct model_task *));

		if (!pages)
			return MODEL_NONE;
		t->pages = pages;
		pages[t->npages] = aligned_alloc(TASK_PAGE_BYTES, TASK_PAGE_BYTES);
		if (!pages[t->npages])
			return MODEL_NONE;
		madvise(pages[t->npages], TASK_PAGE_BYTES, MADV_HUGEPAGE);
		t->npages++;
	}
	return t->used++;
}

static void blank(struct model_task *task, uint64_t id, uint32_t slot)
{
	*task = (struct model_task){ .id = id,
				     .spawn_ns = LIVE_UNKNOWN,
				     .next = MODEL_NONE,
				     .lane = WEFT_NO_LANE,
				     .slot = slot };
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
	blank(task_table_slot(t, slot), id, slot);
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
	uint32_t slot = task->slot;

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
	uint32_t slot = task->slot, before = MODEL_NONE;

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
	blank(task, task->id, task->slot);
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
