// SPDX-License-Identifier: MIT
/* Wakers that profile-guided optimisation built into their callers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "probes/rust/promoted.h"
#include "tests/support/asm_image.h"

#define WAKE(header) \
	" mov (" header "),%rax\n1: test $1,%al\n " /* what follows is labelled by the test */

#define REST(header)                                                 \
	" jne 2f\n lea 0x44(%rax),%rdx\n lock cmpxchg %rdx,(" header \
	")\n jne 1b\n mov 0x10(" header "),%rax\n mov " header ",%rdi\n call *8(%rax)\n2: ret\n"

static const char seen[] = ASM_IMAGE_MACROS "fn wake\n" WAKE("%rdi") "wake_it:" REST(
	"%rdi") "end wake\n"
		"fn compared\n cmp wake_at(%rip),%rax\n jne 3f\n" WAKE("%rbx") "compared_it:" REST(
			"%rbx") "3: jmp *%rax\nend compared\n"
				/* loaded before the loop, and what is built in lies behind the other call */
				"fn hoisted\n mov wake_at(%rip),%r14\n4: mov 8(%rax),%rax\n cmp %r14,%rax\n je 3f\n call *%rax\n jmp 4b\n3:" WAKE(
					"%r13") "hoisted_it:" REST("%r13") "end hoisted\n"
									   /* not built in: the function itself is called, and has its own probe */
									   "fn called\n cmp wake_at(%rip),%rax\n jne 3f\n mov %rbx,%rdi\n call wake\n ret\n3: jmp *%rax\nend called\n"
									   /* no comparison */
									   "fn passed\n mov wake_at(%rip),%rdi\n mov (%rbx),%rax\n jmp *%rax\nend passed\n"
									   ".data\n.balign 8\nwake_at: .quad wake\n" ASM_IMAGE_END;

/* It is built in, and can't be told. */
static const char unseen[] = ASM_IMAGE_MACROS "fn wake\n" WAKE("%rdi") "wake_it:" REST(
	"%rdi") "end wake\n"
		"fn odd\n cmp wake_at(%rip),%rax\n jne 3f\n mov 8(%rbx),%rax\n lock incl (%rax)\n ret\n3: jmp *%rax\nend odd\n"
		".data\n.balign 8\nwake_at: .quad wake\n" ASM_IMAGE_END;

static void build(struct asm_image *file, const char *source, struct rust_builder *b)
{
	assert_true(asm_image_open(file, source, false));
	assert_int_equal(rust_builder_init(b, file->fd), 0);
	b->plan->layout[RUST_TOKIO].vtable = 16;
	rust_promoted_wakes(b, asm_image_label(file, "wake"));
	assert_int_equal(b->rc, 0);
}

static void check(const struct asm_image *file, const struct rust_builder *b, const char *at,
		  uint8_t reg)
{
	for (uint32_t i = 0; i < b->plan->n_probes; i++) {
		const struct rust_probe *probe = &b->plan->probes[i];

		if (probe->address != asm_image_label(file, at))
			continue;
		assert_int_equal(probe->kind, RUST_WAKE);
		assert_int_equal(probe->reg, reg);
		assert_true(probe->emulated);
		assert_false(probe->late);
		return;
	}
	fail_msg("no probe at %s", at);
}

static void test_seen(void **state)
{
	struct asm_image file;
	struct rust_builder b;

	(void)state;
	build(&file, seen, &b);
	assert_int_equal(b.plan->n_probes, 2);
	check(&file, &b, "compared_it", 3);
	check(&file, &b, "hoisted_it", 13);
	assert_int_equal(b.plan->n_gaps, 0);
	rust_builder_done(&b);
	asm_image_close(&file);
}

static void test_unseen(void **state)
{
	struct asm_image file;
	struct rust_builder b;

	(void)state;
	build(&file, unseen, &b);
	assert_int_equal(b.plan->n_probes, 0);
	assert_int_equal(b.plan->n_gaps, 1);
	assert_string_equal(b.plan->gaps[0].what, "wakes");
	rust_builder_done(&b);
	asm_image_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
