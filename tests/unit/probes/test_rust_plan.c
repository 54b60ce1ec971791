// SPDX-License-Identifier: MIT
/*
 * The analyser of Rust files on files made here by the system's assembler (tests/support/rust_shapes.h), whose labels
 * say what is true; and damaged ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/rust/plan_internal.h"
#include "tests/support/rust_shapes.h"

static char dir[] = "/tmp/weft-rust-plan-XXXXXX";

static const struct {
	const char *name, *flags;
} kinds[] = {
	{ "pie", "-pie" },
	{ "relr", "-pie -Wl,-z,pack-relative-relocs" },
	{ "fixed", "-no-pie" },
	{ "stripped", "-pie -s" },
	{ "so", "-shared -Wl,-Bsymbolic" },
};

static void path_of(char *ret, size_t size, const char *name)
{
	snprintf(ret, size, "%s/%s", dir, name);
}

static int build(void **state)
{
	char path[128], line[512];
	FILE *f;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	path_of(path, sizeof(path), "a.s");
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs(rust_shapes, f);
	fclose(f);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(line, sizeof(line), "cd %s && cc -Wl,-z,notext a.s %s -o %s", dir,
			 kinds[i].flags, kinds[i].name);
		if (system(line) != 0)
			return -1;
	}
	return 0;
}

static int cleanup(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line);
}

static struct rust_plan *plan_of(const char *name)
{
	char path[128];
	struct rust_plan *plan = NULL;
	int rc;

	path_of(path, sizeof(path), name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	rc = rust_plan_new(fd, &plan);
	if (rc < 0)
		print_error("%s: %s\n", name, strerror(-rc));
	assert_int_equal(rc, 0);
	return plan;
}

/* By the symbol table, as `nm` reads it. */
static uint64_t label(const char *file, const char *name)
{
	char line[256], text[128];
	unsigned long long value = 0;

	snprintf(line, sizeof(line), "nm %s/%s | awk '$3 == \"%s\" { print $1 }'", dir, file, name);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	sscanf(text, "%llx", &value);
	assert_true(value != 0);
	return value;
}

static const struct rust_probe *probe_at(const struct rust_plan *plan, uint8_t kind,
					 uint64_t address)
{
	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == kind && plan->probes[i].address == address)
			return &plan->probes[i];
	return NULL;
}

static unsigned count(const struct rust_plan *plan, uint8_t kind)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < plan->n_probes; i++)
		n += plan->probes[i].kind == kind;
	return n;
}

/* With `names` from a file that has them and is laid out alike. */
static void check_types(const char *name, const char *names)
{
	static const struct {
		const char *vtable, *poll;
		int id, trailer;
	} truth[] = {
		{ "type_1", "poll_push", 40, 240 },
		{ "type_2", "poll_slid", 32, 96 },
		{ "type_3", "poll_none", 136, 0x1000 },
	};
	struct rust_plan *plan = plan_of(name);

	assert_int_equal(plan->n_types, 4);
	for (size_t i = 0; i < 3; i++) {
		const struct rust_type *type = rust_plan_type(plan, label(names, truth[i].vtable));

		assert_non_null(type);
		assert_int_equal(type->poll, label(names, truth[i].poll));
		assert_int_equal(type->family, RUST_TOKIO);
		assert_int_equal(type->id_offset, truth[i].id);
		assert_int_equal(type->trailer_offset, truth[i].trailer);
		assert_true(type->blocking); /* `other` names the file of BlockingSchedule */
	}
	assert_null(rust_plan_type(plan, label(names, "near_order")));
	assert_null(rust_plan_type(plan, 0));
	for (uint32_t i = 1; i < plan->n_types; i++)
		assert_true(plan->types[i - 1].vtable < plan->types[i].vtable);
	assert_int_equal(plan->layout[RUST_TOKIO].vtable, 16);
	rust_plan_free(plan);
}

