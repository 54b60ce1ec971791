/* SPDX-License-Identifier: MIT */
/*
 * Two layers, after Bonwick's magazines (USENIX 2001): a per-thread list per class, and a global
 * list per class that is refilled and drained CACHE_BATCH blocks at a time under one lock.
 */
#include "runtime/base/slab.h"

#include <pthread.h>
#include <stdbool.h>

#include "runtime/base/memory.h"
#include "runtime/trace_buffer.h"

#define SMALL_STEP    16u
#define SMALL_MAX     1024u
#define SMALL_CLASSES (SMALL_MAX / SMALL_STEP)
#define LARGE_CLASSES 40u /* four per power of two from 1 KiB to 1 MiB */
#define CLASSES       (SMALL_CLASSES + LARGE_CLASSES)
#define SLAB_FIRST    (64u << 10)
#define SLAB_LAST     (8u << 20)
#define CACHE_BATCH   64u
#define CACHE_BYTES   (64u << 10) /* a thread keeps at most two of these per class */

struct free_block {
	struct weft_task_head head; /* zero */
	struct free_block *next;
};

struct class_state {
	struct free_block *free;
	char *fresh; /* rest of the newest slab */
	uint32_t fresh_left;
	uint32_t slab_bytes;
};

struct cache_list {
	struct free_block *free;
	uint32_t count;
};

struct thread_cache {
	struct cache_list list[CLASSES];
};

