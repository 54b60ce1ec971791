// SPDX-License-Identifier: MIT
/* What a register holds at a place. Wherever it is not the same on every way there, nothing may be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "probes/rust/values.h"
#include "tests/support/asm_image.h"

/* Asked for is always what rdx holds at the label at_NAME of the function NAME. */
static const char source[] = ASM_IMAGE_MACROS
	"fn other\n ret\nend other\n"
	"fn taken\n lea place(%rip),%rdx\n at_taken: call other\n ret\nend taken\n"
	"fn moved\n lea place(%rip),%rbx\n call other\n mov %rbx,%rdx\n at_moved: call other\n ret\nend moved\n"
	"fn loaded\n mov word(%rip),%rdx\n at_loaded: call other\n ret\nend loaded\n"
	"fn constant\n mov $0x401000,%edx\n at_constant: call other\n ret\nend constant\n"
	/* arguments: as they came, through a register that calls keep, through the frame */
	"fn handed\n push %rax\n at_handed: call other\n ret\nend handed\n"
	"fn kept\n push %rbx\n mov %rcx,%rbx\n call other\n mov %rbx,%rdx\n at_kept: call other\n pop %rbx\n ret\nend kept\n"
	"fn spilled\n sub $24,%rsp\n mov %rsi,8(%rsp)\n mov %rdi,16(%rsp)\n call other\n mov 8(%rsp),%rdx\n"
	" at_spilled: call other\n add $24,%rsp\n ret\nend spilled\n"
	"fn spilled_twice\n sub $24,%rsp\n mov %rsi,8(%rsp)\n mov %r9,8(%rsp)\n mov 8(%rsp),%rdx\n"
	" at_spilled_twice: call other\n add $24,%rsp\n ret\nend spilled_twice\n"
	/* no argument: what a call may have changed; r12 is the caller's own */
	"fn changed\n push %rax\n call other\n at_changed: call other\n pop %rax\n ret\nend changed\n"
	"fn callers\n mov %r12,%rdx\n at_callers: call other\n ret\nend callers\n"
	/* half of a register, a sum, the heap, a field of many, a conditional move */
	"fn half\n mov %esi,%edx\n at_half: call other\n ret\nend half\n"
	"fn sum\n lea place(%rip),%rdx\n add $8,%rdx\n at_sum: call other\n ret\nend sum\n"
	"fn heap\n mov 8(%rdi),%rdx\n at_heap: call other\n ret\nend heap\n"
	"fn indexed\n mov %rsi,8(%rsp)\n mov 8(%rsp,%rax,8),%rdx\n at_indexed: call other\n ret\nend indexed\n"
	"fn one_of_two\n lea place(%rip),%rdx\n lea place_2(%rip),%rax\n cmovne %rax,%rdx\n"
	" at_one_of_two: call other\n ret\nend one_of_two\n"
	/* what the place counts from was another address when it was written to */
	"fn base_set\n mov %rsi,16(%rbp)\n mov %rdi,%rbp\n mov 16(%rbp),%rdx\n at_base_set: call other\n ret\nend base_set\n"
	"fn base_pushed\n sub $24,%rsp\n mov %rsi,8(%rsp)\n push %rax\n mov 8(%rsp),%rdx\n"
	" at_base_pushed: call other\n add $32,%rsp\n ret\nend base_pushed\n"
	/* on every way */
	"fn same\n test %edi,%edi\n je 1f\n lea place(%rip),%rdx\n jmp 2f\n1: lea place(%rip),%rdx\n2: at_same: call other\n ret\nend same\n"
	"fn differs\n test %edi,%edi\n je 1f\n lea place(%rip),%rdx\n jmp 2f\n1: lea place_2(%rip),%rdx\n2: at_differs: call other\n ret\nend differs\n"
	"fn passed_by\n test %edi,%edi\n je 1f\n lea place(%rip),%rdx\n1: at_passed_by: call other\n ret\nend passed_by\n"
	"fn round\n lea place(%rip),%rdx\n1: at_round: dec %edi\n jne 1b\n ret\nend round\n"
	"fn round_set\n lea place(%rip),%rdx\n1: at_round_set: dec %edi\n lea place_2(%rip),%rdx\n jne 1b\n ret\nend round_set\n"
	/* the beginning of the function is where a loop comes back to */
	"fn again\n dec %edi\n at_again: mov %rdx,%rax\n lea place(%rip),%rdx\n jne again\n ret\nend again\n"
	/* four ways are looked at, not five */
	"fn four\n jmp 5f\n1: lea place(%rip),%rdx\n jmp 9f\n2: lea place(%rip),%rdx\n jmp 9f\n3: lea place(%rip),%rdx\n jmp 9f\n"
	"5: je 1b\n jo 2b\n js 3b\n lea place(%rip),%rdx\n9: at_four: call other\n ret\nend four\n"
	"fn five\n jmp 5f\n1: lea place(%rip),%rdx\n jmp 9f\n2: lea place(%rip),%rdx\n jmp 9f\n3: lea place(%rip),%rdx\n jmp 9f\n"
	"4: lea place(%rip),%rdx\n jmp 9f\n5: je 1b\n jo 2b\n js 3b\n jp 4b\n lea place(%rip),%rdx\n"
	"9: at_five: call other\n ret\nend five\n"
	/* seven moves are followed, not eight */
	"fn seven\n lea place(%rip),%rax\n mov %rax,%rcx\n mov %rcx,%rbx\n mov %rbx,%rsi\n mov %rsi,%rdi\n mov %rdi,%r8\n mov %r8,%r9\n"
	" mov %r9,%rdx\n at_seven: call other\n ret\nend seven\n"
	"fn eight\n lea place(%rip),%rax\n mov %rax,%rcx\n mov %rcx,%rbx\n mov %rbx,%rsi\n mov %rsi,%rdi\n mov %rdi,%r8\n mov %r8,%r9\n"
	" mov %r9,%r10\n mov %r10,%rdx\n at_eight: call other\n ret\nend eight\n"
	/* by a table from anywhere */
	"fn computed\n lea place(%rip),%rdx\n jmp *%rax\n at_computed: call other\n ret\nend computed\n"
	".data\n.balign 8\nplace: .quad 0\nplace_2: .quad 0\nword: .quad place\n" ASM_IMAGE_END;

