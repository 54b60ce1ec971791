// SPDX-License-Identifier: MIT
/* Who calls a function: told by bytes, in order of address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/graph.h"
#include "tests/support/asm_image.h"

#define MAX_CALLS 16

static const char source[] = ASM_IMAGE_MACROS
	/* far enough for a jump of five bytes */
	"fn last\n ret\n .fill 200,1,0x90\nend last\n"
	"fn first\n a: call second\n b: jmp last\nend first\n"
	"fn second\n c: call last\n d: call *slot(%rip)\n e: call first\n g: jmp *slot(%rip)\nend second\n"
	/* into the middle of a function, and to data */
	"fn odd\n call last+1\n jmp slot\n ret\nend odd\n"
	"fn alone\n ret\nend alone\n"
	".data\n.balign 8\nslot: .quad last\n" ASM_IMAGE_END;

struct calls {
	size_t n;
	struct rust_call call[MAX_CALLS];
};

static int on_call(void *ctx, const struct rust_call *call)
{
	struct calls *c = ctx;

	assert_true(c->n < MAX_CALLS);
	c->call[c->n++] = *call;
	return 0;
}

static int refuse(void *ctx, const struct rust_call *call)
{
	(void)call;
	++*(unsigned *)ctx;
	return -7;
}

static void check(const struct asm_image *file, const struct rust_call *call, const char *label,
		  unsigned bytes, uint32_t value)
{
	assert_int_equal(call->address, asm_image_label(file, label));
	assert_int_equal(call->next, call->address + bytes);
	assert_int_equal(call->value, value);
	assert_int_equal(call->jump, *label == 'b' || *label == 'g');
}

static void test_calls(void **state)
{
	struct asm_image file;
	struct rust_graph *g;
	struct rust_targets *t;
	struct calls c = { 0 };
	unsigned told = 0;

	(void)state;
	assert_true(asm_image_open(&file, source, false));
	assert_int_equal(rust_graph_new(file.image, &g), 0);
	assert_int_equal(rust_targets_new(&t), 0);
	assert_int_equal(rust_graph_calls(g, t, on_call, &c), 0);
	assert_int_equal(c.n, 0);
	rust_targets_add(t, asm_image_label(&file, "last"), 1);
	rust_targets_add(t, asm_image_label(&file, "first"), 2);
	rust_targets_add(t, asm_image_label(&file, "alone"), 3);
	rust_targets_add(t, asm_image_label(&file, "slot"), 4);
	rust_targets_add(t, asm_image_label(&file, "last") + 1, 5);
	assert_int_equal(rust_graph_calls(g, t, on_call, &c), 0);
	assert_int_equal(c.n, 5);
	check(&file, &c.call[0], "b", 5, 1);
	check(&file, &c.call[1], "c", 5, 1);
	check(&file, &c.call[2], "d", 6, 1);
	check(&file, &c.call[3], "e", 5, 2);
	check(&file, &c.call[4], "g", 6, 1);
	assert_int_equal(rust_graph_calls(g, t, refuse, &told), -7);
	assert_int_equal(told, 1);
	rust_targets_free(t);
	rust_graph_free(g);
	asm_image_close(&file);
}

/* Nearer ones first, each once. */
static void test_reach(void **state)
{
	uint64_t reached[MAX_CALLS];
	struct asm_image file;
	struct rust_graph *g;

	(void)state;
	assert_true(asm_image_open(&file, source, false));
	assert_int_equal(rust_graph_new(file.image, &g), 0);
	assert_int_equal(rust_graph_reach(g, asm_image_label(&file, "first"), 4, reached,
					  MAX_CALLS),
			 3);
	assert_int_equal(reached[0], asm_image_label(&file, "first"));
	assert_int_equal(reached[1], asm_image_label(&file, "second"));
	assert_int_equal(reached[2], asm_image_label(&file, "last"));
	assert_int_equal(rust_graph_reach(g, asm_image_label(&file, "first"), 4, reached, 2), 2);
	assert_int_equal(rust_graph_reach(g, asm_image_label(&file, "alone"), 4, reached,
					  MAX_CALLS),
			 1);
	rust_graph_free(g);
	asm_image_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_reach),
	};

	return cmocka_run_group_tests_name("rust_graph", tests, NULL, NULL);
}
