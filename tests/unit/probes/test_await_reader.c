// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/await_reader.h"

#define FRAME 112u
#define BLOCK 1024u

/* As WEFT_FRAME lays it out; the reader knows it from runtime/await_chain.h only. */
struct frame {
	struct weft_frame head;
	int rc;
	uint32_t on;
};

struct fixture {
	_Alignas(16) uint8_t block[BLOCK];
	struct await_reader *reader;
	struct weft_ev_place place[64];
	unsigned places;
};

static const struct weft_await_site outer = { NULL, "outer", "src/outer.c", 10, 0 };
static const struct weft_await_site inner = { NULL, "inner", "src/inner.c", 20, 0 };

static void on_place(void *ctx, const struct weft_ev_place *place)
{
	struct fixture *f = ctx;

	assert_int_equal(place->place, f->places + 1);
	assert_non_null(memchr(place->func, '\0', sizeof(place->func)));
	assert_non_null(memchr(place->file, '\0', sizeof(place->file)));
	if (f->places < 64)
		f->place[f->places] = *place;
	f->places++;
}

static int setup(void **state)
{
	struct fixture *f = aligned_alloc(16, sizeof(*f));

	if (!f)
		return -1;
	memset(f, 0, sizeof(*f));
	*state = f;
	return await_reader_new(getpid(), on_place, f, &f->reader);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	await_reader_free(f->reader);
	free(f);
	return 0;
}

static struct frame *frame_at(struct fixture *f, uint32_t offset)
{
	return (struct frame *)(void *)(f->block + offset);
}

/* Suspends the frame at `site`, waiting for `callee` (NULL = a leaf). */
static void suspend(struct frame *at, const struct weft_await_site *site, const void *callee)
{
	at->head.at = site;
	at->head.self = (uint32_t)(uintptr_t)at;
	at->head.callee = callee ? (int32_t)((intptr_t)callee - (intptr_t)at) : 0;
	at->on = WEFT_WAIT_SLEEP;
}

static struct await_chain read_chain(struct fixture *f)
{
	struct await_block block = { .address = (uintptr_t)f->block,
				     .bytes = f->block,
				     .size = sizeof(f->block),
				     .frame = FRAME };
	struct await_chain chain;

	memset(&chain, 0xee, sizeof(chain));
	await_reader_read(f->reader, &block, &chain);
	assert_true(chain.places <= WEFT_AWAIT_DEPTH);
	return chain;
}

static void test_not_started(void **state)
{
	struct await_chain c = read_chain(*state);

	assert_int_equal(c.places, 0);
	assert_true(c.complete);
}

static void test_two_levels(void **state)
{
	struct fixture *f = *state;
	struct await_chain c;

	suspend(frame_at(f, FRAME), &outer, frame_at(f, 256));
	suspend(frame_at(f, 256), &inner, NULL);
	c = read_chain(f);
	assert_int_equal(c.places, 2);
	assert_true(c.complete);
	assert_false(c.outside);
	assert_int_equal(c.on, WEFT_WAIT_SLEEP);
	assert_string_equal(f->place[c.place[0] - 1].func, "inner");
	assert_int_equal(f->place[c.place[0] - 1].line, 20);
	assert_string_equal(f->place[c.place[1] - 1].file, "src/outer.c");
	read_chain(f);
	assert_int_equal(f->places, 2); /* told once */
}

static void test_callee_outside(void **state)
{
	struct fixture *f = *state;
	static _Alignas(16) struct frame elsewhere;
	struct await_chain c;

	suspend(&elsewhere, &inner, NULL);
	frame_at(f, FRAME)->head.at = &outer;
	if ((int32_t)((intptr_t)&elsewhere - (intptr_t)frame_at(f, FRAME)) !=
	    (intptr_t)&elsewhere - (intptr_t)frame_at(f, FRAME)) {
		/* Heap and data are too far apart for a distance: the runtime leaves the chain there, too. */
		suspend(frame_at(f, FRAME), &outer, NULL);
		assert_int_equal(read_chain(f).places, 1);
		return;
	}
	suspend(frame_at(f, FRAME), &outer, &elsewhere);
	c = read_chain(f);
	assert_int_equal(c.places, 2);
	assert_true(c.outside);
}

static void test_loop(void **state)
{
	struct fixture *f = *state;
	struct await_chain c;

	suspend(frame_at(f, FRAME), &outer, frame_at(f, 256));
	suspend(frame_at(f, 256), &inner, frame_at(f, FRAME));
	c = read_chain(f);
	assert_int_equal(c.places, WEFT_AWAIT_DEPTH);
	assert_false(c.complete);
}

