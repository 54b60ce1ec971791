// SPDX-License-Identifier: MIT
/*
 * The check that a spawn begins with: which belongs to what is built behind it. Code as rustc makes it of tokio::spawn: take an id, ask
 * for the runtime, and panic with the caller's place where there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probes/rust/checks.h"
#include "tests/support/asm_image.h"

#define MAX_POINTS 2

/* take_id, ask, and the panic: `from` is what its place comes from. */
static const char source[] = ASM_IMAGE_MACROS
	".macro take_id\n mov $1,%eax\n lock xadd %rax,next_id(%rip)\n.endm\n"
	".macro ask otherwise\n call runtime\n test %al,%al\n je \\otherwise\n.endm\n"
	".macro build name\n lea task(%rip),%rax\n mov %rax,(%rsp)\n\\name: call runtime\n.endm\n"
	".macro panic from:vararg\n lea print_error(%rip),%rax\n mov %rax,8(%rsp)\n \\from\n mov %rsp,%rdi\n call panics\n.endm\n"
	"fn runtime\n push %rax\n mov $1,%al\n pop %rdx\n ret\nend runtime\n"
	"fn panics\n push %rax\n ud2\nend panics\n"
	"fn print_error\n push %rax\n lea text(%rip),%rsi\n call runtime\n pop %rax\n ret\nend print_error\n"
	/* nearly: it names the text, but it is a large function */
	"fn large\n lea text(%rip),%rsi\n .fill 0x200,1,0x90\n ret\nend large\n"
	"fn names_large\n push %rax\n lea large(%rip),%rax\n pop %rax\n ret\nend names_large\n"

	"fn plain\n sub $24,%rsp\n take_id\n ask 9f\n build p_plain\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend plain\n"
	/* by a function that takes it; the place in the other register that panics take it in */
	"fn next\n mov $1,%eax\n lock xadd %rax,next_id(%rip)\n ret\nend next\n"
	"fn by_call\n sub $24,%rsp\n call next\n ask 9f\n build p_by_call\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rsi\nend by_call\n"
	/* through a word, as code for shared objects has it */
	"fn through_word\n sub $24,%rsp\n take_id\n ask 9f\n build p_through_word\n add $24,%rsp\n ret\n"
	"9: mov word(%rip),%rax\n mov %rax,8(%rsp)\n lea place_1(%rip),%rdx\n mov %rsp,%rdi\n call panics\nend through_word\n"
	/* the caller's, as #[track_caller] hands it on */
	"fn handed\n push %rbx\n sub $16,%rsp\n mov %rsi,%rbx\n take_id\n ask 9f\n build p_handed\n add $16,%rsp\n pop %rbx\n ret\n"
	"9: panic mov %rbx,%rdx\nend handed\n"
	/* two ways to one panic */
	"fn two_ways\n sub $24,%rsp\n take_id\n ask 9f\n call runtime\n cmp $2,%al\n je 9f\n build p_two_ways\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend two_ways\n"
	/* one after the other, each with its own; the second of these has none */
	"fn both\n sub $24,%rsp\n take_id\n ask 8f\n build p_both_1\n take_id\n ask 9f\n build p_both_2\n add $24,%rsp\n ret\n"
	"8: panic lea place_1(%rip),%rdx\n9: panic lea place_2(%rip),%rdx\nend both\n"
	"fn second\n sub $24,%rsp\n take_id\n ask 9f\n build p_second_1\n build p_second_2\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend second\n"
	/* no id before it: Handle::current() or sleep(); one behind it, as Handle::spawn has it */
	"fn no_id\n sub $24,%rsp\n ask 9f\n build p_no_id\n add $24,%rsp\n ret\n9: panic lea place_1(%rip),%rdx\nend no_id\n"
	"fn id_behind\n sub $24,%rsp\n take_id\n ask 9f\n take_id\n build p_id_behind\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend id_behind\n"
	/* a way past it; a way that takes no id; another check between; another on each way */
	"fn past\n sub $24,%rsp\n take_id\n test %edi,%edi\n je 1f\n ask 9f\n1: build p_past\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend past\n"
	"fn id_past\n sub $24,%rsp\n test %edi,%edi\n je 1f\n take_id\n1: ask 9f\n build p_id_past\n add $24,%rsp\n ret\n"
	"9: panic lea place_1(%rip),%rdx\nend id_past\n"
	"fn between\n sub $24,%rsp\n take_id\n ask 8f\n ask 9f\n build p_between\n add $24,%rsp\n ret\n"
	"8: panic lea place_1(%rip),%rdx\n9: panic lea place_2(%rip),%rdx\nend between\n"
	"fn either\n sub $24,%rsp\n test %edi,%edi\n je 1f\n take_id\n ask 8f\n jmp 2f\n1: take_id\n ask 9f\n2: build p_either\n"
	" add $24,%rsp\n ret\n8: panic lea place_1(%rip),%rdx\n9: panic lea place_2(%rip),%rdx\nend either\n"
	/* its place is none, or is not told; two places of one panic */
	"fn no_place\n sub $24,%rsp\n take_id\n ask 9f\n build p_no_place\n add $24,%rsp\n ret\n"
	"9: panic lea task(%rip),%rdx\nend no_place\n"
	"fn unknown\n sub $24,%rsp\n take_id\n ask 9f\n build p_unknown\n add $24,%rsp\n ret\n"
	"9: panic mov (%rdi),%rdx\nend unknown\n"
	"fn shared\n sub $24,%rsp\n take_id\n xor %esi,%esi\n lea place_1(%rip),%rdx\n test %edi,%edi\n je 1f\n lea place_2(%rip),%rdx\n"
	"1: test %ecx,%ecx\n je 9f\n build p_shared\n add $24,%rsp\n ret\n9: panic nop\nend shared\n"
	/* a panic of something else */
	"fn other_panic\n sub $24,%rsp\n take_id\n ask 9f\n build p_other_panic\n add $24,%rsp\n ret\n"
	"9: lea place_1(%rip),%rdx\n mov %rsp,%rdi\n call panics\nend other_panic\n"

	".section .data.rel.ro,\"aw\"\n.balign 8\n"
	"place_1: .quad path, 11, 0x500000007\nplace_2: .quad path, 11, 0x500000008\ntask: .quad runtime, 1, 2\nword: .quad print_error\n"
	".data\n.balign 8\nnext_id: .quad 1\n"
	".section .rodata\npath: .ascii \"src/main.rs\"\n"
	"text: .ascii \"The Tokio context thread-local variable has been destroyed\"\n" ASM_IMAGE_END;

