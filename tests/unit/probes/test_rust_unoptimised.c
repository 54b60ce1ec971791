// SPDX-License-Identifier: MIT
/*
 * Tokio as `cargo build` leaves it, in the shape that rustc 1.9x gives it: each step a function, called directly, through a
 * word, or through a word that is loaded first. Its labels say what is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "probes/rust/code.h"
#include "tests/support/asm_variants.h"

static const char source[] = ASM_VARIANTS_MACROS
	".text\n"
	"fn _ZN4core4sync6atomic11AtomicUsize9fetch_xor17h0E\n mov %rsi,%rax\n ret\nend\n"
	"fn _ZN5tokio7runtime4task5state5State22transition_to_complete17h0E\n sub $8,%rsp\n call *other_word(%rip)\n mov %rax,%rdi\n"
	" completes: call _ZN4core4sync6atomic11AtomicUsize9fetch_xor17h0E\n add $8,%rsp\n ret\nend\n"
	"fn _ZN5tokio7runtime4task5state5State21transition_to_running17h0E\n running: push %rax\n pop %rax\n ret\nend\n"
	"fn _ZN5tokio7runtime4task5state5State29transition_to_notified_by_val17h0E\n by_val: push %rax\n pop %rax\n ret\nend\n"
	"fn _ZN5tokio7runtime4task5state5State29transition_to_notified_by_ref17h0E\n by_ref: push %rax\n pop %rax\n ret\nend\n"
	"fn from_raw\n mov %rdi,%rax\n ret\nend\n"
	"fn other\n push %rbx\n pop %rbx\n ret\nend\n"
	"fn poll_1\n sub $0x18,%rsp\n mov %rdi,8(%rsp)\n"
	".ifdef ANYWHERE\n call *raw_word(%rip)\n.else\n begin_1: call from_raw\n.endif\n add $0x18,%rsp\n ret\nend\n"
	"fn poll_2\n sub $0x18,%rsp\n mov %rdi,8(%rsp)\n begin_2: call from_raw\n add $0x18,%rsp\n ret\nend\n"
	/* a poll, by a vtable that another function has looked up */
	"fn _ZN5tokio7runtime4task3raw7RawTask4poll17h0E\n raw_poll: sub $8,%rsp\n mov %rdi,(%rsp)\n call *other_word(%rip)\n"
	" mov (%rax),%rax\n mov (%rsp),%rdi\n call *%rax\n add $8,%rsp\n ret\nend\n"
	"fn _ZN5tokio7runtime4task22LocalNotified$LT$S$GT$3run17h0E\n local_run: sub $8,%rsp\n mov %rdi,(%rsp)\n"
	" call raw_poll\n add $8,%rsp\n ret\nend\n"
	"fn _ZN5tokio7runtime4task20UnownedTask$LT$S$GT$3run17h0E\n unowned_run: sub $8,%rsp\n mov poll_word(%rip),%rax\n call *%rax\n"
	" end_job: jmp 1f\n1: add $8,%rsp\n ret\nend\n"
	/* two polls, and one way on from both, past a call */
	"fn _ZN5tokio7runtime9scheduler12multi_thread6worker7Context8run_task17h0E\n push %rbx\n call local_run\n movq $0,8(%rsp)\n"
	"1: mov 8(%rsp),%rdi\n mov poll_word_2(%rip),%rax\n call *%rax\n mov %rax,8(%rsp)\n end_worker: jmp 2f\n"
	"2: test %al,%al\n je 3f\n call *run_word(%rip)\n not_here: jmp 4f\n4: movb $0,15(%rsp)\n jmp 1b\n3: pop %rbx\n ret\nend\n"
	/* nothing behind the call: behind that of its caller */
	"fn _ZN5tokio7runtime9scheduler14current_thread7Context8run_task17h0E\n inner: push %rax\n call local_run\n pop %rax\n ret\nend\n"
	"fn outer\n sub $8,%rsp\n call inner\n mov %rax,%rbx\n end_current: jmp 1f\n1: add $8,%rsp\n ret\nend\n"
	".ifdef TAKEN\nfn taker\n lea local_run(%rip),%rdi\n call other\n ret\nend\n.endif\n"
	".ifdef MAYBE\nfn maybe\n test %rsi,%rsi\n je 1f\n call local_run\n1: mov %rax,%rbx\n ret\nend\n.endif\n"
	".ifdef TAIL\nfn tail\n mov %rsi,%rdi\n jmp local_run\nend\n.endif\n"
	/* a type's vtable, named by a function that does nothing else */
	"fn vtable_1\n lea type_1(%rip),%rax\n ret\nend\n"
	"fn vtable_2\n lea type_2(%rip),%rax\n ret\nend\n"
	"fn new_1\n sub $8,%rsp\n spawn_1: call vtable_1\n mov %rax,(%rsp)\n add $8,%rsp\n ret\nend\n"
	"fn new_2\n spawn_2: push %rbx\n test %rdi,%rdi\n jne 1f\n1: mov vtable_word(%rip),%rax\n call *%rax\n pop %rbx\n ret\nend\n"
	"fn main\n xor %eax,%eax\n ret\nend\n"
	".section .data.rel.ro,\"aw\"\n.balign 8\n"
	"type_1: .quad poll_1\n.rept 6\n .quad other\n.endr\n .quad 240, 32, 40\n"
	"type_2: .quad poll_2\n.rept 6\n .quad other\n.endr\n .quad 96, 32, 40\n .quad 0\n"
	"other_word: .quad other\n .quad 0\nraw_word: .quad from_raw\n .quad 0\npoll_word: .quad raw_poll\n .quad 0\n"
	"poll_word_2: .quad other\n .quad 0\nrun_word: .quad local_run\n .quad 0\nvtable_word: .quad vtable_2\n .quad 0\n"
	".section .rodata\n .ascii \"/registry/src/index-0/tokio-1.47.2/src/runtime/task/core.rs\"\n"
	".section .note.GNU-stack,\"\",@progbits\n";

