// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/base/capability.h"
#include "probes/kernel_features.h"
#include "probes/session.h"

struct answer {
	int n, bad;
	char missing[1024]; /* "name,name," */
};

static void take(void *ctx, const struct session_check *c)
{
	struct answer *a = ctx;

	a->n++;
	if (!c->name || !c->name[0] || !c->detail[0]) {
		a->bad++;
		return;
	}
	/* what is missing says what that costs and what to do */
	if (c->ok ? c->cost[0] || c->remedy[0] : !c->cost[0] || !c->remedy[0])
		a->bad++;
	if (strlen(c->detail) == sizeof(c->detail) - 1 || strlen(c->cost) == sizeof(c->cost) - 1)
		a->bad++; /* cut */
	if (!c->ok)
		strcat(strcat(a->missing, c->name), ",");
}

static int ask(const char *mask, struct answer *a)
{
	int level = session_check(mask, take, memset(a, 0, sizeof(*a)));

	print_message("mask %s: level %d, missing %s\n", mask ? mask : "-", level, a->missing);
	assert_int_equal(a->bad, 0);
	return level;
}

static void test_all(void **state)
{
	struct answer a;
	int level = ask(NULL, &a);

	(void)state;
	assert_in_range(level, WEFT_LEVEL_OFF, WEFT_LEVEL_FULL);
	assert_true(a.n >= 15);
}

/* Every feature can be masked, and then is the one that is missing. */
static void test_masks(void **state)
{
	struct answer a;

	(void)state;
#define X(field, what)                     \
	assert_true(ask(#field, &a) >= 0); \
	assert_non_null(strstr(a.missing, #field));
	KERNEL_FEATURES(X)
#undef X
	assert_int_equal(session_check("no_such_feature", take, &a), -EINVAL);
	assert_int_equal(session_check("ringbuf,no_such_feature", take, &a), -EINVAL);
}

static void test_levels(void **state)
{
	struct kernel_features f;
	struct answer a;

	(void)state;
	assert_int_equal(kernel_features_probe(NULL, &f), 0);
	assert_int_equal(ask("bpf", &a), WEFT_LEVEL_OFF);
	assert_int_equal(ask("ringbuf", &a), WEFT_LEVEL_OFF);
	assert_int_equal(ask("uprobe_multi,uprobe_multi_pid,uprobe_perf", &a), WEFT_LEVEL_OFF);
	if (!f.bpf || !f.uprobe_multi || !f.uprobe_perf || !f.tp_btf || !f.iter_task)
		skip(); /* the higher levels need a kernel and rights that have them */
	assert_int_equal(ask("", &a), WEFT_LEVEL_FULL);
	assert_int_equal(ask("iter_task", &a), WEFT_LEVEL_NORMAL);
	assert_int_equal(ask("tp_btf", &a), WEFT_LEVEL_NORMAL);
	assert_int_equal(ask("uprobe_multi", &a), WEFT_LEVEL_LIGHT);
}

/* Without rights: level off, each missing right named, nothing crashes. */
static void test_unprivileged(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		struct answer a = { 0 };
		int level;

		if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(1);
		if (capability_has(39)) /* CAP_BPF */
			_exit(77);
		level = session_check(NULL, take, &a);
		_exit(level == WEFT_LEVEL_OFF && a.bad == 0 && strstr(a.missing, "CAP_BPF,") &&
				      strstr(a.missing, "CAP_SYS_PTRACE,") &&
				      strstr(a.missing, "bpf,")
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Several times over, and with no file descriptor left behind. */
static void test_leaves_nothing(void **state)
{
	struct kernel_features f;
	int before = dup(0), after;

	(void)state;
	close(before);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kernel_features_probe(NULL, &f), 0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_unprivileged),
		cmocka_unit_test(test_leaves_nothing),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
