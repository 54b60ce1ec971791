/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/feed.h"

static int setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_site(f, 1, "session", "svc.c", 42);
	feed_spawn(f, 1 * MS, 7, 1, 512);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

/* As decode_wrap() hands it over: the record from its second word on. */
static void label_of(struct feed *f, uint64_t task, const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value), bytes = 16 + (k + v + 7) / 8 * 8;
	struct weft_ev *ev = calloc(1, sizeof(*ev) + bytes);
	struct record r = { .t_ns = 2 * MS, .kind = WEFT_K_LABEL, .task = task, .ev = ev };
	__u64 *w = (__u64 *)(ev + 1);

	ev->size = (uint32_t)(sizeof(*ev) + bytes);
	ev->kind = WEFT_K_LABEL;
	w[0] = (bytes + 8) | (__u64)k << 16 | (__u64)v << 32;
	w[1] = task;
	memcpy(w + 2, key, k);
	memcpy((char *)(w + 2) + k, value, v);
	feed_record(f, &r);
	free(ev);
}

static const char *labels(struct feed *f, uint64_t task)
{
	static struct live_task_detail d;

	assert_int_equal(live_task_detail(f->l, task, &d), 0);
	return d.labels;
}

static void values_are_replaced_by_key(void **state)
{
	struct feed *f = *state;

	assert_string_equal(labels(f, 7), "");
	label_of(f, 7, "trace_id", "4bf9");
	assert_string_equal(labels(f, 7), "trace_id=4bf9");
	label_of(f, 7, "user", "ann");
	label_of(f, 7, "id", "1");
	assert_string_equal(labels(f, 7), "trace_id=4bf9  user=ann  id=1");
	label_of(f, 7, "trace_id", "0");
	assert_string_equal(labels(f, 7), "user=ann  id=1  trace_id=0");
	label_of(f, 7, "id", "");
	assert_string_equal(labels(f, 7), "user=ann  trace_id=0  id=");
}

static void too_many_push_the_oldest_out(void **state)
{
	struct feed *f = *state;
	char key[16], filler[200];

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		label_of(f, 7, key, "12345");
	}
	assert_null(strstr(labels(f, 7), "k0="));
	assert_non_null(strstr(labels(f, 7), "k39=12345"));
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	label_of(f, 7, "long", filler);
	assert_int_equal(strncmp(labels(f, 7), "long=xxx", 8), 0);
}

/* A table of fixed size: one that takes another's place is not taken for it. */
static void of_each_task_its_own(void **state)
{
	struct feed *f = *state;
	char value[16];

	for (uint64_t task = 100; task < 20000; task++) {
		snprintf(value, sizeof(value), "%d", (int)task);
		label_of(f, task, "id", value);
	}
	label_of(f, 7, "id", "7");
	assert_string_equal(labels(f, 7), "id=7");
	feed_spawn(f, 3 * MS, 8, 1, 512);
	assert_string_equal(labels(f, 8), "");
}

/* Lengths beyond what the record holds. */
static void nonsense_is_none(void **state)
{
	struct feed *f = *state;
	struct weft_ev *ev = calloc(1, sizeof(*ev) + 16);
	struct record r = { .t_ns = 2 * MS, .kind = WEFT_K_LABEL, .task = 7, .ev = ev };

	ev->size = sizeof(*ev) + 16;
	((__u64 *)(ev + 1))[0] = 24 | 100ull << 16 | 100ull << 32;
	feed_record(f, &r);
	ev->size = sizeof(*ev) + 8;
	feed_record(f, &r);
	free(ev);
	assert_string_equal(labels(f, 7), "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_are_replaced_by_key),
		T(too_many_push_the_oldest_out),
		T(of_each_task_its_own),
		T(nonsense_is_none),
	};

	return cmocka_run_group_tests_name("collector/label", tests, NULL, NULL);
}