/* In front of a block that is too big for any class. */
struct huge {
	struct huge *next, **link;
} __attribute__((aligned(16)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct huge *huge_first;
static struct class_state classes[CLASSES];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static __thread struct thread_cache *cache __attribute__((tls_model("initial-exec")));

/* CLASSES = too big for any class. */
static unsigned class_of(size_t bytes, uint32_t *ret_bytes)
{
	unsigned shift, step;

	if (bytes < sizeof(struct free_block))
		bytes = sizeof(struct free_block);
	if (bytes <= SMALL_MAX) {
		unsigned c = (unsigned)((bytes + SMALL_STEP - 1) / SMALL_STEP) - 1;

		*ret_bytes = (c + 1) * SMALL_STEP;
		return c;
	}
	if (bytes > (1u << 20))
		return CLASSES;
	shift = 31 -
		(unsigned)__builtin_clz((unsigned)bytes - 1); /* 2^shift < bytes <= 2^(shift + 1) */
	step = (unsigned)((bytes - 1) >> (shift - 2)) - 4;    /* quarter above 2^shift */
	*ret_bytes = (1u << shift) + ((step + 1) << (shift - 2));
	return SMALL_CLASSES + (shift - 10) * 4 + step;
}

static uint32_t batch_of(uint32_t bytes)
{
	uint32_t n = CACHE_BYTES / bytes;

	return n > CACHE_BATCH ? CACHE_BATCH : n ? n : 1;
}

static bool slab_new(struct class_state *c, uint32_t bytes)
{
	size_t size = c->slab_bytes ? c->slab_bytes : SLAB_FIRST;
	void *slab;

	if (size < bytes)
		size = bytes;
	slab = weft_memory_pages(size);
	if (!slab)
		return false;
	c->fresh = slab;
	c->fresh_left = (uint32_t)(size / bytes);
	weft_trace_slab(slab, bytes, c->fresh_left);
	c->slab_bytes = size * 2 > SLAB_LAST ? SLAB_LAST : (uint32_t)size * 2;
	return true;
}

/* One block from the shared list or the newest slab; the lock is held. */
static struct free_block *take_shared(struct class_state *c, uint32_t bytes)
{
	struct free_block *block = c->free;

	if (block) {
		c->free = block->next;
		return block;
	}
	if (!c->fresh_left && !slab_new(c, bytes))
		return NULL;
	block = (struct free_block *)(void *)c->fresh;
	c->fresh += bytes;
	c->fresh_left--;
	return block;
}

static void refill(struct cache_list *list, unsigned class, uint32_t bytes)
{
	uint32_t want = batch_of(bytes);

	pthread_mutex_lock(&lock);
	while (list->count < want) {
		struct free_block *block = take_shared(&classes[class], bytes);

		if (!block)
			break;
		block->next = list->free;
		list->free = block;
		list->count++;
	}
	pthread_mutex_unlock(&lock);
}

static void drain(struct cache_list *list, unsigned class, uint32_t keep)
{
	pthread_mutex_lock(&lock);
	while (list->count > keep) {
		struct free_block *block = list->free;

		list->free = block->next;
		list->count--;
		block->next = classes[class].free;
		classes[class].free = block;
	}
	pthread_mutex_unlock(&lock);
}

static void cache_free(void *arg)
{
	struct thread_cache *mine = arg;

	for (unsigned i = 0; i < CLASSES; i++)
		drain(&mine->list[i], i, 0);
	cache = NULL;
	weft_memory_free(mine);
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_done(void)
{
	pthread_mutex_unlock(&lock);
}

static void init(void)
{
	pthread_key_create(&key, cache_free);
	pthread_atfork(fork_prepare, fork_done, fork_done);
}

static struct thread_cache *cache_get(void)
{
	if (__builtin_expect(cache != NULL, 1))
		return cache;
	pthread_once(&once, init);
	cache = weft_memory_alloc(sizeof(*cache));
	if (cache)
		pthread_setspecific(key, cache);
	return cache;
}

static void *alloc_huge(size_t bytes, uint32_t *ret_bytes)
{
	struct huge *huge = bytes < UINT32_MAX ? weft_memory_alloc(sizeof(*huge) + bytes) : NULL;

	if (!huge)
		return NULL;
	weft_trace_slab_missed();
	*ret_bytes = (uint32_t)bytes;
	pthread_mutex_lock(&lock);
	huge->next = huge_first;
	huge->link = &huge_first;
	if (huge->next)
		huge->next->link = &huge->next;
	huge_first = huge;
	pthread_mutex_unlock(&lock);
	return huge + 1;
}

static void free_huge(void *block)
{
	struct huge *huge = (struct huge *)block - 1;

	pthread_mutex_lock(&lock);
	*huge->link = huge->next;
	if (huge->next)
		huge->next->link = huge->link;
	pthread_mutex_unlock(&lock);
	weft_memory_free(huge);
}

void *weft_slab_huge_next(void *block, bool (*hold)(void *block))
{
	struct huge *huge;

	pthread_mutex_lock(&lock);
	huge = block ? ((struct huge *)block - 1)->next : huge_first;
	while (huge && !hold(huge + 1))
		huge = huge->next;
	pthread_mutex_unlock(&lock);
	return huge ? huge + 1 : NULL;
}

void *weft_slab_alloc(size_t bytes, uint32_t *ret_bytes)
{
	struct thread_cache *mine = cache_get();
	unsigned class = class_of(bytes, ret_bytes);
	struct cache_list *list;
	struct free_block *block;

	if (!mine)
		return NULL;
	if (class == CLASSES)
		return alloc_huge(bytes, ret_bytes);
	list = &mine->list[class];
	if (!list->free)
		refill(list, class, *ret_bytes);
	block = list->free;
	if (block) {
		list->free = block->next;
		list->count--;
	}
	return block;
}

void weft_slab_free(void *block, uint32_t slot_bytes)
{
	struct thread_cache *mine = cache_get();
	uint32_t bytes = slot_bytes;
	unsigned class = class_of(slot_bytes, &bytes);
	struct free_block *freed = block;
	struct cache_list *list;

	if (class == CLASSES) {
		free_huge(block);
		return;
	}
	if (!mine) { /* out of memory: straight to the shared list */
		struct cache_list one = { freed, 1 };

		freed->next = NULL;
		drain(&one, class, 0);
		return;
	}
	list = &mine->list[class];
	freed->next = list->free;
	list->free = freed;
	if (++list->count > 2 * batch_of(slot_bytes))
		drain(list, class, batch_of(slot_bytes));
}
