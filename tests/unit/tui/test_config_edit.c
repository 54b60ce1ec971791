/* SPDX-License-Identifier: MIT */
/* A mute goes into the config file and out again; what else is in it stays, and so do mode and links. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/config.h"
#include "tui/config_edit.h"

static char folder[] = "/tmp/weft_config_edit_XXXXXX", error[300];

static int in_folder(void **state)
{
	(void)state;
	strcpy(strrchr(folder, '_'), "_XXXXXX");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

/* Whatever a test leaves behind, a half-written file too, is seen here. */
static int folder_is_clean(void **state)
{
	(void)state;
	unlink("weft.conf");
	unlink("real.conf");
	return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void is(const char *name, const char *text)
{
	char *found = NULL;

	assert_int_equal(config_text(name, &found), 0);
	assert_string_equal(found, text);
	free(found);
}

static void toggle(const char *line, bool should)
{
	bool muted = !should;

	if (config_edit_mute("weft.conf", line, &muted, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(muted, should);
}

static unsigned mode(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void test_new_file(void **state)
{
	struct config c;

	(void)state;
	umask(0);
	toggle("task-leak src/main.rs:4", true);
	is("weft.conf", "mute = task-leak src/main.rs:4\n");
	assert_int_equal(mode("weft.conf"), 0600);
	toggle("busy-loop a b", true);
	assert_int_equal(config_read("weft.conf", &c, error, sizeof(error)), 0);
	assert_int_equal(c.mutes, 2);
	assert_string_equal(c.mute[1], "busy-loop a b");
	assert_null(c.mute[2]);
	config_done(&c);
	toggle("task-leak src/main.rs:4", false);
	is("weft.conf", "mute = busy-loop a b\n");
}

static void test_the_rest_stays(void **state)
{
	static const char text[] =
		"# ours\nblocking.warn_ms = 20 # slow\r\n\n mute=task-leak   a.c:1 # old\nfail-on = crit";

	(void)state;
	put("weft.conf", text);
	assert_int_equal(chmod("weft.conf", 0640), 0);
	toggle("task-leak a.c:10", true);
	is("weft.conf",
	   "# ours\nblocking.warn_ms = 20 # slow\r\n\n mute=task-leak   a.c:1 # old\nfail-on = crit\nmute = task-leak a.c:10\n");
	assert_int_equal(mode("weft.conf"), 0640);
	toggle("task-leak a.c:1", false);
	is("weft.conf",
	   "# ours\nblocking.warn_ms = 20 # slow\r\n\nfail-on = crit\nmute = task-leak a.c:10\n");
}

static void test_link(void **state)
{
	struct stat st;

	(void)state;
	put("real.conf", "only = task-leak\n");
	assert_int_equal(symlink("real.conf", "weft.conf"), 0);
	toggle("task-leak a.c:1", true);
	is("real.conf", "only = task-leak\nmute = task-leak a.c:1\n");
	assert_int_equal(lstat("weft.conf", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

/* What could not be read again is not written; what can't be read is not touched. */
static void test_refused(void **state)
{
	char many[129 * 24] = "";
	bool muted;

	(void)state;
	put("weft.conf", "nonsense\n");
	assert_true(config_edit_mute("weft.conf", "task-leak a", &muted, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "line 1"));
	is("weft.conf", "nonsense\n");
	for (int i = 0; i < 128; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "mute = task-leak %d\n",
			 i);
	put("weft.conf", many);
	assert_int_equal(config_edit_mute("weft.conf", "task-leak a", &muted, error, sizeof(error)),
			 -E2BIG);
	is("weft.conf", many);
	toggle("task-leak 7", false);
	assert_true(config_edit_mute("none/weft.conf", "task-leak a", &muted, error,
				     sizeof(error)) < 0);
	assert_non_null(strstr(error, "none/weft.conf can't be written: No such file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, in_folder, folder_is_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_file),
		TEST(test_the_rest_stays),
		TEST(test_link),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