static void check_polls(const char *name, const char *names)
{
	struct rust_plan *plan = plan_of(name);
	const struct rust_probe *probe = probe_at(plan, RUST_POLL_BEGIN, label(names, "poll_push"));

	assert_int_equal(count(plan, RUST_POLL_BEGIN), 4);
	assert_non_null(probe);
	assert_true(probe->emulated);
	assert_int_equal(probe->reg, 5);
	/* rdi is overwritten on the way to the jump, its copy in rbx is not */
	probe = probe_at(plan, RUST_POLL_BEGIN, label(names, "slid"));
	assert_non_null(probe);
	assert_true(probe->emulated);
	assert_int_equal(probe->reg, 3);
	probe = probe_at(plan, RUST_POLL_BEGIN, label(names, "poll_none"));
	assert_non_null(probe);
	assert_false(probe->emulated);
	assert_int_equal(probe->reg, 5);

	assert_int_equal(count(plan, RUST_POLL_END), 6);
	assert_non_null(probe_at(plan, RUST_POLL_END, label(names, "again_2")));
	probe = probe_at(plan, RUST_POLL_END, label(names, "end_1"));
	assert_non_null(probe);
	assert_true(probe->emulated);
	probe = probe_at(plan, RUST_POLL_END, label(names, "end_2"));
	assert_non_null(probe);
	assert_false(probe->emulated);
	assert_non_null(probe_at(plan, RUST_POLL_END, label(names, "end_3")));
	rust_plan_free(plan);
}

static void test_types(void **state)
{
	(void)state;
	check_types("pie", "pie");
	check_types("relr", "relr");
	check_types("fixed", "fixed");
	check_types("so", "so");
	check_types("stripped", "pie");
}

static void test_polls(void **state)
{
	(void)state;
	check_polls("pie", "pie");
	check_polls("relr", "relr");
	check_polls("fixed", "fixed");
	check_polls("stripped", "pie");
}

static void check_async_task(const char *name, const char *names)
{
	static const struct {
		uint8_t kind;
		const char *label;
		uint8_t reg;
	} truth[] = {
		{ RUST_POLL_BEGIN, "run_1", 5 }, { RUST_POLL_END, "ran_1", 255 },
		{ RUST_POLL_END, "ran_2", 255 }, { RUST_WAKE, "async_wake", 5 },
		{ RUST_WAKE, "async_ref", 5 },   { RUST_SCHEDULE, "other", 5 },
		{ RUST_DEALLOC, "other", 5 },
	};
	struct rust_plan *plan = plan_of(name);
	const struct rust_type *type = rust_plan_type(plan, label(names, "job_1"));

	assert_non_null(type);
	assert_int_equal(type->family, RUST_ASYNC_TASK);
	assert_int_equal(type->poll, label(names, "run_1"));
	assert_int_equal(type->size, 96);
	assert_int_equal(type->id_offset, -1);
	assert_null(rust_plan_type(plan, label(names, "near_waker")));
	assert_null(rust_plan_type(plan, label(names, "near_layout")));
	assert_int_equal(plan->layout[RUST_ASYNC_TASK].vtable, 0);
	assert_int_equal(plan->layout[RUST_ASYNC_TASK].state, 8);
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++) {
		const struct rust_probe *probe =
			probe_at(plan, truth[i].kind, label(names, truth[i].label));

		if (!probe)
			print_error("%s: nothing at %s\n", name, truth[i].label);
		assert_non_null(probe);
		assert_int_equal(probe->reg, truth[i].reg);
		assert_true(probe->emulated);
	}
	rust_plan_free(plan);
}

static void test_async_task(void **state)
{
	(void)state;
	check_async_task("pie", "pie");
	check_async_task("relr", "relr");
	check_async_task("fixed", "fixed");
	check_async_task("stripped", "pie");
}

