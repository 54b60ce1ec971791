// SPDX-License-Identifier: MIT
#include "tests/unit/probes/sleeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/personality.h>
#include <sys/stat.h>

static struct sleeper s;

/* Function names of the walk, "leaf<...<root". */
static int walk(struct resolver *r, char *text, size_t size, bool *complete)
{
	uint64_t pcs[64];
	int n = unwind_stack(r, &s.regs, s.stack, s.bytes, pcs, 64, complete);

	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		struct resolver_frame f[8];
		int k = resolver_frames(r, pcs[i], i > 0, f, 8);

		for (int j = 0; j < k; j++)
			snprintf(text + strlen(text), size - strlen(text), "%s<", f[j].func);
		if (k <= 0)
			snprintf(text + strlen(text), size - strlen(text), "?<");
	}
	return n;
}

static const char chain[] =
	"innermost_inline<leaf_function<middle_function<recursive_function<recursive_function<"
	"recursive_function<recursive_function<recursive_function<recursive_function<";

static void check_walk(const char *name, const char *mode, const char *want, const char *root)
{
	struct resolver *r = NULL;
	bool complete = false;
	char text[4096];
	int n;

	sleeper_start(&s, name, mode);
	assert_int_equal(resolver_new(s.pid, &r), 0);
	n = walk(r, text, sizeof(text), &complete);
	sleeper_stop(&s);
	print_message("%s %s: %d frames: %s\n", name, mode, n, text);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, root));
	assert_true(complete);
	resolver_free(r);
}

static void test_pie(void **state)
{
	(void)state;
	check_walk("pie", "s", chain, "main<");
}

static void test_no_pie(void **state)
{
	(void)state;
	check_walk("nopie", "s", chain, "_start<");
}

/* In a thread, blocked in a futex, up to where clone started it. */
static void test_futex(void **state)
{
	(void)state;
	check_walk("pie", "f", chain, "thread_function<");
}

/* Through the trampoline of a signal handler into what was interrupted. */
static void test_signal(void **state)
{
	(void)state;
	check_walk("pie", "g", "handler<", chain);
}

static void test_stripped(void **state)
{
	struct resolver *r = NULL;
	bool complete = false;
	char text[4096];

	(void)state;
	sleeper_start(&s, "stripped", "s");
	assert_int_equal(resolver_new(s.pid, &r), 0);
	assert_in_range(walk(r, text, sizeof(text), &complete), 10, 20);
	assert_true(complete);
	assert_null(strstr(text, "leaf_function"));
	sleeper_stop(&s);
	resolver_free(r);
}

/* A walk is the same after the process has died: files stay open, the stack was copied. */
static void test_dead(void **state)
{
	struct resolver *r = NULL;
	bool complete = false;
	char text[4096];

	(void)state;
	sleeper_start(&s, "pie", "s");
	assert_int_equal(resolver_new(s.pid, &r), 0);
	sleeper_stop(&s);
	assert_int_equal(resolver_refresh(r), -ESRCH);
	walk(r, text, sizeof(text), &complete);
	assert_non_null(strstr(text, chain));
	assert_true(complete);
	resolver_free(r);
}

/* A short copy ends the walk early and says so; the frames before are right. */
static void test_short_stack(void **state)
{
	struct resolver *r = NULL;
	bool complete = true;
	char text[4096];
	int last = 0;

	(void)state;
	sleeper_start(&s, "pie", "s");
	assert_int_equal(resolver_new(s.pid, &r), 0);
	sleeper_stop(&s);
	for (size_t bytes = 0; bytes < 400; bytes += 40) {
		size_t whole = s.bytes;
		int n;

		s.bytes = bytes;
		n = walk(r, text, sizeof(text), &complete);
		s.bytes = whole;
		assert_false(complete);
		assert_true(n >= last && n >= 1);
		last = n;
	}
	resolver_free(r);
}

