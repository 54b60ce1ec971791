// SPDX-License-Identifier: MIT
/* async-task as `cargo build` leaves it. Its labels say what is true. */
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
	"fn _ZN4core4sync6atomic11AtomicUsize4load17h0E\n mov (%rdi),%rax\n ret\nend\n"
	"fn from_ptr\n mov %rsi,(%rdi)\n ret\nend\n"
	"fn other\n push %rbx\n pop %rbx\n ret\nend\n"
	"fn clone_waker\n push %rbx\n pop %rbx\n ret\nend\n"
	"fn run_1\n sub $0x18,%rsp\n mov %rdi,%rsi\n lea 8(%rsp),%rdi\n"
	".ifdef NO_PLACE\n call *ptr_word(%rip)\n.else\n begin_1: call from_ptr\n.endif\n add $0x18,%rsp\n ret\nend\n"
	"fn wake\n push %rbx\n call other\n pop %rbx\n ret\nend\n"
	"fn wake_by_ref\n sub $0x18,%rsp\n mov %rdi,%rsi\n lea 8(%rsp),%rdi\n call from_ptr\n mov 8(%rsp),%rdi\n add $8,%rdi\n"
	" mov $2,%esi\n call _ZN4core4sync6atomic11AtomicUsize4load17h0E\n add $0x18,%rsp\n ret\nend\n"
	/* the executor's, and that of the blocking pool */
	"fn _ZN10async_task8runnable17Runnable$LT$M$GT$3run17h0E\n runs: sub $0x48,%rsp\n mov %rdi,0x10(%rsp)\n mov $1,%ecx\n"
	" mov 0x10(%rsp),%rax\n mov %rax,8(%rsp)\n header: jmp 1f\n1: mov 8(%rsp),%rdi\n mov (%rdi),%rax\n"
	".ifdef ELSEWHERE\n mov 0x20(%rax),%rax\n.else\n mov 0x28(%rax),%rax\n.endif\n"
	" call *%rax\n mov %al,7(%rsp)\n ran: jmp 2f\n2: add $0x48,%rsp\n ret\nend\n"
	"fn _ZN10async_task8runnable17Runnable$LT$M$GT$3run17h1E\n runs_job: sub $8,%rsp\n mov (%rdi),%rax\n mov 0x28(%rax),%rax\n"
	" call *%rax\n mov %al,7(%rsp)\n ran_job: jmp 2f\n2: add $8,%rsp\n ret\nend\n"
	"fn _ZN14async_executor5State3run17h0E\n push %rbx\n mov runs_word(%rip),%rax\n call *%rax\n pop %rbx\n ret\nend\n"
	"fn _ZN8blocking8Executor9main_loop17h0E\n push %rbx\n call *job_word(%rip)\n pop %rbx\n ret\nend\n"
	"fn main\n xor %eax,%eax\n ret\nend\n"
	".section .data.rel.ro,\"aw\"\n.balign 8\n"
	".rept 5\n .quad other\n.endr\n .quad run_1, clone_waker, layout_1\n"
	" .quad 0, clone_waker, wake, wake_by_ref, other, 0\n"
	"layout_1: .quad 8, 96, 24, 32, 32\n .quad 0\n"
	"ptr_word: .quad from_ptr\n .quad 0\nruns_word: .quad runs\n .quad 0\njob_word: .quad runs_job\n .quad 0\n"
	".section .rodata\n .ascii \"/registry/src/index-0/async-task-4.7.1/src/raw.rs\"\n"
	".section .note.GNU-stack,\"\",@progbits\n";

static const char *const kinds[] = { "PLAIN", "NO_PLACE", "ELSEWHERE" };

static int build(void **state)
{
	(void)state;
	return asm_variants_build(source, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

/* The one emulated probe of that kind, and poller for an end, is at the label. */
static const struct rust_probe *probe(const struct rust_plan *plan, const char *kind, uint8_t what,
				      uint8_t poller, const char *name)
{
	uint64_t address = asm_variants_label(kind, name);
	const struct rust_probe *found = NULL;

	for (uint32_t i = 0; i < plan->n_probes; i++) {
		if (plan->probes[i].kind != what || plan->probes[i].poller != poller)
			continue;
		assert_null(found);
		found = &plan->probes[i];
	}
	assert_non_null(found);
	assert_true(found->emulated);
	assert_int_equal(found->address, address);
	return found;
}

static void test_plain(void **state)
{
	struct rust_plan *plan = asm_variants_plan("PLAIN", 1);

	(void)state;
	assert_int_equal(plan->layout[RUST_ASYNC_TASK].vtable, 0);
	assert_int_equal(plan->layout[RUST_ASYNC_TASK].state, 8);
	probe(plan, "PLAIN", RUST_POLL_END, RUST_BY_OTHER, "ran");
	probe(plan, "PLAIN", RUST_POLL_END, RUST_BY_BLOCKING_POOL, "ran_job");
	assert_true(rust_plan_has_polls(plan));
	assert_int_equal(probe(plan, "PLAIN", RUST_POLL_BEGIN, 0, "begin_1")->reg, RUST_RSI);
	rust_plan_free(plan);
}

/* A task's function that has no place, or one of the functions that run tasks calls another slot: nothing is believed. */
static void test_all_or_none(void **state)
{
	(void)state;
	for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rust_plan *plan = asm_variants_plan(kinds[i], 1);

		assert_false(rust_plan_has_polls(plan));
		assert_int_equal(plan->layout[RUST_ASYNC_TASK].vtable, -1);
		for (uint32_t p = 0; p < plan->n_probes; p++)
			assert_int_not_equal(plan->probes[p].kind, RUST_POLL_END);
		rust_plan_free(plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_all_or_none),
	};

	return cmocka_run_group_tests(tests, build, asm_variants_cleanup);
}
