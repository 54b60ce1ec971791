/* SPDX-License-Identifier: MIT */
#include "tests/support/store_buffer.h"

#include <string.h>

/*
 * A store may still wait when its place is no variable any more: the function has returned, the block is freed. So these look
 * and write where a sanitizer would object. Byte by byte, or it would be a call that is checked.
 */
#define UNCHECKED __attribute__((no_sanitize("address"), noinline))

UNCHECKED static void copy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
}

UNCHECKED static bool is_same(const void *a, const void *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const volatile uint8_t *)a)[i] != ((const volatile uint8_t *)b)[i])
			return false;
	return true;
}

static void drop_oldest(struct store_buffer *buffer, unsigned n)
{
	buffer->n -= n;
	memmove(buffer->entry, buffer->entry + n, buffer->n * sizeof(buffer->entry[0]));
}

void store_buffer_push(struct store_buffer *buffer, void *at, const void *value, size_t size)
{
	struct store *store;

	/* Its value is in the memory; a younger one to the same place has kept it for the others. */
	if (buffer->n == STORE_BUFFER_SIZE)
		drop_oldest(buffer, 1);
	store = &buffer->entry[buffer->n++];
	*store = (struct store){ .at = at, .size = size };
	memcpy(&store->value, value, size);
	copy(&store->under, at, size);
	copy(at, value, size);
}

void store_buffer_drain(struct store_buffer *buffer)
{
	buffer->n = 0;
}

void store_buffer_lay(struct store_buffer *buffer)
{
	for (unsigned i = 0; i < buffer->n; i++) {
		struct store *store = &buffer->entry[i];

		copy(&store->under, store->at, store->size);
		copy(store->at, &store->value, store->size);
	}
}

void store_buffer_lift(struct store_buffer *buffer)
{
	for (unsigned i = buffer->n; i-- > 0;) {
		struct store *store = &buffer->entry[i];

		if (is_same(store->at, &store->value, store->size)) {
			copy(store->at, &store->under, store->size);
			continue;
		}
		buffer->n--;
		memmove(store, store + 1, (buffer->n - i) * sizeof(*store));
	}
}

void store_buffer_arrive(struct store_buffer *buffer, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		copy(buffer->entry[i].at, &buffer->entry[i].value, buffer->entry[i].size);
	drop_oldest(buffer, n);
}

unsigned store_buffer_find(const struct store_buffer *buffer, const void *at)
{
	for (unsigned i = 0; i < buffer->n; i++)
		if (buffer->entry[i].at == at)
			return i + 1;
	return 0;
}
