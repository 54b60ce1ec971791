// SPDX-License-Identifier: MIT
/* The kernel's part is played here: which places it refuses, and how. */
/* ldflags: -Wl,--wrap=attach_many */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/attach.h"
#include "probes/attach_group.h"

#define PLACES 100u
#define PUSH   0x55

static struct {
	bool bad[256];
	int refusal; /* of a group with a bad place */
	unsigned calls, attached[256], fail_at;
	int fail_with;
} kernel;

int __wrap_attach_many(const struct attach_many *r);
int __wrap_attach_many(const struct attach_many *r)
{
	if (++kernel.calls == kernel.fail_at)
		return kernel.fail_with;
	for (unsigned i = 0; i < r->n; i++)
		if (kernel.bad[r->offsets[i]])
			return kernel.refusal;
	for (unsigned i = 0; i < r->n; i++) {
		assert_int_equal(r->cookies[i], r->offsets[i] + 1000);
		kernel.attached[r->offsets[i]]++;
	}
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int file_of(const uint8_t *bytes, size_t n)
{
	char path[] = "/tmp/test_attach_group.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	return fd;
}

static int add(struct attach_group *g, const uint8_t *code, unsigned n)
{
	uint64_t offsets[256], cookies[256];
	int fd = file_of(code, n + 8), err;

	for (unsigned i = 0; i < n; i++) {
		offsets[i] = i;
		cookies[i] = i + 1000;
	}
	err = attach_group_add(g, -1, fd, getpid(), offsets, cookies, n);
	close(fd);
	return err;
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.refusal = -EINVAL;
	return 0;
}

static void test_one_link_when_all_are_good(void **state)
{
	uint8_t code[PLACES + 8];
	struct attach_group g = { 0 };

	(void)state;
	memset(code, PUSH, sizeof(code));
	assert_int_equal(add(&g, code, PLACES), 0);
	assert_int_equal(kernel.calls, 1);
	assert_int_equal(g.links, 1);
	assert_int_equal(g.places, PLACES);
	assert_int_equal(g.refused, 0);
	attach_group_close(&g);
	attach_group_close(&g);
	assert_int_equal(g.places, 0);
}

/* -524 is what the kernel says to a lock prefix; it has no name in user space. */
static void test_bad_places_are_left_out(void **state)
{
	static const unsigned bad[] = { 0, 17, 18, 63, PLACES - 1 };
	uint8_t code[PLACES + 8];
	struct attach_group g = { 0 };

	(void)state;
	memset(code, PUSH, sizeof(code));
	kernel.refusal = -524;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		kernel.bad[bad[i]] = true;
	assert_int_equal(add(&g, code, PLACES), 0);
	assert_int_equal(g.places, PLACES - 5);
	assert_int_equal(g.refused, 5);
	for (unsigned i = 0; i < PLACES; i++)
		assert_int_equal(kernel.attached[i], !kernel.bad[i]);
	assert_true(kernel.calls < PLACES);
	attach_group_close(&g);
}

static void test_all_bad_is_no_error(void **state)
{
	uint8_t code[8 + 8];
	struct attach_group g = { 0 };

	(void)state;
	memset(code, PUSH, sizeof(code));
	memset(kernel.bad, true, sizeof(kernel.bad));
	assert_int_equal(add(&g, code, 8), 0);
	assert_int_equal(g.links, 0);
	assert_int_equal(g.refused, 8);
	attach_group_close(&g);
}

/* What is no fault of a place ends it, and takes what was attached before back. */
static void test_other_errors_undo(void **state)
{
	uint8_t code[PLACES + 8];
	struct attach_group g = { 0 };

	(void)state;
	memset(code, PUSH, sizeof(code));
	assert_int_equal(add(&g, code, 1), 0);
	kernel.bad[40] = true;
	kernel.fail_at = 6;
	kernel.fail_with = -ESRCH;
	assert_int_equal(add(&g, code, PLACES), -ESRCH);
	assert_int_equal(g.links, 1);
	assert_int_equal(g.places, 1);
	attach_group_close(&g);
}

/* The kernel would take these; a probe on them can hurt the program. */
static void test_harmful_places_never_reach_the_kernel(void **state)
{
	static const uint8_t code[16 + 8] = { 0x0f, 0x1f, 0x44, 0x00, 0x66, 0x0f, 0x1f, 0x84, 0xf0,
					      0x0f, 0xb1, 0xcc, 0x55, 0x90, 0x2e, 0x0f, 0x1f };
	struct attach_group g = { 0 };

	(void)state;
	assert_int_equal(add(&g, code, 16), 0);
	assert_int_equal(kernel.attached[0], 0); /* nopl */
	assert_int_equal(kernel.attached[4], 0); /* nopw */
	assert_int_equal(kernel.attached[5], 0);
	assert_int_equal(kernel.attached[8], 0);  /* lock */
	assert_int_equal(kernel.attached[11], 0); /* somebody's breakpoint */
	assert_int_equal(kernel.attached[12], 1); /* push */
	assert_int_equal(kernel.attached[13], 1); /* 1-byte nop */
	assert_int_equal(kernel.attached[14], 0); /* cs nopw */
	attach_group_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_link_when_all_are_good, setup),
		cmocka_unit_test_setup(test_bad_places_are_left_out, setup),
		cmocka_unit_test_setup(test_all_bad_is_no_error, setup),
		cmocka_unit_test_setup(test_other_errors_undo, setup),
		cmocka_unit_test_setup(test_harmful_places_never_reach_the_kernel, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