static void check_events(const char *name, const char *names)
{
	static const struct {
		uint8_t kind;
		const char *label;
		bool emulated;
		const char *type;
	} truth[] = {
		{ RUST_SPAWN, "spawn_1", true, "type_1" },
		{ RUST_SPAWN, "spawn_2", true, "type_2" },
		{ RUST_SPAWN, "spawn_3", false, "type_3" },
		{ RUST_SPAWN, "spawn_4", true, "type_3" },
		{ RUST_WAKE, "wake_1", true, NULL },
		{ RUST_WAKE, "wake_val", true, NULL },
		{ RUST_COMPLETE, "complete", true, NULL },
	};
	struct rust_plan *plan = plan_of(name);

	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++) {
		const struct rust_probe *probe =
			probe_at(plan, truth[i].kind, label(names, truth[i].label));

		if (!probe)
			print_error("%s: nothing at %s\n", name, truth[i].label);
		assert_non_null(probe);
		assert_int_equal(probe->emulated, truth[i].emulated);
		if (truth[i].type)
			assert_int_equal(plan->types[probe->type].vtable,
					 label(names, truth[i].type));
		else
			assert_int_equal(probe->reg, 5);
	}
	assert_int_equal(count(plan, RUST_SPAWN), 4);
	assert_int_equal(count(plan, RUST_WAKE), 4);
	assert_int_equal(count(plan, RUST_COMPLETE), 1);
	assert_true(probe_at(plan, RUST_WAKE, label(names, "wake_1"))->late);
	assert_false(probe_at(plan, RUST_WAKE, label(names, "wake_val"))->late);
	/* All of Tokio's types here are jobs, which are neither scheduled nor shut down as tasks are: what is there is async-task's. */
	assert_int_equal(count(plan, RUST_SHUTDOWN), 1);
	assert_int_equal(probe_at(plan, RUST_SHUTDOWN, label(names, "other"))->family,
			 RUST_ASYNC_TASK);
	rust_plan_free(plan);
}

static void test_events(void **state)
{
	(void)state;
	check_events("pie", "pie");
	check_events("relr", "relr");
	check_events("fixed", "fixed");
	check_events("stripped", "pie");
}

/* By name only. */
static void test_timers(void **state)
{
	struct rust_plan *plan = plan_of("pie");
	const struct rust_probe *one, *several;

	(void)state;
	one = probe_at(plan, RUST_TIMERS_BEGIN,
		       label("pie",
			     "_ZN5tokio7runtime4time6Handle15process_at_time17h0123456789abcdefE"));
	several = probe_at(
		plan, RUST_TIMERS_BEGIN,
		label("pie",
		      "_ZN5tokio7runtime4time6Handle23process_at_sharded_time17h0123456789abcdefE"));
	assert_int_equal(count(plan, RUST_TIMERS_BEGIN), 3);
	assert_non_null(one);
	assert_int_equal(one->reg, 4);
	assert_non_null(several);
	assert_int_equal(several->reg, 1);
	rust_plan_free(plan);
}

/* Where a deadline is asked for, it is at the entry, or its second register may be gone: of three the first. */
static void test_resets(void **state)
{
	struct rust_plan *plan = plan_of("pie");
	const struct rust_probe *deadline = probe_at(
		plan, RUST_TIMER_ARM,
		label("pie", "_ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000001E"));
	unsigned tokio = 0;

	(void)state;
	assert_non_null(deadline);
	assert_int_equal(deadline->reg, 5);
	for (uint32_t i = 0; i < plan->n_probes; i++)
		tokio += plan->probes[i].kind == RUST_TIMER_ARM &&
			 plan->probes[i].family == RUST_TOKIO;
	assert_int_equal(tokio, 1);
	assert_true(rust_plan_arms_by_deadline(plan));
	rust_plan_free(plan);
}

/* Of async-io the nanoseconds, behind `self` and the seconds, or without a `self`. */
static void test_reactor(void **state)
{
	static const struct {
		const char *name;
		uint8_t kind, reg;
	} truth[] = {
		{ "_ZN8async_io7reactor7Reactor12insert_timer17h0123456789abcdefE", RUST_TIMER_ARM,
		  1 },
		{ "_ZN8async_io7reactor7Reactor12remove_timer17h0123456789abcdefE", RUST_TIMER_DROP,
		  4 },
		{ "_ZN8async_io7reactor7Reactor14process_timers17h0123456789abcdefE",
		  RUST_TIMERS_BEGIN, 5 },
	};
	struct rust_plan *plan = plan_of("pie");

	(void)state;
	for (size_t i = 0; i < sizeof(truth) / sizeof(*truth); i++) {
		const struct rust_probe *probe =
			probe_at(plan, truth[i].kind, label("pie", truth[i].name));

		assert_non_null(probe);
		assert_int_equal(probe->reg, truth[i].reg);
		assert_int_equal(probe->family, RUST_ASYNC_TASK);
	}
	rust_plan_free(plan);
}

