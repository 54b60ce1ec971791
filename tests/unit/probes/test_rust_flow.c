// SPDX-License-Identifier: MIT
/* What may run before an instruction, and what is known of functions that are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/flow.h"
#include "tests/support/asm_image.h"

#define MAX_PUSHED 16

static const char source[] = ASM_IMAGE_MACROS
	"fn returns\n push %rbx\n pop %rbx\n ret\nend returns\n"
	"fn ends\n push %rbx\n call returns\n ud2\nend ends\n"
	"fn spins\n1: jmp 1b\nend spins\n"
	"fn leaves\n test %edi,%edi\n je returns\n ud2\nend leaves\n"
	"fn leaves_down\n test %edi,%edi\n je counts\n ud2\nend leaves_down\n"
	"fn leaves_through\n jmp *%rax\nend leaves_through\n"
	/* 0x06 is no instruction: what follows it, the return, is not seen */
	"fn odd\n push %rbx\n .byte 0x06\n pop %rbx\n ret\nend odd\n"
	"fn counts\n mov $1,%eax\n lock xadd %rax,counter(%rip)\n ret\nend counts\n"
	"fn counts_far\n lea counter(%rip),%rcx\n mov $1,%eax\n lock xadd %rax,(%rcx)\n ret\nend counts_far\n"
	"fn counts_high\n mov word(%rip),%r9\n mov $1,%eax\n lock xadd %rax,8(%r9)\n ret\nend counts_high\n"
	/* nearly: on the heap; the register was set again; 32 bits without a lock; a long function */
	"fn heap\n mov $1,%eax\n lock xadd %rax,8(%rdi)\n ret\nend heap\n"
	"fn set_again\n lea counter(%rip),%rcx\n mov (%rdi),%rcx\n lock xadd %rax,8(%rcx)\n ret\nend set_again\n"
	"fn unlocked\n mov $1,%eax\n xadd %rax,counter(%rip)\n ret\nend unlocked\n"
	"fn long\n lock xadd %rax,counter(%rip)\n .fill 0x80,1,0x90\n ret\nend long\n"
	"fn calls\n"
	" c_returns: call returns\n c_ends: call ends\n c_spins: call spins\n c_leaves: call leaves\n c_leaves_down: call leaves_down\n"
	" c_leaves_through: call leaves_through\n c_odd: call odd\n c_counts: call counts\n"
	" c_counts_far: call counts_far\n c_counts_high: call counts_high\n c_heap: call heap\n"
	" c_set_again: call set_again\n c_unlocked: call unlocked\n c_long: call long\n"
	" c_word: call *word_ends(%rip)\n c_register: call *%rax\n ret\nend calls\n"
	/* two ways and a loop; a call that ends; what only the unwinder reaches */
	"fn ways\n push %rbx\n w_test: test %edi,%edi\n w_je: je 1f\n w_left: dec %edi\n w_jmp: jmp 2f\n"
	"1: w_right: call ends\n2: w_both: mov %edi,%eax\n w_loop: jne 2b\n w_pop: pop %rbx\n w_ret: ret\n"
	" w_pad: mov %rax,%rdi\n w_last: ud2\nend ways\n"
	"fn computed\n push %rbx\n lea table(%rip),%rcx\n movslq (%rcx,%rdi,4),%rax\n add %rcx,%rax\n jmp *%rax\n"
	"1: m_one: pop %rbx\n m_ret: ret\n2: m_two: pop %rbx\n ret\nend computed\n"
	".section .rodata\n.balign 4\ntable: .long 1b-table, 2b-table\n"
	".data\n.balign 8\ncounter: .quad 0, 0\nword: .quad counter\nword_ends: .quad ends\n" ASM_IMAGE_END;

struct fixture {
	struct asm_image file;
	struct rust_callees callees;
	struct rust_decoder *decoder;
	struct rust_flow *flow;
};

static int open_file(void **state)
{
	static struct fixture f;

	if (!asm_image_open(&f.file, source, false) || rust_decoder_new(f.file.image, &f.decoder) ||
	    rust_callees_init(&f.callees, f.file.image, f.decoder))
		return -1;
	*state = &f;
	return 0;
}

static int close_file(void **state)
{
	struct fixture *f = *state;

	f->flow = rust_flow_free(f->flow);
	rust_callees_done(&f->callees);
	rust_decoder_free(f->decoder);
	asm_image_close(&f->file);
	return 0;
}

static void use(struct fixture *f, const char *function)
{
	const struct rust_code *code =
		rust_decoder_at(f->decoder, asm_image_label(&f->file, function));

	assert_non_null(code);
	f->flow = rust_flow_free(f->flow);
	assert_int_equal(rust_flow_new(&f->callees, code, &f->flow), 0);
}

static size_t at(const struct fixture *f, const char *label)
{
	size_t i =
		rust_code_index(rust_flow_code(f->flow), asm_image_label(&f->file, label), false);

	assert_int_not_equal(i, SIZE_MAX);
	return i;
}

