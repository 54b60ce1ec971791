// SPDX-License-Identifier: MIT
/* References to targets before the code, in it and behind it, wherever they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/scan.h"
#include "tests/support/asm_image.h"

#define MAX_FOUND 16

/* Each label stands before an instruction that has a reference; nops put them at several distances from a chunk's beginning. */
static const char shared[] = ASM_IMAGE_MACROS
	"fn target\n ret\nend target\n"
	"fn far\n .fill 61,1,0x90\n at_lea: lea target(%rip),%rdi\n .fill 62,1,0x90\n at_call: call target\n"
	" .fill 130,1,0x90\n at_jump: jmp target\n .fill 59,1,0x90\n at_text: lea text(%rip),%rsi\n"
	" at_load: mov word(%rip),%rax\n at_through: call *word(%rip)\n at_away: jmp *word(%rip)\nend far\n"
	"fn other\n ret\nend other\n"
	"fn none\n call other\n lea near(%rip),%rdi\n ret\nend none\n"
	".section .rodata\nnear: .quad 0\ntext: .asciz \"text\"\n"
	".data\n.balign 8\n.quad 0\nword: .quad target\n" ASM_IMAGE_END;

static const char fixed[] = ASM_IMAGE_MACROS
	"fn _start\n call target\n mov $target,%edi\n lea text(%rip),%rsi\n ret\n .fill 200,1,0x90\nend _start\n"
	"fn target\n ret\nend target\n"
	".section .rodata\ntext: .asciz \"text\"\n" ASM_IMAGE_END;

struct found {
	size_t n;
	uint64_t at[MAX_FOUND];
	uint32_t value[MAX_FOUND];
};

static int on_reference(void *ctx, uint64_t at, uint32_t value)
{
	struct found *f = ctx;

	assert_true(f->n < MAX_FOUND);
	f->at[f->n] = at;
	f->value[f->n++] = value;
	return 0;
}

static struct rust_targets *targets_of(const struct asm_image *file)
{
	struct rust_targets *t = NULL;

	assert_int_equal(rust_targets_new(&t), 0);
	assert_int_equal(rust_targets_add(t, asm_image_label(file, "target"), 1), 0);
	assert_int_equal(rust_targets_add(t, asm_image_label(file, "text"), 2), 0);
	assert_int_equal(rust_targets_add_slots(t, file->image), 0);
	return t;
}

/* `bytes` of the instruction stand before the reference. */
static void check(const struct asm_image *file, const struct found *f, size_t i, const char *label,
		  unsigned bytes, uint32_t value)
{
	assert_true(i < f->n);
	assert_int_equal(f->at[i], asm_image_label(file, label) + bytes);
	assert_int_equal(f->value[i], value);
}

static void test_all(void **state)
{
	struct asm_image file;
	struct rust_targets *t;
	struct found f = { 0 };

	(void)state;
	assert_true(asm_image_open(&file, shared, false));
	t = targets_of(&file);
	assert_int_equal(rust_scan(file.image, t, on_reference, &f), 0);
	assert_int_equal(f.n, 7);
	check(&file, &f, 0, "at_lea", 3, 1);
	check(&file, &f, 1, "at_call", 1, 1);
	check(&file, &f, 2, "at_jump", 1, 1);
	check(&file, &f, 3, "at_text", 3, 2);
	check(&file, &f, 4, "at_load", 3, 1);
	check(&file, &f, 5, "at_through", 2, 1);
	check(&file, &f, 6, "at_away", 2, 1);
	rust_targets_free(t);
	asm_image_close(&file);
}

static void test_operands(void **state)
{
	struct asm_image file;
	struct rust_targets *t;
	struct found f = { 0 };

	(void)state;
	assert_true(asm_image_open(&file, shared, false));
	t = targets_of(&file);
	assert_int_equal(rust_scan_operands(file.image, t, on_reference, &f), 0);
	assert_int_equal(f.n, 3);
	check(&file, &f, 0, "at_lea", 3, 1);
	check(&file, &f, 1, "at_text", 3, 2);
	check(&file, &f, 2, "at_load", 3, 1);
	rust_targets_free(t);
	asm_image_close(&file);
}

/* Linked to one address: constants, too. */
static void test_fixed(void **state)
{
	struct asm_image file;
	struct rust_targets *t;
	struct found f = { 0 }, operands = { 0 };

	(void)state;
	assert_true(asm_image_open(&file, fixed, true));
	t = targets_of(&file);
	assert_int_equal(rust_scan(file.image, t, on_reference, &f), 0);
	assert_int_equal(f.n, 3);
	check(&file, &f, 0, "_start", 1, 1);
	check(&file, &f, 1, "_start", 6, 1);
	check(&file, &f, 2, "_start", 13, 2);
	assert_int_equal(rust_scan_operands(file.image, t, on_reference, &operands), 0);
	assert_int_equal(operands.n, 2);
	check(&file, &operands, 0, "_start", 6, 1);
	check(&file, &operands, 1, "_start", 13, 2);
	rust_targets_free(t);
	asm_image_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests_name("rust_scan", tests, NULL, NULL);
}
