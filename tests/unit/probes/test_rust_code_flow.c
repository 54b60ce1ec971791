// SPDX-License-Identifier: MIT
/* Where a probe is moved to when its own block has no place that costs little. test_rust_plan.c has the usual ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/code.h"
#include "tests/support/asm_image.h"

static const char source[] = ASM_IMAGE_MACROS
	"fn after\n test %edi,%edi\n je 1f\n after_here: mov %rdi,%rbx\n after_it: jmp 1f\n1: ret\nend after\n"
	/* what only the unwinder gets to is not passed, though nothing else is, either */
	"fn doomed\n push %rbx\n test %edi,%edi\n je 1f\n doomed_here: mov %rdi,%rbx\n ud2\n1: pop %rbx\n ret\n"
	" pad: push %rax\n pop %rax\n ret\nend doomed\n"
	/* a call that may not return comes first; the way past the branch never comes back */
	"fn behind\n test %edi,%edi\n jne 2f\n call *%rax\n test %rax,%rax\n behind_it: je 1f\n behind_here: mov %rax,%rbx\n"
	" call *%rbx\n test %eax,%eax\n je 2f\n nop\n2: ret\n1: call *never_at(%rip)\n jmp 2b\nend behind\n"
	"fn never\n push %rax\n ud2\nend never\n"
	/* a jump table leads to two of the blocks only */
	"fn states\n lea states_table(%rip),%rcx\n movslq (%rcx,%rax,4),%rax\n add %rcx,%rax\n jmp *%rax\n"
	"states_1: call *%rdx\n test %edi,%edi\n states_it: je 1f\n states_here: mov %rdi,%rbx\n call *%rbx\n test %eax,%eax\n"
	" je states_2\n ret\nstates_2: xor %eax,%eax\n ret\n1: call never\nend states\n"
	/* the state changes behind the place, before it, in a call before it; a call that panics does not come back to it */
	"fn early\n mov (%rdi),%rax\n early_it: test %eax,%eax\n1: lock cmpxchg %rcx,(%rdi)\n jne 1b\n ret\nend early\n"
	"fn tried\n mov (%rdi),%rax\n1: mov %rax,%rcx\n or $4,%rcx\n lock cmpxchg %rcx,(%rdi)\n jne 1b\n tried_it: je 2f\n2: ret\nend tried\n"
	"fn called\n test %edi,%edi\n je 1f\n call *%rax\n1: called_it: je 2f\n2: ret\nend called\n"
	"fn panics\n mov (%rdi),%rax\n test %rax,%rax\n js 1f\n panics_it: je 2f\n2: lock incl (%rdi)\n ret\n1: call *%rax\n ud2\nend panics\n"
	".section .rodata\n.balign 4\nstates_table: .long states_1-states_table, states_2-states_table\n"
	".data\n.balign 8\nnever_at: .quad never\n" ASM_IMAGE_END;

struct fixture {
	struct asm_image file;
	struct rust_decoder *decoder;
};

static int open_file(void **state)
{
	static struct fixture f;

	if (!asm_image_open(&f.file, source, false) || rust_decoder_new(f.file.image, &f.decoder))
		return -1;
	*state = &f;
	return 0;
}

static int close_file(void **state)
{
	struct fixture *f = *state;

	rust_decoder_free(f->decoder);
	asm_image_close(&f->file);
	return 0;
}

static void check(const struct fixture *f, const char *from, const char *to, bool emulated)
{
	uint64_t address = asm_image_label(&f->file, from);
	const struct rust_code *code = rust_decoder_at(f->decoder, address);
	struct rust_place place, any;
	size_t i;

	assert_non_null(code);
	i = rust_code_index(code, address, false);
	assert_true(rust_code_move(code, i, RUST_NO_REG, &place));
	assert_true(rust_code_move_any(code, i, &any));
	assert_int_equal(place.address, asm_image_label(&f->file, to));
	assert_int_equal(place.emulated, emulated);
	assert_int_equal(any.address, place.address);
}

static void test_in_block(void **state)
{
	check(*state, "after_here", "after_it", true);
}

static void test_doomed(void **state)
{
	check(*state, "doomed_here", "doomed_here", false);
}

/* Where nothing behind it will do, what is before it may. */
static void check_before(const struct fixture *f, const char *from, const char *to)
{
	uint64_t address = asm_image_label(&f->file, from);
	const struct rust_code *code = rust_decoder_at(f->decoder, address);
	struct rust_place behind, any;
	size_t i;

	assert_non_null(code);
	i = rust_code_index(code, address, false);
	assert_true(rust_code_move(code, i, RUST_NO_REG, &behind));
	assert_false(behind.emulated);
	assert_true(rust_code_move_any(code, i, &any));
	assert_true(any.emulated);
	assert_int_equal(any.address, asm_image_label(&f->file, to));
}

static void test_behind_a_call(void **state)
{
	check_before(*state, "behind_here", "behind_it");
}

static void test_jump_table(void **state)
{
	check_before(*state, "states_here", "states_it");
}

static bool changes_before(const struct fixture *f, const char *place)
{
	uint64_t address = asm_image_label(&f->file, place);
	const struct rust_code *code = rust_decoder_at(f->decoder, address);

	assert_non_null(code);
	return rust_code_changes_before(code, rust_code_index(code, address, false));
}

static void test_changes_before(void **state)
{
	assert_false(changes_before(*state, "early_it"));
	assert_true(changes_before(*state, "tried_it"));
	assert_true(changes_before(*state, "called_it"));
	assert_false(changes_before(*state, "panics_it"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_block),       cmocka_unit_test(test_doomed),
		cmocka_unit_test(test_behind_a_call),  cmocka_unit_test(test_jump_table),
		cmocka_unit_test(test_changes_before),
	};

	return cmocka_run_group_tests_name("rust_code_flow", tests, open_file, close_file);
}