static const char *const kinds[] = { "PLAIN", "ANYWHERE", "TAKEN", "MAYBE", "TAIL" };

static int build(void **state)
{
	(void)state;
	return asm_variants_build(source, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

static unsigned count(const struct rust_plan *plan, uint8_t kind)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < plan->n_probes; i++)
		n += plan->probes[i].kind == kind;
	return n;
}

/* An emulated probe of that kind at the label. */
static const struct rust_probe *probe(const struct rust_plan *plan, const char *kind, uint8_t what,
				      const char *name)
{
	uint64_t address = asm_variants_label(kind, name);

	for (uint32_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == what && plan->probes[i].address == address) {
			assert_true(plan->probes[i].emulated);
			return &plan->probes[i];
		}
	print_error("nothing at %s\n", name);
	assert_true(false);
	return NULL;
}

static void check_ends(const struct rust_plan *plan, const char *kind)
{
	assert_int_equal(count(plan, RUST_POLL_END), 3);
	assert_int_equal(probe(plan, kind, RUST_POLL_END, "end_worker")->poller, RUST_BY_WORKER);
	assert_int_equal(probe(plan, kind, RUST_POLL_END, "end_current")->poller,
			 RUST_BY_CURRENT_THREAD);
	assert_int_equal(probe(plan, kind, RUST_POLL_END, "end_job")->poller,
			 RUST_BY_BLOCKING_POOL);
}

static void test_plain(void **state)
{
	struct rust_plan *plan = asm_variants_plan("PLAIN", 2);

	(void)state;
	check_ends(plan, "PLAIN");
	assert_int_equal(count(plan, RUST_POLL_BEGIN), 2);
	assert_int_equal(probe(plan, "PLAIN", RUST_POLL_BEGIN, "begin_1")->reg, RUST_RDI);
	assert_int_equal(probe(plan, "PLAIN", RUST_POLL_BEGIN, "begin_2")->poller, 0);
	assert_int_equal(count(plan, RUST_SPAWN), 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(probe(plan, "PLAIN", RUST_SPAWN, i ? "spawn_2" : "spawn_1")->type,
				 i);
	assert_int_equal(count(plan, RUST_COMPLETE), 1);
	assert_int_equal(probe(plan, "PLAIN", RUST_COMPLETE, "completes")->reg, RUST_RDI);
	assert_int_equal(count(plan, RUST_WAKE), 2);
	assert_int_equal(probe(plan, "PLAIN", RUST_WAKE, "by_val")->reg, RUST_RDI);
	assert_int_equal(probe(plan, "PLAIN", RUST_WAKE, "by_ref")->reg, RUST_RDI);
	rust_plan_free(plan);
}

/* One type's poll function has no place: then all begin where tasks become running ones. */
static void test_anywhere(void **state)
{
	struct rust_plan *plan = asm_variants_plan("ANYWHERE", 2);

	(void)state;
	check_ends(plan, "ANYWHERE");
	assert_int_equal(count(plan, RUST_POLL_BEGIN), 1);
	assert_int_equal(probe(plan, "ANYWHERE", RUST_POLL_BEGIN, "running")->poller,
			 RUST_BY_OTHER);
	rust_plan_free(plan);
}

/* A poll that could be over without anybody noticing: then no end is believed, and what can't be seen is said. */
static void test_all_or_none(void **state)
{
	(void)state;
	for (size_t i = 2; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rust_plan *plan = asm_variants_plan(kinds[i], 2);
		bool said = false;

		assert_int_equal(count(plan, RUST_POLL_END), 0);
		for (uint32_t g = 0; g < plan->n_gaps; g++)
			said |= strcmp(plan->gaps[g].what, "polls") == 0;
		assert_true(said);
		rust_plan_free(plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_anywhere),
		cmocka_unit_test(test_all_or_none),
	};

	return cmocka_run_group_tests(tests, build, asm_variants_cleanup);
}