static void wait_exe(pid_t pid, const char *path)
{
	char link[32], exe[256], want[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	assert_non_null(realpath(path, want));
	for (int i = 0; i < 10000; i++) {
		ssize_t n = readlink(link, exe, sizeof(exe) - 1);

		if (n > 0 && (size_t)n == strlen(want) && !memcmp(exe, want, (size_t)n))
			return;
		usleep(1000);
	}
	fail_msg("%s was not executed", path);
}

/* The program was started by exec after its mappings had been read: the walk reads them again. */
static void test_mapped_later(void **state)
{
	struct resolver *r = NULL;
	char path[64], text[4096];
	bool complete = false;
	int go[2];

	(void)state;
	assert_int_equal(pipe(go), 0);
	snprintf(path, sizeof(path), "%s/pie", sleeper_dir);
	s.pid = s.tid = fork();
	if (s.pid == 0) {
		char byte;

		/* Without randomisation old and new image lie at the same addresses. */
		personality((unsigned long)personality(0xffffffff) &
			    ~(unsigned long)ADDR_NO_RANDOMIZE);
		if (read(go[0], &byte, 1) == 1)
			execl(path, path, "s", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(resolver_new(s.pid, &r), 0);
	assert_int_equal(write(go[1], "", 1), 1);
	wait_exe(s.pid, path); /* until then it is blocked in the pipe */
	sleeper_wait_blocked(&s);
	sleeper_capture(&s);
	walk(r, text, sizeof(text), &complete);
	sleeper_stop(&s);
	close(go[0]);
	close(go[1]);
	assert_true(complete);
	assert_non_null(strstr(text, chain));
	resolver_free(r);
}

/* Registers and stack full of noise: any end but a crash or a loop. */
static void test_noise(void **state)
{
	struct resolver *r = NULL;
	struct unwind_regs regs;
	uint64_t x = 88172645463325252ull, pcs[64];
	bool complete;

	(void)state;
	sleeper_start(&s, "pie", "s");
	assert_int_equal(resolver_new(s.pid, &r), 0);
	for (int round = 0; round < 2000; round++) {
		regs = s.regs;
		for (int i = 0; i < 1 + round % 8; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			regs.r[x % 17] = round % 2 ? x >> 8 : s.regs.r[16] + (x >> 8) % 100000;
		}
		s.stack[(x >> 20) % 2048] = (char)x;
		assert_in_range(unwind_stack(r, &regs, s.stack, s.bytes, pcs, 64, &complete), 1,
				64);
	}
	assert_int_equal(unwind_stack(r, &s.regs, s.stack, s.bytes, pcs, 1, &complete), 1);
	sleeper_stop(&s);
	resolver_free(r);
}

/* .eh_frame overwritten with noise in the file on disk before it is read. */
static void test_corrupt(void **state)
{
	uint64_t x = 1234567;

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct resolver *r = NULL;
		bool complete;
		char text[4096], path[64];
		struct stat st;
		int fd;

		assert_int_equal(sleeper_command("cp pie corrupt.new && mv corrupt.new corrupt"),
				 0);
		sleeper_start(&s, "corrupt", "s");
		sleeper_stop(&s);
		snprintf(path, sizeof(path), "%s/corrupt", sleeper_dir);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		for (int i = 0; i < 400; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			/* headers stay whole, or nothing behind them would be looked at */
			if (pwrite(fd, &x, 1 + round % 8,
				   (off_t)(0x400 + (x >> 16) % ((uint64_t)st.st_size - 0x800))) < 0)
				break;
		}
		close(fd);
		sleeper_start(&s, "pie", "s");
		assert_int_equal(resolver_new(s.pid, &r), 0);
		for (uint64_t at = 0x1000; at < 0x2000; at += 16) {
			struct resolver_frame f[8];

			resolver_locate(r, path, NULL, at, f, 8);
		}
		walk(r, text, sizeof(text), &complete);
		sleeper_stop(&s);
		resolver_free(r);
	}
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void test_speed(void **state)
{
	struct resolver *r = NULL;
	bool complete;
	char text[4096];
	uint64_t pcs[64];
	struct resolver_frame f[8];
	double start, warm, cold;
	int n;

	(void)state;
	sleeper_start(&s, "pie", "f");
	start = now_us();
	assert_int_equal(resolver_new(s.pid, &r), 0);
	n = walk(r, text, sizeof(text), &complete);
	cold = now_us() - start;
	start = now_us();
	for (int i = 0; i < 2000; i++)
		n = unwind_stack(r, &s.regs, s.stack, s.bytes, pcs, 64, &complete);
	warm = (now_us() - start) / 2000;
	start = now_us();
	for (int i = 0; i < 100000; i++)
		resolver_frames(r, pcs[i % n], true, f, 8);
	print_message("%d frames: first %.0f us, unwind warm %.2f us, resolve warm %.3f us a pc\n",
		      n, cold, warm, (now_us() - start) / 100000);
	assert_true(warm < 2000); /* the aim is 200; sanitizers and a busy machine are slower */
	sleeper_stop(&s);
	resolver_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pie),          cmocka_unit_test(test_no_pie),
		cmocka_unit_test(test_futex),        cmocka_unit_test(test_signal),
		cmocka_unit_test(test_stripped),     cmocka_unit_test(test_dead),
		cmocka_unit_test(test_mapped_later), cmocka_unit_test(test_short_stack),
		cmocka_unit_test(test_noise),        cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests_name("unwind", tests, sleeper_setup, sleeper_teardown);
}
