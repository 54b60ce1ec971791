// SPDX-License-Identifier: MIT
/* Which functions stay decoded, and what becomes of those that there is no room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MAX_KEPT 600 /* two small ones */
#include "probes/rust/decoder.c"
#include "tests/support/asm_image.h"

static const char source[] = ASM_IMAGE_MACROS
	"fn one\n push %rbx\n call ends\n pop %rbx\n ret\nend one\n"
	"fn two\n test %edi,%edi\n je 1f\n call ends\n1: ret\nend two\n"
	"fn ends\n push %rbx\n ud2\nend ends\n"
	"fn large\n .fill 32,1,0x90\n ret\nend large\n"
	"fn larger\n .fill 40,1,0x90\n ret\nend larger\n"
	"fn odd\n .byte 0x06\n ret\nend odd\n" ASM_IMAGE_END;

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

	f->decoder = rust_decoder_free(f->decoder);
	asm_image_close(&f->file);
	return 0;
}

static uint64_t label(const struct fixture *f, const char *name)
{
	return asm_image_label(&f->file, name);
}

static const struct rust_code *at(const struct fixture *f, const char *name)
{
	return rust_decoder_at(f->decoder, label(f, name));
}

static const struct rust_code *beside(const struct fixture *f, const char *name)
{
	return rust_decoder_beside(f->decoder, label(f, name));
}

static void check(const struct fixture *f, const struct rust_code *code, const char *name, size_t n)
{
	assert_non_null(code);
	assert_int_equal(code->low, label(f, name));
	assert_int_equal(code->n, n);
	for (size_t i = 1; i < n; i++)
		assert_int_equal(code->insn[i].address,
				 code->insn[i - 1].address + code->insn[i - 1].size);
	assert_int_equal(code->insn[0].address, code->low);
}

static void test_stays(void **state)
{
	struct fixture *f = *state;
	const struct rust_code *one = at(f, "one"), *two = at(f, "two");

	check(f, one, "one", 4);
	check(f, two, "two", 4);
	assert_ptr_equal(at(f, "one"), one);
	assert_ptr_equal(rust_decoder_at(f->decoder, label(f, "two") + 1), two);
	assert_ptr_equal(beside(f, "one"), one);
	/* What needs more than the instruction, too. */
	assert_true(one->insn[1].final);
	assert_true(two->insn[2].final);
	assert_true(two->insn[3].leader);
	assert_false(two->insn[2].leader);
}

static void test_no_room(void **state)
{
	struct fixture *f = *state;
	const struct rust_code *one = at(f, "one"), *large = at(f, "large");

	check(f, large, "large", 33);
	check(f, at(f, "larger"), "larger", 41);
	check(f, at(f, "large"), "large", 33);
	check(f, beside(f, "larger"), "larger", 41);
	/* It was there before, and is what was asked for last. */
	check(f, at(f, "large"), "large", 33);
	assert_ptr_equal(at(f, "one"), one);
	check(f, at(f, "larger"), "larger", 41);
	assert_true(f->decoder->bytes_kept > 0 && f->decoder->bytes_kept <= MAX_KEPT);
}

static void test_beside(void **state)
{
	struct fixture *f = *state;
	const struct rust_code *large = at(f, "large"), *other = beside(f, "larger");

	check(f, other, "larger", 41);
	check(f, large, "large", 33);
	assert_ptr_not_equal(large, other);
	assert_ptr_equal(at(f, "large"), large);
}

static void test_no_code(void **state)
{
	struct fixture *f = *state;

	check(f, at(f, "large"), "large", 33);
	assert_null(at(f, "odd"));
	assert_null(rust_decoder_at(f->decoder, 0));
	assert_null(beside(f, "odd"));
	check(f, at(f, "large"), "large", 33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_no_code),
	};

	return cmocka_run_group_tests_name("rust_decoder", tests, open_file, close_file);
}