/* The bytes at a probe's offset are those at its address. */
static void test_offsets(void **state)
{
	struct rust_plan *plan = plan_of("pie");
	char path[128];
	unsigned char byte = 0;

	(void)state;
	path_of(path, sizeof(path), "pie");
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct rust_probe *probe = probe_at(plan, RUST_POLL_BEGIN, label("pie", "poll_push"));
	assert_non_null(probe);
	assert_int_equal(pread(fd, &byte, 1, (off_t)probe->offset), 1);
	assert_int_equal(byte, 0x55); /* push %rbp */
	rust_plan_free(plan);
}

static void check_libraries(const struct rust_library *library, uint32_t n)
{
	assert_int_equal(n, 2);
	assert_string_equal(library[0].crate, "tokio");
	assert_string_equal(library[0].version, "1.47.2");
	assert_int_equal(library[0].family, RUST_TOKIO);
	assert_string_equal(library[1].crate, "mio");
	assert_string_equal(library[1].version, "1.0.4-rc.1");
	assert_int_equal(library[1].family, 0);
}

static void test_libraries(void **state)
{
	struct rust_plan *plan = plan_of("stripped");
	struct rust_library found[8];
	uint32_t n = 0;
	char path[128];

	(void)state;
	check_libraries(plan->libraries, plan->n_libraries);
	assert_true(plan->stripped);
	rust_plan_free(plan);
	path_of(path, sizeof(path), "stripped");
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(rust_plan_glance(fd, found, 8, &n), 0);
	check_libraries(found, n);
}

static void test_no_runtime(void **state)
{
	auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	auto_close int text = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	auto_close int folder = open("/", O_RDONLY | O_CLOEXEC);
	auto_close int sh = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	struct rust_library found[1];
	struct rust_plan *plan = NULL;
	uint32_t n;

	(void)state;
	assert_int_equal(rust_plan_new(sh, &plan), -ENOENT);
	assert_int_equal(rust_plan_glance(sh, found, 1, &n), -ENOENT);
	assert_int_equal(rust_plan_new(text, &plan), -ENOEXEC);
	assert_int_equal(rust_plan_new(folder, &plan), -EINVAL);
	assert_int_equal(rust_plan_new(-1, &plan), -EBADF);
	assert_int_equal(rust_plan_glance(folder, found, 1, &n), -EINVAL);
	assert_null(plan);
	assert_true(self >= 0);
}

/* One plan for all that have it; a file that changed is another file. */
static void test_shared(void **state)
{
	struct rust_plan *first = plan_of("pie"), *second = plan_of("pie"),
			 *other = plan_of("relr");
	char line[300];

	(void)state;
	assert_ptr_equal(first, second);
	assert_ptr_not_equal(first, other);
	assert_null(rust_plan_free(second));
	assert_null(rust_plan_free(other));
	assert_int_equal(count(first, RUST_SPAWN), 4);
	snprintf(line, sizeof(line), "cd %s && cp pie again && cp stripped changed", dir);
	assert_int_equal(system(line), 0);
	second = plan_of("changed");
	assert_true(second->stripped);
	snprintf(line, sizeof(line), "cd %s && cp again changed", dir);
	assert_int_equal(system(line), 0);
	other = plan_of("changed");
	assert_ptr_not_equal(second, other);
	assert_false(other->stripped);
	rust_plan_free(first);
	rust_plan_free(second);
	rust_plan_free(other);
	assert_null(rust_plan_free(NULL));
}

static size_t load(const char *name, unsigned char *buf, size_t size)
{
	char path[128];
	ssize_t n;

	path_of(path, sizeof(path), name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, buf, size);
	assert_in_range(n, 4096, size - 1);
	return (size_t)n;
}

static int store(const unsigned char *buf, size_t n)
{
	char path[128];
	int fd;

	path_of(path, sizeof(path), "damaged");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, n), (ssize_t)n);
	return fd;
}

