/* SPDX-License-Identifier: MIT */
/* A console over a fake engine: run() drives it by a script, has() looks at what it printed. */
#ifndef WEFT_TEST_CONSOLE_H
#define WEFT_TEST_CONSOLE_H

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/tui/fake_live.h"
#include "tui/format.h"
#include "tui/script.h"

struct console {
	struct live live;
	struct app *app;
	char *text; /* of the last script */
};

static struct console *con;

static inline int setup(void **state)
{
	(void)state;
	con = calloc(1, sizeof(*con));
	con->live = fake_live();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	app_free(con->app);
	free(con->text);
	free(con);
	return 0;
}

/* As user_config_mute, without a file. */
static inline int fake_mute(void *ctx, const struct live_finding *f, char *ret_said, size_t size)
{
	struct live *l = ctx;

	l->muted = l->muted == f->key ? 0 : f->key;
	snprintf(ret_said, size, "%s here", l->muted ? "muted" : "no longer muted");
	return l->muted != 0;
}

static inline const char *run(const char *script)
{
	struct app_options o = {
		.live = &con->live, .speed = 1, .mute = fake_mute, .mute_ctx = &con->live
	};
	struct script_error error;
	size_t size;
	FILE *f;

	if (!con->app) {
		con->app = app_new(&o);
		app_resize(con->app, 80, 24);
	}
	free(con->text);
	f = open_memstream(&con->text, &size);
	assert_int_equal(script_run(con->app, script, f, NULL, &error), 0);
	fclose(f);
	return con->text;
}

static inline void has(const char *part)
{
	if (!strstr(con->text, part))
		fail_msg("'%s' is not on the screen:\n%s", part, con->text);
}

static inline void has_not(const char *part)
{
	if (strstr(con->text, part))
		fail_msg("'%s' is on the screen:\n%s", part, con->text);
}

/* Line `n` of the screen, from 0; borrowed until the next call. */
static inline const char *line(int n)
{
	static char text[1024];
	const char *p = con->text;

	while (n-- > 0 && (p = strchr(p, '\n')) != NULL)
		p++;
	assert_non_null(p);
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(p, "\n"), p);
	return text;
}

/* The cursor is on this line of the screen, on this task. */
static inline void cursor_is(int n, uint64_t task)
{
	const char *row = line(n);

	if (row[0] != '>' || strtoull(row + 1, NULL, 10) != task)
		fail_msg("line %d is not the cursor on task %llu:\n%s", n, (unsigned long long)task,
			 con->text);
}

static inline void fits(size_t width, int height)
{
	int lines = 0;

	for (const char *p = con->text; *p; p++) {
		char row[4096];

		snprintf(row, sizeof(row), "%.*s", (int)strcspn(p, "\n"), p);
		assert_true(format_columns(row) <= width);
		p += strcspn(p, "\n");
		lines++;
	}
	assert_int_equal(lines, height + 1); /* snap ends with an empty line */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
