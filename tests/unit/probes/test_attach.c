// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "probes/attach.h"

static int file_with(const uint8_t *bytes, size_t n)
{
	char path[] = "/tmp/test_attach.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	return fd;
}

/* 6.18 turns a probed 5- or 10-byte nop into a call that overwrites the red zone: refused before the kernel sees it. */
static void test_refuses_all_but_the_one_byte_nop(void **state)
{
	static const uint8_t code[] = { 0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0x66,
					0x2e, 0x0f, 0x1f, 0x84, 0xcc, 0x55 };
	struct attach_request r = { .prog_fd = -1,
				    .file_fd = file_with(code, sizeof(code)),
				    .pid = getpid(),
				    .places = 1 };
	struct attachment a = { 0 };

	(void)state;
	for (size_t i = 1; i < sizeof(code); i++) {
		r.place[0].offset = i;
		assert_int_equal(attach_open(&r, &a), -EILSEQ);
		r.perf = !r.perf;
	}
	r.place[0].offset = sizeof(code); /* behind the end */
	assert_int_equal(attach_open(&r, &a), -EIO);
	assert_int_equal(a.links, 0);
	close(r.file_fd);
}

/* One bad place among good ones: nothing is attached. */
static void test_one_bad_place_refuses_all(void **state)
{
	static const uint8_t code[] = { 0x90, 0x90, 0xcc };
	struct attach_request r = { .prog_fd = -1,
				    .file_fd = file_with(code, sizeof(code)),
				    .pid = getpid(),
				    .places = 3,
				    .place = {
					    { .offset = 0 }, { .offset = 1 }, { .offset = 2 } } };
	struct attachment a = { 0 };

	(void)state;
	assert_int_equal(attach_open(&r, &a), -EILSEQ);
	r.places = ATTACH_PLACES + 1;
	assert_int_equal(attach_open(&r, &a), -E2BIG);
	assert_int_equal(a.links, 0);
	close(r.file_fd);
}

static void test_close_takes_a_closed_one(void **state)
{
	struct attachment a = { 0 };

	(void)state;
	attach_close(&a);
	attach_close(&a);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* In a thread: each request's first ones before the others, all gone at the end. */
static void test_closes_behind_our_back(void **state)
{
	struct attach_closing *list = NULL;
	int fds[6][2];

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(pipe(fds[i]), 0);
	for (int i = 0; i < 6; i += 2) {
		struct attachment a = { .links = 1, .fd = { fds[i][1] } };
		struct attachment b = { .links = 1, .fd = { fds[i + 1][1] } };

		attach_close_begin(&list, &a, i ? &b : NULL);
		assert_int_equal(a.links, 0);
		assert_int_equal(b.links, i ? 0 : 1);
	}
	for (int i = 2; i < 6; i++) {
		char c;

		assert_int_equal(read(fds[i][0], &c, 1), 0); /* its other end was closed */
		assert_false(is_open(fds[i & ~1][1]));
	}
	attach_close_end(&list);
	assert_null(list);
	assert_false(is_open(fds[0][1]));
	assert_true(is_open(fds[1][1]));
	close(fds[1][1]);
	for (int i = 0; i < 6; i++)
		close(fds[i][0]);
	attach_close_begin(&list, NULL, NULL);
	attach_close_end(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_all_but_the_one_byte_nop),
		cmocka_unit_test(test_one_bad_place_refuses_all),
		cmocka_unit_test(test_close_takes_a_closed_one),
		cmocka_unit_test(test_closes_behind_our_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