static const struct truth {
	const char *function;
	uint8_t kind, reg;
} truth[] = {
	{ "taken", RUST_VALUE_ADDRESS, 0 },
	{ "moved", RUST_VALUE_ADDRESS, 0 },
	{ "loaded", RUST_VALUE_ADDRESS, 0 },
	{ "handed", RUST_VALUE_ARGUMENT, 1 },
	{ "kept", RUST_VALUE_ARGUMENT, 2 },
	{ "spilled", RUST_VALUE_ARGUMENT, 4 },
	{ "spilled_twice", RUST_VALUE_ARGUMENT, 9 },
	{ "changed", RUST_VALUE_UNKNOWN, 0 },
	{ "callers", RUST_VALUE_UNKNOWN, 0 },
	{ "half", RUST_VALUE_UNKNOWN, 0 },
	{ "sum", RUST_VALUE_UNKNOWN, 0 },
	{ "heap", RUST_VALUE_UNKNOWN, 0 },
	{ "indexed", RUST_VALUE_UNKNOWN, 0 },
	{ "one_of_two", RUST_VALUE_UNKNOWN, 0 },
	{ "base_set", RUST_VALUE_UNKNOWN, 0 },
	{ "base_pushed", RUST_VALUE_UNKNOWN, 0 },
	{ "same", RUST_VALUE_ADDRESS, 0 },
	{ "differs", RUST_VALUE_UNKNOWN, 0 },
	{ "passed_by", RUST_VALUE_UNKNOWN, 0 },
	{ "round", RUST_VALUE_ADDRESS, 0 },
	{ "round_set", RUST_VALUE_UNKNOWN, 0 },
	{ "again", RUST_VALUE_UNKNOWN, 0 },
	{ "four", RUST_VALUE_ADDRESS, 0 },
	{ "five", RUST_VALUE_UNKNOWN, 0 },
	{ "seven", RUST_VALUE_ADDRESS, 0 },
	{ "eight", RUST_VALUE_UNKNOWN, 0 },
	{ "computed", RUST_VALUE_UNKNOWN, 0 },
};

struct fixture {
	struct asm_image file;
	struct rust_callees callees;
	struct rust_decoder *decoder;
};

static void open_file(struct fixture *f, bool fixed)
{
	assert_true(asm_image_open(&f->file, source, fixed));
	assert_int_equal(rust_decoder_new(f->file.image, &f->decoder), 0);
	assert_int_equal(rust_callees_init(&f->callees, f->file.image, f->decoder), 0);
}

static void close_file(struct fixture *f)
{
	rust_callees_done(&f->callees);
	rust_decoder_free(f->decoder);
	asm_image_close(&f->file);
}

static struct rust_value ask(struct fixture *f, const char *function)
{
	const struct rust_code *code =
		rust_decoder_at(f->decoder, asm_image_label(&f->file, function));
	struct rust_flow *flow = NULL;
	struct rust_value value;
	char label[40];
	size_t i;

	snprintf(label, sizeof(label), "at_%s", function);
	assert_non_null(code);
	i = rust_code_index(code, asm_image_label(&f->file, label), false);
	assert_int_not_equal(i, SIZE_MAX);
	assert_int_equal(rust_flow_new(&f->callees, code, &flow), 0);
	value = rust_value_at(flow, i, RUST_RDX);
	rust_flow_free(flow);
	return value;
}

static void check(struct fixture *f, const struct truth *t)
{
	struct rust_value value = ask(f, t->function);

	if (value.kind != t->kind || value.reg != t->reg)
		print_error("%s: kind %u, register %u\n", t->function, value.kind, value.reg);
	assert_int_equal(value.kind, t->kind);
	assert_int_equal(value.reg, t->reg);
	if (t->kind == RUST_VALUE_ADDRESS)
		assert_int_equal(value.address, asm_image_label(&f->file, "place"));
}

static void test_shared(void **state)
{
	struct fixture f;

	(void)state;
	open_file(&f, false);
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++)
		check(&f, &truth[i]);
	/* An address that the loader moves is no constant. */
	assert_int_equal(ask(&f, "constant").kind, RUST_VALUE_UNKNOWN);
	close_file(&f);
}

static void test_fixed(void **state)
{
	struct fixture f;
	struct rust_value value;

	(void)state;
	open_file(&f, true);
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++)
		check(&f, &truth[i]);
	value = ask(&f, "constant");
	assert_int_equal(value.kind, RUST_VALUE_ADDRESS);
	assert_int_equal(value.address, 0x401000);
	close_file(&f);
}

/* Whoever has used up all steps is told nothing. */
static void test_budget(void **state)
{
	struct fixture f;

	(void)state;
	open_file(&f, false);
	f.callees.budget = 0;
	assert_int_equal(ask(&f, "taken").kind, RUST_VALUE_UNKNOWN);
	close_file(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests_name("rust_values", tests, NULL, NULL);
}
