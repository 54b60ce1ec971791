// SPDX-License-Identifier: MIT
/* Where tasks are spawned, in a file of two types whose spawns have no check: the functions' names tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/plan_internal.h"
#include "tests/support/asm_image.h"

#define SPAWN      "_ZN5tokio4task5spawn17h0123456789abcdefE"
#define SPAWN_ALSO "_ZN5tokio4task5spawn17h1123456789abcdefE"
#define START      "_ZN3app5start17h2123456789abcdefE"
#define ALSO       "_ZN3app4also17h3123456789abcdefE"
#define MAIN       "_ZN3app4main17h4123456789abcdefE"

static const char source[] = ASM_IMAGE_MACROS
	"fn poll\n push %rbx\n pop %rbx\n ret\nend poll\n"
	"fn other\n ret\nend other\n"
	"fn " SPAWN
	"\n push %rbx\n lea type_1(%rip),%rax\n mov %rax,(%rdi)\n pop %rbx\n ret\nend " SPAWN "\n"
	"fn " SPAWN_ALSO
	"\n push %rbx\n lea type_2(%rip),%rax\n mov %rax,(%rdi)\n pop %rbx\n ret\nend " SPAWN_ALSO
	"\n"
	"fn " START "\n push %rbx\n call " SPAWN "\n pop %rbx\n ret\nend " START "\n"
	"fn " ALSO "\n push %rbx\n call " SPAWN_ALSO "\n pop %rbx\n ret\nend " ALSO "\n"
	"fn " MAIN "\n push %rbx\n call " START "\n call " ALSO "\n pop %rbx\n ret\nend " MAIN "\n"
	/* a check that has nothing to do with them: it is looked for up to main */
	"fn print_error\n lea text(%rip),%rdi\n ret\nend print_error\n"
	"fn checks\n lea print_error(%rip),%rax\n ud2\nend checks\n"
	".macro vtable name\n.globl \\name\n\\name: .quad poll\n.rept 6\n .quad other\n.endr\n .quad 240, 32, 40\n.endm\n"
	".section .data.rel.ro,\"aw\"\n.balign 8\nvtable type_1\nvtable type_2\n .quad 0\n"
	/* called by their addresses, too: of one it matters */
	".data\n.balign 8\n .quad " MAIN ", 0, " SPAWN_ALSO ", 0\n"
	".section .rodata\ntext: .ascii \"The Tokio context thread-local variable has been destroyed\"\n" ASM_IMAGE_END;

static void test_names(void **state)
{
	struct asm_image file;
	struct rust_plan *plan = NULL;
	const struct rust_type *one, *two;

	(void)state;
	assert_true(asm_image_open(&file, source, false));
	assert_int_equal(rust_plan_analyse(file.fd, &plan), 0);
	assert_int_equal(plan->n_types, 2);
	one = rust_plan_type(plan, asm_image_label(&file, "type_1"));
	two = rust_plan_type(plan, asm_image_label(&file, "type_2"));
	assert_non_null(one);
	assert_non_null(two);
	assert_string_equal(one->spawned ? one->spawned : "-", "fn app::start");
	assert_null(two->spawned);
	assert_int_equal(plan->n_spawn_places, 1);
	rust_plan_destroy(plan);
	asm_image_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("rust_spawn_places", tests, NULL, NULL);
}
