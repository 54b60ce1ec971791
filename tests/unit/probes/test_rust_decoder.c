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
	"fn odd\n .byte 0x06\n ret\nend odd\n"
	/* the constant looks like a call; what stands behind 0x06 is not reached */
	"fn leaves\n test %edi,%edi\n je 1f\n call one\n mov $0xe8e8e8e8,%eax\n1: call *%rax\n jmp *slot(%rip)\n"
	" .byte 0x06\n call one\n ret\nend leaves\n"
	".data\n.balign 8\nslot: .quad two\n" ASM_IMAGE_END;

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

/* Asks for each address of the functions, in steps. */
static void check_leaves(const struct fixture *f, struct rust_decoder *asked, int step)
{
	static const char *const names[] = { "one", "two", "ends", "large", "odd", "leaves" };
	unsigned calls = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t from = label(f, names[i]), low, high, found = 0;

		assert_true(rust_image_function(f->file.image, from, &low, &high));
		for (int64_t k = 0, n = (int64_t)(high - low); k < n; k++) {
			uint64_t address = low + (uint64_t)(step > 0 ? k * step % n : n - 1 - k);
			bool is = leaves_in(rust_decoder_at(f->decoder, address), address);

			assert_int_equal(rust_decoder_leaves(asked, address, &found), is);
			assert_int_equal(found, low);
			calls += is;
		}
	}
	if (step != 5)
		assert_int_equal(calls, 5);
}

/* The same as by decoding all of it, whatever was asked before. */
static void test_leaves(void **state)
{
	static const int steps[] = { 1, -1, 5 };
	struct fixture *f = *state;
	struct rust_decoder *fresh;
	uint64_t low;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(rust_decoder_new(f->file.image, &fresh), 0);
		check_leaves(f, fresh, steps[i]);
		check_leaves(f, fresh, steps[(i + 1) % 3]);
		rust_decoder_free(fresh);
	}
	check_leaves(f, f->decoder, 1);
	assert_false(rust_decoder_leaves(f->decoder, 0, &low));
}

/* One look at a function's beginning decodes no more than that, and keeps nothing. */
static void test_walks(void **state)
{
	struct fixture *f = *state;
	struct rust_decoder *fresh;
	uint64_t low;

	assert_int_equal(rust_decoder_new(f->file.image, &fresh), 0);
	assert_false(rust_decoder_leaves(fresh, label(f, "large") + 3, &low));
	assert_int_equal(fresh->walk.next, label(f, "large") + 4);
	assert_int_equal(fresh->n_kept, 0);
	/* the way back is not walked again and again */
	assert_false(rust_decoder_leaves(fresh, label(f, "large") + 2, &low));
	assert_int_equal(fresh->own.code.n, 33);
	rust_decoder_free(fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),  cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_beside), cmocka_unit_test(test_no_code),
		cmocka_unit_test(test_leaves), cmocka_unit_test(test_walks),
	};

	return cmocka_run_group_tests_name("rust_decoder", tests, open_file, close_file);
}
