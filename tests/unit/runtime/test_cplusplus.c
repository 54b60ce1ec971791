/* SPDX-License-Identifier: MIT */
/* The whole header in a C++ program, awaits included: it compiles, links and runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char program[] =
	"#include \"runtime/weft.h\"\n"
	"struct inner { WEFT_FRAME; struct weft_sleep sleep; };\n"
	"static weft_poll_t inner(struct weft_cx *cx, struct inner *f)\n"
	"{\n"
	"	weft_async_begin(f);\n"
	"	weft_await(f, weft_sleep(cx, &f->sleep, 100000));\n"
	"	weft_async_end(f, f->rc);\n"
	"}\n"
	"static weft_poll_t no_await(struct weft_cx *cx, struct inner *f)\n"
	"{\n"
	"	weft_async_begin(f);\n"
	"	weft_async_end(f, f->rc);\n"
	"}\n"
	"struct outer { WEFT_FRAME; struct inner callee; struct weft_join *join; struct weft_sleep limit; int i; };\n"
	"static weft_poll_t outer(struct weft_cx *cx, struct outer *f)\n"
	"{\n"
	"	weft_async_begin(f);\n"
	"	for (f->i = 0; f->i < 3; f->i++)\n"
	"		weft_await(f, inner(cx, &f->callee));\n"
	"	switch (f->i) {\n"
	"	case 3:\n"
	"		weft_await(f, weft_timeout(cx, &f->limit, 1000000000, inner(cx, &f->callee)));\n"
	"		break;\n"
	"	default:\n"
	"		return -1;\n"
	"	}\n"
	"	f->callee = {};\n"
	"	f->rc = weft_spawn(NULL, inner, f->callee, .join = &f->join);\n"
	"	if (f->rc)\n"
	"		return f->rc;\n"
	"	weft_await(f, no_await(cx, &f->callee));\n"
	"	weft_await(f, weft_join(cx, &f->join));\n"
	"	weft_async_end(f, f->i);\n"
	"}\n"
	"int main()\n"
	"{\n"
	"	struct weft_config config = {};\n"
	"	struct weft_runtime *rt;\n"
	"	struct outer f = {};\n"
	"	config.size = sizeof(config);\n"
	"	config.workers = 1;\n"
	"	if (weft_runtime_new(&config, &rt))\n"
	"		return 1;\n"
	"	int rc = weft_block_on(rt, outer, &f);\n"
	"	weft_runtime_free(rt);\n"
	"	return rc == 3 ? 0 : 2;\n"
	"}\n";

/* Where this build's library is: above tests/unit in the path of this program. */
static void library(char *path, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", path, cap - 1);
	char *cut;

	assert_true(n > 0);
	path[n] = '\0';
	cut = strstr(path, "/tests/unit/");
	assert_non_null(cut);
	strcpy(cut, "/libweft.a");
}

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZE "-fsanitize=address,undefined"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZE "-fsanitize=thread"
#else
#define SANITIZE ""
#endif

#ifdef WEFT_URING
#define LIBRARIES "-luring"
#else
#define LIBRARIES ""
#endif

static void test_program(void **state)
{
	char dir[] = "/tmp/weft-cxx-XXXXXX", lib[512], source[64];
	/* Before C++14 a warning of members left out by weft_spawn() can't be helped. */
	const char *const flags[] = { "gnu++11 -Wall", "gnu++14 -Wall -Wextra",
				      "gnu++20 -Wall -Wextra" };
	FILE *file;

	(void)state;
	library(lib, sizeof(lib));
	assert_non_null(mkdtemp(dir));
	snprintf(source, sizeof(source), "%s/a.cc", dir);
	file = fopen(source, "w");
	fputs(program, file);
	fclose(file);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run("g++ -std=%s -Werror -I. -pthread %s -o %s/a %s %s %s %s",
				     flags[i], SANITIZE, dir, source, lib, LIBRARIES,
				     strstr(lib, "/coverage/") ? "--coverage" : ""),
				 0);
		assert_int_equal(run("%s/a", dir), 0);
		if (run("command -v clang++ > /dev/null") == 0)
			assert_int_equal(run("clang++ -std=%s -Werror -Wno-c99-designator "
					     "-Wno-unknown-warning-option -I. -fsyntax-only %s",
					     flags[i], source),
					 0);
	}
	assert_int_equal(run("rm -r %s", dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests_name("runtime/cplusplus", tests, NULL, NULL);
}
