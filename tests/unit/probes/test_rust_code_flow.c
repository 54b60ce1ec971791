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
	" pad: push %rax\n pop %rax\n ret\nend doomed\n" ASM_IMAGE_END;

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_block),
		cmocka_unit_test(test_doomed),
	};

	return cmocka_run_group_tests_name("rust_code_flow", tests, open_file, close_file);
}