static const struct truth {
	const char *function, *point[MAX_POINTS];
	uint8_t kind[MAX_POINTS];
	const char *place[MAX_POINTS];
	bool has; /* a check */
} truth[] = {
	{ "plain", { "p_plain" }, { RUST_VALUE_ADDRESS }, { "place_1" }, true },
	{ "by_call", { "p_by_call" }, { RUST_VALUE_ADDRESS }, { "place_1" }, true },
	{ "through_word", { "p_through_word" }, { RUST_VALUE_ADDRESS }, { "place_1" }, true },
	{ "handed", { "p_handed" }, { RUST_VALUE_ARGUMENT }, { NULL }, true },
	{ "two_ways", { "p_two_ways" }, { RUST_VALUE_ADDRESS }, { "place_1" }, true },
	{ "both",
	  { "p_both_1", "p_both_2" },
	  { RUST_VALUE_ADDRESS, RUST_VALUE_ADDRESS },
	  { "place_1", "place_2" },
	  true },
	{ "second",
	  { "p_second_1", "p_second_2" },
	  { RUST_VALUE_ADDRESS, RUST_VALUE_UNKNOWN },
	  { "place_1", NULL },
	  true },
	{ "no_id", { "p_no_id" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "id_behind", { "p_id_behind" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "past", { "p_past" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "id_past", { "p_id_past" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "between", { "p_between" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "either", { "p_either" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "no_place", { "p_no_place" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "unknown", { "p_unknown" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "shared", { "p_shared" }, { RUST_VALUE_UNKNOWN }, { NULL }, true },
	{ "other_panic", { "p_other_panic" }, { RUST_VALUE_UNKNOWN }, { NULL }, false },
	{ "names_large", { NULL }, { 0 }, { NULL }, false },
	{ "runtime", { NULL }, { 0 }, { NULL }, false },
};

struct fixture {
	struct asm_image file;
	struct rust_builder b;
	struct rust_callees callees;
	struct rust_checks *checks;
};

static void open_file(struct fixture *f, const char *text, bool fixed)
{
	*f = (struct fixture){ 0 };
	assert_true(asm_image_open(&f->file, text, fixed));
	assert_int_equal(rust_builder_init(&f->b, f->file.fd), 0);
	assert_int_equal(rust_callees_init(&f->callees, f->b.image, f->b.decoder), 0);
}

static void close_file(struct fixture *f)
{
	rust_checks_free(f->checks);
	rust_callees_done(&f->callees);
	rust_builder_done(&f->b);
	asm_image_close(&f->file);
}

static void check_point(const struct fixture *f, const struct truth *t, size_t i,
			const struct rust_value *value)
{
	if (value->kind != t->kind[i])
		print_error("%s: kind %u\n", t->point[i], value->kind);
	assert_int_equal(value->kind, t->kind[i]);
	if (t->place[i])
		assert_int_equal(value->address, asm_image_label(&f->file, t->place[i]));
	if (value->kind == RUST_VALUE_ARGUMENT)
		assert_int_equal(value->reg, RUST_RSI);
}

static void check(struct fixture *f, const struct truth *t)
{
	uint64_t point[MAX_POINTS];
	struct rust_value value[MAX_POINTS];
	size_t n = 0;

	if (rust_checks_in(f->checks, asm_image_label(&f->file, t->function)) != t->has)
		print_error("%s\n", t->function);
	assert_int_equal(rust_checks_in(f->checks, asm_image_label(&f->file, t->function)), t->has);
	for (; n < MAX_POINTS && t->point[n]; n++) {
		point[n] = asm_image_label(&f->file, t->point[n]);
		assert_int_not_equal(point[n], 0);
	}
	assert_int_equal(rust_checks_before(f->checks, point, n, value), 0);
	for (size_t i = 0; i < n; i++)
		check_point(f, t, i, &value[i]);
}

static void check_all(bool fixed)
{
	struct fixture f;

	open_file(&f, source, fixed);
	assert_int_equal(rust_checks_new(&f.b, &f.callees, &f.checks), 0);
	for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++)
		check(&f, &truth[i]);
	close_file(&f);
}

static void test_shared(void **state)
{
	(void)state;
	check_all(false);
}

static void test_fixed(void **state)
{
	(void)state;
	check_all(true);
}

/* Without the error's text, or without anybody who panics with it. */
static void test_none(void **state)
{
	static const char bare[] = ASM_IMAGE_MACROS
		"fn one\n push %rax\n pop %rax\n ret\nend one\n" ASM_IMAGE_END;
	static const char unused[] = ASM_IMAGE_MACROS
		"fn one\n push %rax\n lea text(%rip),%rsi\n pop %rax\n ret\nend one\n"
		".section .rodata\ntext: .ascii \"The Tokio context thread-local variable has been destroyed\"\n" ASM_IMAGE_END;
	const char *const files[] = { bare, unused };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		open_file(&f, files[i], false);
		assert_int_equal(rust_checks_new(&f.b, &f.callees, &f.checks), -ENOENT);
		assert_null(f.checks);
		close_file(&f);
	}
	assert_null(rust_checks_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("rust_checks", tests, NULL, NULL);
}
