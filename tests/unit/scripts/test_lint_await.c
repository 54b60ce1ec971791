/* SPDX-License-Identifier: MIT */
/* The lint for locals that do not survive an await: what it has to find, and what it must leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The lint's output for a function body between begin and end; the await in it is on line `2 + n`. */
static void lint(const char *body, char *out, size_t cap)
{
	char path[] = "/tmp/weft-lint-XXXXXX.c", command[128];
	int fd = mkstemps(path, 2);
	FILE *file = fdopen(fd, "w"), *pipe;
	size_t n;

	fprintf(file,
		"static weft_poll_t f(struct weft_cx *cx, struct s *f, int param)\n{\n%s\n"
		"weft_async_end(f, 0);\n}\n",
		body);
	fclose(file);
	snprintf(command, sizeof(command), "scripts/lint_await.sh %s", path);
	pipe = popen(command, "r");
	n = fread(out, 1, cap - 1, pipe);
	out[n] = '\0';
	assert_int_equal(pclose(pipe) != 0, n > 0);
	unlink(path);
}

#define B "weft_async_begin(f);\n"
#define A "weft_await(f, leaf(cx));\n"

static void finds(const char *body, const char *name)
{
	char out[2000], quoted[64];

	lint(body, out, sizeof(out));
	snprintf(quoted, sizeof(quoted), "local '%s' is set before the await", name);
	if (!strstr(out, quoted))
		fail_msg("not found: %s in\n%s", name, body);
}

static void silent(const char *body)
{
	char out[2000];

	lint(body, out, sizeof(out));
	if (out[0])
		fail_msg("false alarm: %s\nin\n%s", out, body);
}

static int here(void **state)
{
	(void)state;
	return access("scripts/lint_await.sh", X_OK);
}

static void test_finds(void **state)
{
	(void)state;
	finds("struct p *p;\n" B "p = f->p;\n" A "use(&p->member);", "p");
	finds(B "int x = 1;\n" A "use(x);", "x");
	finds("int x;\n" B "x = g();\n" A "if (x)\n\treturn 1;", "x");
	finds(B "for (int i = 0; i < 3; i++)\n" A, "i");
	finds("size_t n = 0;\n" B "while (n < 3) {\n" A "n++;\n}", "n");
	finds(B "do {\nint k = g();\n" A "use(k);\n} while (1);", "k");
	finds(B "const char *p = g();\n" A "use(*p);", "p");
	finds(B "struct stat st;\nstat(path, &st);\n" A "use(st.st_size);", "st");
	finds(B "char buf[10];\nsnprintf(buf, 10, \"a\");\n" A "puts(buf);", "buf");
	finds(B "int x = 1;\nif (param) {\n" A "} else {\nx = 2;\n}\nuse(x);", "x");
	finds(B "int x = 1;\nswitch (param) {\ncase 1:\n" A "break;\ndefault:\n x = 2;\n}\nuse(x);",
	      "x");
	finds(B "int x = g();\nweft_await(f, leaf(cx, x));", "x"); /* evaluated again */
	finds(B "uint32_t a = 1, *b = &a;\n" A "use(b);", "b");
	finds(B "int x = 1;\n" A "x += 2;", "x");
	finds(B "int x = 1;\n" A "x = x + 2;", "x");
	finds(B "int x = 1;\n" A "weft_async_end(f, x);", "x");
	finds("int last = 0;\n" B "for (;;) {\nuse(last);\n" A "last = g();\n" A "}", "last");
	finds(B "int x = 1;\n again:\nuse(x);\n x = 1;\n" A "if (x)\ngoto again;", "x");
}

static void test_says_where(void **state)
{
	char out[2000];

	(void)state;
	lint(B "int x = 1;\n" A "use(x);", out, sizeof(out));
	assert_non_null(
		strstr(out, ".c:6: local 'x' is set before the await at line 5 and used after"));
}

static void test_leaves_alone(void **state)
{
	(void)state;
	silent("struct p *p = f->p;\n" B "use(&p->member);\n" A "use(&p->member);");
	silent("int x = 1;\n" B A "use(x);"); /* set again at each poll */
	silent("const struct t *t = f->t;\n" B A "use(t->a);\n" A "use(t->b);");
	silent(B "int x = 1;\nuse(x);\n" A "x = 2;\nuse(x);");
	silent(B "static int x = 1;\n" A "use(x);");
	silent(B "for (;;) {\nint x = g();\nuse(x);\n" A "}");
	silent(B "for (;;) {\n" A "const char *p = f->p;\nuse(p);\n}");
	silent(B "for (f->x = 0; f->x < 3; f->x++)\n" A);
	silent(B A "use(param);"); /* passed anew by each poll */
	silent(B "int x = 1;\nif (param) {\n" A "} else {\nuse(x);\n}");
	silent(B "int x = 1;\nif (param) {\n" A "return 1;\n}\nuse(x);");
	silent(B "int x = 1;\n" A "use(f->x, f.x, sizeof(x));");
	silent(B "{\nint x = 1;\nuse(x);\n}\n" A "{\nint x = 2;\nuse(x);\n}");
	silent(B "size_t n = 0;\nweft_await(f, read(cx, f->c, f->buf, 9, &n));\nuse(n);");
	silent(B "int x = 1;\n" A "/* x */ // x\nputs(\"x\");\n");
	silent(B "switch (param) {\ncase 1: {\nint x = 1;\nuse(x);\n" A "break;\n}\ncase 2: {\nint "
		 "x = 2;\nuse(x);\nbreak;\n}\n}");
	silent(B "struct stat st;\n" A "if (stat(path, &st) == 0)\nuse(st.st_size);");
	silent(B "struct a a;\na.x = 1;\nuse(a);\n" A "a.x = 2;\nuse(a);");
	silent(B "char buf[10];\nsnprintf(buf, 10, \"a\");\nputs(buf);\n" A
		 "snprintf(buf, 10, \"b\");\nputs(buf);");
	silent("int x = 1;\nuse(x);"); /* not an async function */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_finds, here),
		cmocka_unit_test_setup(test_says_where, here),
		cmocka_unit_test_setup(test_leaves_alone, here),
	};

	return cmocka_run_group_tests_name("scripts/lint_await", tests, NULL, NULL);
}
