/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/weft.h"

/* A leaf that is ready at the n-th poll with a value. */
struct countdown {
	int left;
};

static weft_poll_t countdown(struct weft_cx *cx, struct countdown *f, int value)
{
	(void)cx;
	return f->left-- > 0 ? WEFT_PENDING : value;
}

struct inner {
	WEFT_FRAME;
	struct countdown leaf;
	int i;
};

static weft_poll_t inner(struct weft_cx *cx, struct inner *f, int polls, int value)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 2; f->i++) {
		f->leaf.left = polls;
		weft_await(f, countdown(cx, &f->leaf, 1));
	}
	weft_async_end(f, value);
}

struct outer {
	WEFT_FRAME;
	struct inner callee;
	int i, sum, which;
};

static weft_poll_t outer(struct weft_cx *cx, struct outer *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 3; f->i++) {
		weft_await(f, inner(cx, &f->callee, f->i, 10 + f->i));
		f->sum += f->rc;
		if (f->i == 1) {
			weft_await(f, inner(cx, &f->callee, 1, 100));
			f->sum += f->rc;
		}
		switch (f->i) {
		case 0:
			break;
		case 1:
			weft_await(f, inner(cx, &f->callee, 2, 1000));
			f->sum += f->rc;
			break;
		default:
			weft_await(f, inner(cx, &f->callee, 0, -5));
			if (f->rc < 0)
				return f->rc;
		}
	}
	weft_async_end(f, 0);
}

static void test_loops_ifs_switches(void **state)
{
	struct outer f = { .sum = 0 };
	struct weft_cx cx = { .cancelled = 0 };
	int polls = 1;
	weft_poll_t rc;

	(void)state;
	for (int again = 0; again < 2; again++) { /* a finished frame starts from the top */
		while ((rc = outer(&cx, &f)) == WEFT_PENDING)
			polls++;
		assert_int_equal(rc, -5);
	}
	assert_int_equal(f.sum, 2 * (10 + 11 + 100 + 1000 + 12));
	assert_int_equal(polls, 1 + 2 * (0 + 2 + 2 + 4 + 4));
	assert_null(f.weft.at);
}

/* The chain of a suspended frame names each function and line, and ends at the leaf. */
static void test_chain(void **state)
{
	struct outer f = { .i = 0 };
	struct weft_cx cx = { .cancelled = 0 };
	struct weft_frame *callee;

	(void)state;
	assert_int_equal(outer(&cx, &f), WEFT_PENDING);
	assert_string_equal(f.weft.at->func, "outer");
	assert_non_null(strstr(f.weft.at->file, "test_async.c"));
	assert_int_not_equal(f.weft.callee, 0);
	callee = (struct weft_frame *)(void *)((char *)&f.weft + f.weft.callee);
	assert_ptr_equal(callee, &f.callee.weft);
	assert_string_equal(callee->at->func, "inner");
	assert_true(callee->at->line < f.weft.at->line);
}

static weft_poll_t move_me(struct weft_cx *cx, struct outer *f)
{
	struct outer moved;
	weft_poll_t rc = outer(cx, f);

	assert_int_equal(rc, WEFT_PENDING);
	moved = *f;
	return outer(cx, &moved);
}

static void test_moved_frame(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct weft_runtime *rt;
	struct outer f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_int_equal(weft_block_on(rt, move_me, &f), -EFAULT);
	weft_runtime_free(rt);
}

static int compiles(const char *body)
{
	char command[256], path[] = "/tmp/weft-async-XXXXXX";
	int fd = mkstemp(path), rc;
	FILE *file = fdopen(fd, "w");

	fprintf(file,
		"#include \"runtime/weft.h\"\nstruct s { WEFT_FRAME; };\n"
		"weft_poll_t leaf(struct weft_cx *cx);\nweft_poll_t f(struct weft_cx *cx, struct s *f);\n"
		"weft_poll_t f(struct weft_cx *cx, struct s *f)\n{\n%s\n}\n",
		body);
	fclose(file);
	snprintf(command, sizeof(command), "gcc -std=gnu11 -I. -x c -fsyntax-only %s 2>/dev/null",
		 path);
	rc = system(command);
	unlink(path);
	return rc == 0;
}

static void test_misplaced_await_does_not_compile(void **state)
{
	(void)state;
	if (access("runtime/weft.h", R_OK) || system("gcc --version >/dev/null 2>&1"))
		skip();
	assert_true(
		compiles("weft_async_begin(f); weft_await(f, leaf(cx)); weft_async_end(f, 0);"));
	assert_false(compiles("weft_await(f, leaf(cx)); return 0;"));
	assert_false(
		compiles("weft_async_begin(f); weft_async_end(f, 0); weft_await(f, leaf(cx));"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops_ifs_switches),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_moved_frame),
		cmocka_unit_test(test_misplaced_await_does_not_compile),
	};

	return cmocka_run_group_tests_name("runtime/async", tests, NULL, NULL);
}