static void test_too_deep(void **state)
{
	struct fixture *f = *state;
	struct await_chain c;
	uint32_t at = FRAME;

	for (; at + 2 * sizeof(struct frame) <= BLOCK; at += sizeof(struct frame))
		suspend(frame_at(f, at), &outer, frame_at(f, at + sizeof(struct frame)));
	suspend(frame_at(f, at), &inner, NULL);
	c = read_chain(f);
	assert_int_equal(c.places, WEFT_AWAIT_DEPTH);
	assert_false(c.complete);
}

static void test_frame_moved(void **state)
{
	struct fixture *f = *state;
	struct await_chain c;

	suspend(frame_at(f, FRAME), &outer, NULL);
	frame_at(f, FRAME)->head.self ^= 64;
	c = read_chain(f);
	assert_int_equal(c.places, 0);
	assert_false(c.complete);
}

/* Distances to nowhere, to odd addresses, to the very end of the block. */
static void test_wild_callees(void **state)
{
	static const int32_t wild[] = { 1, 4, -8, INT32_MAX, INT32_MIN, BLOCK - FRAME, 4096 * 3 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		suspend(frame_at(f, FRAME), &outer, NULL);
		frame_at(f, FRAME)->head.callee = wild[i];
		assert_int_equal(read_chain(f).places, 1);
		assert_false(read_chain(f).complete);
	}
}

static void test_wild_sites(void **state)
{
	static const uintptr_t wild[] = {
		1, 8, 4096, 0x7fffffffffff, UINTPTR_MAX, UINTPTR_MAX - 7, 1ull << 60
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		suspend(frame_at(f, FRAME), (const void *)wild[i], NULL);
		assert_int_equal(read_chain(f).places, 0);
		assert_false(read_chain(f).complete);
	}
	assert_int_equal(f->places, 0);
}

/* Text without an end, right before memory that is not there; text that is too long; none at all. */
static void test_texts(void **state)
{
	struct fixture *f = *state;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char lengthy[1000];
	struct weft_await_site site = { NULL, NULL, "x.c", 1, 0 }, fine = site, last = site;

	munmap(page + 4096, 4096);
	memset(page, 'e', 4096);
	site.func = page + 4000;
	suspend(frame_at(f, FRAME), &site, NULL);
	assert_int_equal(read_chain(f).places, 0);
	page[4095] = '\0'; /* ends with the page */
	fine.func = page + 4000;
	suspend(frame_at(f, FRAME), &fine, NULL);
	assert_int_equal(read_chain(f).places, 1);
	assert_int_equal(strlen(f->place[0].func), sizeof(f->place[0].func) - 1);
	memset(lengthy, 'd', sizeof(lengthy) - 1);
	memcpy(lengthy + sizeof(lengthy) - 7, "tail.c", 7);
	last.func = "last";
	last.file = lengthy;
	suspend(frame_at(f, FRAME), &last, NULL);
	assert_int_equal(read_chain(f).places, 1);
	assert_string_equal(f->place[1].file + strlen(f->place[1].file) - 6, "tail.c");
	munmap(page, 4096);
}

/* A process that makes up sites without end costs a bounded table and then gets no answers. */
static void test_endless_sites(void **state)
{
	struct fixture *f = *state;
	struct weft_await_site *many = calloc(10000, sizeof(*many));
	unsigned known = 0;

	for (unsigned i = 0; i < 10000; i++) {
		many[i] = outer;
		suspend(frame_at(f, FRAME), &many[i], NULL);
		known += read_chain(f).places;
	}
	assert_true(known >= 1000 && known < 10000);
	assert_int_equal(f->places, known);
	free(many);
}

static void test_root_outside_its_slot(void **state)
{
	struct fixture *f = *state;
	struct await_block block = { .address = (uintptr_t)f->block,
				     .bytes = f->block,
				     .size = FRAME + 8, /* no room for a frame */
				     .frame = FRAME };
	struct await_chain c;

	suspend(frame_at(f, FRAME), &outer, NULL);
	await_reader_read(f->reader, &block, &c);
	assert_true(c.outside); /* so that the caller checks that the task has not moved on */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_not_started),
		TEST(test_two_levels),
		TEST(test_callee_outside),
		TEST(test_loop),
		TEST(test_too_deep),
		TEST(test_frame_moved),
		TEST(test_wild_callees),
		TEST(test_wild_sites),
		TEST(test_texts),
		TEST(test_endless_sites),
		TEST(test_root_outside_its_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