static void test_callees(void **state)
{
	static const struct {
		const char *call;
		unsigned is;
	} truth[] = {
		{ "c_returns", 0 },
		{ "c_ends", RUST_CALLEE_ENDS },
		{ "c_spins", RUST_CALLEE_ENDS },
		{ "c_leaves", 0 },
		{ "c_leaves_down", 0 },
		{ "c_leaves_through", 0 },
		{ "c_odd", 0 },
		{ "c_counts", RUST_CALLEE_COUNTS },
		{ "c_counts_far", RUST_CALLEE_COUNTS },
		{ "c_counts_high", RUST_CALLEE_COUNTS },
		{ "c_heap", 0 },
		{ "c_set_again", 0 },
		{ "c_unlocked", 0 },
		{ "c_long", 0 },
		{ "c_word", RUST_CALLEE_ENDS },
		{ "c_register", 0 },
	};
	struct fixture *f = *state;

	use(f, "calls");
	/* The second round is answered from memory. */
	for (size_t i = 0; i < 2 * sizeof(truth) / sizeof(truth[0]); i++) {
		size_t k = i % (sizeof(truth) / sizeof(truth[0]));
		unsigned is = rust_callees_of(&f->callees,
					      &rust_flow_code(f->flow)->insn[at(f, truth[k].call)]);

		if (is != truth[k].is)
			print_error("%s: %u\n", truth[k].call, is);
		assert_int_equal(is, truth[k].is);
	}
}

/* Both in the order they are told in: first what stands right before, then the jumps. */
static void check_before(const struct fixture *f, const char *label, const char *first,
			 const char *second)
{
	size_t state = 0, i = at(f, label);

	assert_int_equal(rust_flow_before(f->flow, i, &state), first ? at(f, first) : SIZE_MAX);
	if (!first)
		return;
	assert_int_equal(rust_flow_before(f->flow, i, &state), second ? at(f, second) : SIZE_MAX);
	if (second)
		assert_int_equal(rust_flow_before(f->flow, i, &state), SIZE_MAX);
}

static void test_before(void **state)
{
	struct fixture *f = *state;

	use(f, "ways");
	check_before(f, "w_test", "ways", NULL);
	check_before(f, "ways", NULL, NULL);
	check_before(f, "w_left", "w_je", NULL);
	check_before(f, "w_right", "w_je", NULL);
	/* not the call of a function that never returns, which stands right before it */
	check_before(f, "w_both", "w_jmp", "w_loop");
	check_before(f, "w_loop", "w_both", NULL);
	check_before(f, "w_pop", "w_loop", NULL);
	check_before(f, "w_pad", NULL, NULL);
	check_before(f, "w_last", "w_pad", NULL);
}

/* All that may run before a place, in the order of the search; the result: nothing is unknown. */
static bool search(const struct fixture *f, const char *from, size_t *ret, size_t *ret_n)
{
	bool known = true;
	size_t i;

	*ret_n = 0;
	assert_true(rust_flow_begin(f->flow));
	known &= rust_flow_push_before(f->flow, at(f, from));
	while ((i = rust_flow_next(f->flow)) != SIZE_MAX) {
		assert_true(*ret_n < MAX_PUSHED);
		ret[(*ret_n)++] = i;
		if (i > 0)
			known &= rust_flow_push_before(f->flow, i);
	}
	return known;
}

static void test_search(void **state)
{
	struct fixture *f = *state;
	size_t found[MAX_PUSHED], n;

	use(f, "ways");
	/* The loop is gone round once; the way that ends in a call is none. */
	assert_true(search(f, "w_pop", found, &n));
	assert_int_equal(n, 7);
	assert_int_equal(found[0], at(f, "w_loop"));
	assert_int_equal(found[1], at(f, "w_both"));
	assert_int_equal(found[2], at(f, "w_jmp"));
	assert_int_equal(found[6], 0);
	/* A new search has forgotten the one before. */
	assert_true(search(f, "w_left", found, &n));
	assert_int_equal(n, 3);
	/* Where the unwinder gets to, nothing is before it. */
	assert_true(search(f, "w_last", found, &n));
	assert_int_equal(n, 1);
	/* The beginning: who called it is not known. */
	assert_true(rust_flow_begin(f->flow));
	assert_false(rust_flow_push_before(f->flow, 0));
	assert_int_equal(rust_flow_next(f->flow), SIZE_MAX);
}

/* A jump by a table may lead to any place that nothing else leads to. */
static void test_computed(void **state)
{
	struct fixture *f = *state;
	size_t found[MAX_PUSHED], n;

	use(f, "computed");
	assert_false(search(f, "m_one", found, &n));
	assert_int_equal(n, 0);
	assert_false(search(f, "m_ret", found, &n));
	assert_int_equal(n, 1);
	assert_int_equal(found[0], at(f, "m_one"));
	assert_false(search(f, "m_two", found, &n));
}

static void test_budget(void **state)
{
	struct fixture *f = *state;
	uint64_t before = f->callees.budget;
	size_t found[MAX_PUSHED], n;

	use(f, "ways");
	assert_true(search(f, "w_pop", found, &n));
	assert_int_equal(f->callees.budget, before - n);
	f->callees.budget = 1;
	assert_true(rust_flow_begin(f->flow));
	assert_false(rust_flow_push_before(f->flow, at(f, "w_pop"))); /* the last step */
	assert_false(rust_flow_begin(f->flow));
	f->callees.budget = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callees), cmocka_unit_test(test_before),
		cmocka_unit_test(test_search),  cmocka_unit_test(test_computed),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests_name("rust_flow", tests, open_file, close_file);
}
