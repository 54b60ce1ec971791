/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/api/runtime.h"

#define ALIGN 16u
#define PAGE  4096u

static void *libc_alloc(void *arg, size_t align, size_t bytes)
{
	void *block;

	(void)arg;
	if (align <= ALIGN)
		return malloc(bytes);
	return posix_memalign(&block, align, bytes) ? NULL : block;
}

static void libc_free(void *arg, void *block)
{
	(void)arg;
	free(block);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* allocator until `used` */
static struct weft_allocator allocator = { libc_alloc, libc_free, NULL };
static uint32_t used; /* atomic */

/* The first allocation settles the allocator: what one gave another must not take back. */
static const struct weft_allocator *current(void)
{
	/* Acquire: pairs with the release below, the table before the flag. */
	if (__builtin_expect(!__atomic_load_n(&used, __ATOMIC_ACQUIRE), 0)) {
		pthread_mutex_lock(&lock);
		__atomic_store_n(&used, 1, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&lock);
	}
	return &allocator;
}

int weft_set_allocator(const struct weft_allocator *with)
{
	int rc = -EALREADY;

	if (!with || !with->alloc || !with->free)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	if (!__atomic_load_n(&used, __ATOMIC_RELAXED)) {
		allocator = *with;
		rc = 0;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void *weft_memory_aligned(size_t align, size_t bytes)
{
	const struct weft_allocator *a = current();
	void *block = a->alloc(a->arg, align, bytes);

	return block ? memset(block, 0, bytes) : NULL;
}

void *weft_memory_alloc(size_t bytes)
{
	return weft_memory_aligned(ALIGN, bytes);
}

char *weft_memory_strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = weft_memory_alloc(bytes);

	return copy ? memcpy(copy, text, bytes) : NULL;
}

void weft_memory_free(void *block)
{
	const struct weft_allocator *a = current();

	if (block)
		a->free(a->arg, block);
}

/* Straight from the kernel unless the program brought its own: untouched pages cost nothing. */
void *weft_memory_pages(size_t bytes)
{
	void *pages;

	if (current()->alloc != libc_alloc)
		return weft_memory_aligned(PAGE, bytes);
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return pages == MAP_FAILED ? NULL : pages;
}