/* Any answer will do but a crash, and what is said must be in the file. */
static void analyse(const unsigned char *buf, size_t n)
{
	auto_close int fd = store(buf, n);
	struct rust_plan *plan = NULL;
	struct rust_library found[4];
	uint32_t libraries;

	rust_plan_glance(fd, found, 4, &libraries);
	/* not through the cache: all these files are one, rewritten faster than its clock may tick */
	if (rust_plan_analyse(fd, &plan) < 0) {
		assert_null(plan);
		return;
	}
	for (uint32_t i = 0; i < plan->n_probes; i++)
		assert_true(plan->probes[i].offset < n);
	rust_plan_destroy(plan);
}

static void test_truncated(void **state)
{
	static unsigned char buf[1 << 20];
	size_t n = load("relr", buf, sizeof(buf));

	(void)state;
	for (size_t cut = 0; cut < n; cut += 211)
		analyse(buf, cut);
}

/* Words of headers, tables and data, one after the other, replaced by what hurts most. */
static void test_damaged(void **state)
{
	static const uint64_t worst[] = { 0, 8, 0xffffffff, UINT64_MAX, UINT64_MAX - 7, 1ull << 40 };
	static unsigned char good[1 << 20], buf[1 << 20];

	(void)state;
	for (size_t kind = 0; kind < 3; kind++) {
		size_t n = load(kinds[kind].name, good, sizeof(good));

		for (size_t at = 16; at + 8 <= n; at += at < 0x800 ? 8 : 304) {
			uint64_t word = worst[(at / 8 + kind) % (sizeof(worst) / sizeof(worst[0]))];

			memcpy(buf, good, n);
			memcpy(buf + at, &word, 8);
			analyse(buf, n);
		}
	}
}

/* A segment that ends inside of the code, told before that of the code: the same address has two answers. */
static void test_overlapping(void **state)
{
	static unsigned char buf[1 << 20] __attribute__((aligned(8)));
	size_t n = load("pie", buf, sizeof(buf));
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)buf;
	Elf64_Phdr *phdr = (Elf64_Phdr *)(buf + ehdr->e_phoff), *first = NULL, *code = NULL;

	(void)state;
	for (unsigned i = 0; i < ehdr->e_phnum; i++) {
		if (phdr[i].p_type == PT_LOAD && !first)
			first = &phdr[i];
		if (phdr[i].p_type == PT_LOAD && phdr[i].p_flags & PF_X)
			code = &phdr[i];
	}
	assert_non_null(code);
	assert_true(first != code && first->p_vaddr == 0);
	for (uint64_t inside = 1; inside < code->p_filesz; inside += 37) {
		first->p_filesz = first->p_memsz = code->p_vaddr + inside;
		analyse(buf, n);
	}
}

/* Places that are stepped are left out: polls whose ends are all such are not seen. */
static void test_stepped(void **state)
{
	struct rust_probe at[] = {
		{ .kind = RUST_POLL_BEGIN, .family = RUST_TOKIO, .emulated = true },
		{ .kind = RUST_POLL_END,
		  .family = RUST_TOKIO,
		  .poller = RUST_BY_WORKER,
		  .emulated = true },
	};
	const struct rust_plan plan = { .probes = at, .n_probes = 2 };

	(void)state;
	assert_true(rust_plan_has_polls(&plan));
	at[1].emulated = false;
	assert_false(rust_plan_has_polls(&plan));
	at[0].kind = RUST_PANIC;
	at[0].emulated = false;
	assert_true(rust_plan_is_placed(&at[0]));
	assert_false(rust_plan_is_placed(&at[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),     cmocka_unit_test(test_polls),
		cmocka_unit_test(test_events),    cmocka_unit_test(test_async_task),
		cmocka_unit_test(test_timers),    cmocka_unit_test(test_resets),
		cmocka_unit_test(test_reactor),   cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_libraries), cmocka_unit_test(test_no_runtime),
		cmocka_unit_test(test_shared),    cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),   cmocka_unit_test(test_overlapping),
		cmocka_unit_test(test_stepped),
	};

	return cmocka_run_group_tests(tests, build, cleanup);
}
