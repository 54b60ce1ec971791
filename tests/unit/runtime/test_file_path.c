/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
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

#include "tests/support/net_runtime.h"

#define FILES 500u /* more than one batch of names */

static char dir[PATH_MAX];

static char *at(const char *name)
{
	static char path[4][PATH_MAX + 64];
	static unsigned turn;
	char *to = path[turn++ % 4];

	snprintf(to, sizeof(path[0]), "%s/%s", dir, name);
	return to;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool has(const char *name, const char *text)
{
	char buf[64] = "";
	FILE *file = fopen(at(name), "r");
	size_t n = file ? fread(buf, 1, sizeof(buf) - 1, file) : 0;

	if (file)
		fclose(file);
	return file && n == strlen(text) && memcmp(buf, text, n) == 0;
}

struct work {
	WEFT_FRAME;
	struct weft_file file;
	struct weft_dir dir;
	struct weft_dir_entry entry;
	struct weft_file_bytes bytes;
	struct weft_sleep limit;
	struct stat st;
	char text[PATH_MAX];
	uint64_t n;
	unsigned i;
	char seen[FILES];
};

#define OK(call)                                                          \
	do {                                                              \
		weft_await(f, call);                                      \
		if (f->rc) {                                              \
			print_error("%s: %s\n", #call, strerror(-f->rc)); \
			return -__LINE__;                                 \
		}                                                         \
	} while (0)
#define GIVES(value, call)                                     \
	do {                                                   \
		weft_await(f, call);                           \
		if (f->rc != (value)) {                        \
			print_error("%s: %d\n", #call, f->rc); \
			return -__LINE__;                      \
		}                                              \
	} while (0)

static weft_poll_t names(struct weft_cx *cx, struct work *f)
{
	weft_async_begin(f);
	OK(weft_file_rename(cx, &f->file, at("a"), at("b")));
	OK(weft_file_link(cx, &f->file, at("b"), at("hard")));
	OK(weft_file_symlink(cx, &f->file, "b", at("soft")));
	OK(weft_file_lstat(cx, &f->file, at("soft"), &f->st));
	if (!S_ISLNK(f->st.st_mode))
		return -1;
	OK(weft_file_stat(cx, &f->file, at("soft"), &f->st));
	if (f->st.st_nlink != 2 || f->st.st_size != 3)
		return -2;
	OK(weft_file_readlink(cx, &f->file, at("soft"), f->text, sizeof(f->text)));
	if (strcmp(f->text, "b") != 0)
		return -3;
	GIVES(-ENAMETOOLONG, weft_file_readlink(cx, &f->file, at("soft"), f->text, 1));
	OK(weft_file_readlink(cx, &f->file, at("soft"), f->text, 2));
	OK(weft_file_realpath(cx, &f->file, at("./soft"), f->text, sizeof(f->text)));
	if (strcmp(f->text, at("b")) != 0)
		return -4;
	GIVES(-ENAMETOOLONG, weft_file_realpath(cx, &f->file, at("soft"), f->text, 5));
	OK(weft_file_chmod(cx, &f->file, at("b"), 0640));
	OK(weft_file_stat(cx, &f->file, at("hard"), &f->st));
	if ((f->st.st_mode & 07777) != 0640)
		return -5;
	GIVES(-ENOENT, weft_file_rename(cx, &f->file, at("a"), at("b")));
	GIVES(-EEXIST, weft_file_link(cx, &f->file, at("b"), at("hard")));
	GIVES(-EINVAL, weft_file_readlink(cx, &f->file, at("b"), f->text, sizeof(f->text)));
	weft_async_end(f, 0);
}

static void test_names(void **state)
{
	struct work f = { .n = 0 };

	(void)state;
	put("a", "one");
	assert_int_equal(weft_block_on(rt, names, &f), 0);
	assert_true(has("soft", "one") && has("hard", "one"));
	unlink(at("b")), unlink(at("hard")), unlink(at("soft"));
}

static weft_poll_t folders(struct weft_cx *cx, struct work *f)
{
	weft_async_begin(f);
	OK(weft_file_mkdir(cx, &f->file, at("x"), 0700));
	GIVES(-EEXIST, weft_file_mkdir(cx, &f->file, at("x"), 0700));
	GIVES(-ENOENT, weft_file_mkdir(cx, &f->file, at("p/q/r"), 0700));
	OK(weft_file_mkdir_all(cx, &f->file, at("x/y//z/"), 0700));
	OK(weft_file_mkdir_all(cx, &f->file, at("x/y/z"), 0700));
	OK(weft_file_open(cx, &f->file, at("x/y/file"), O_RDWR | O_CREAT, 0600));
	OK(weft_file_truncate(cx, &f->file, 4096));
	OK(weft_file_stat(cx, &f->file, NULL, &f->st));
	if (f->st.st_size != 4096)
		return -1;
	OK(weft_file_close(cx, &f->file));
	GIVES(-ENOTDIR, weft_file_mkdir_all(cx, &f->file, at("x/y/file/no"), 0700));
	OK(weft_file_chmod(cx, &f->file, at("x/y/file"), 0700));
	GIVES(-EEXIST, weft_file_mkdir_all(cx, &f->file, at("x/y/file"), 0700));
	GIVES(-ENOENT, weft_file_mkdir_all(cx, &f->file, "", 0700));
	GIVES(-ENOTEMPTY, weft_file_rmdir(cx, &f->file, at("x")));
	OK(weft_file_rmdir(cx, &f->file, at("x/y/z")));
	OK(weft_file_symlink(cx, &f->file, at("kept"), at("x/link")));
	OK(weft_file_remove_all(cx, &f->file, at("x")));
	GIVES(-ENOENT, weft_file_remove_all(cx, &f->file, at("x")));
	weft_async_end(f, 0);
}

static void test_folders(void **state)
{
	struct work f = { .n = 0 };

	(void)state;
	put("kept", "kept");
	assert_int_equal(weft_block_on(rt, folders, &f), 0);
	assert_int_equal(access(at("x"), F_OK), -1);
	assert_true(has("kept", "kept"));
	unlink(at("kept"));
}

static weft_poll_t listing(struct weft_cx *cx, struct work *f)
{
	weft_async_begin(f);
	GIVES(-ENOTDIR, weft_dir_open(cx, &f->dir, at("many/0")));
	GIVES(-EBADF, weft_dir_close(cx, &f->dir));
	OK(weft_dir_open(cx, &f->dir, at("many")));
	for (f->n = 0;; f->n++) {
		weft_await(f, weft_dir_read(cx, &f->dir, &f->entry));
		if (f->rc != 1)
			break;
		f->i = (unsigned)atoi(f->entry.name);
		if (f->i >= FILES || f->seen[f->i] || !f->entry.inode ||
		    (f->entry.type != DT_REG && f->entry.type != DT_UNKNOWN))
			return -1;
		f->seen[f->i] = 1;
	}
	if (f->rc || f->n != FILES)
		return -2;
	GIVES(0, weft_dir_read(cx, &f->dir, &f->entry));
	OK(weft_dir_close(cx, &f->dir));
	OK(weft_file_remove_all(cx, &f->file, at("many")));
	weft_async_end(f, 0);
}

static void test_listing(void **state)
{
	struct work f = { .n = 0 };

	(void)state;
	assert_int_equal(mkdir(at("many"), 0700), 0);
	for (unsigned i = 0; i < FILES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/%u", i);
		put(name, "");
	}
	assert_int_equal(weft_block_on(rt, listing, &f), 0);
}

static weft_poll_t whole(struct weft_cx *cx, struct work *f)
{
	const struct weft_file_bytes text = { (char[]){ "some text" }, 9 }, none = { NULL, 0 };

	weft_async_begin(f);
	OK(weft_file_save(cx, &f->file, at("s"), &text));
	OK(weft_file_save(cx, &f->file, at("empty"), &none));
	OK(weft_file_load(cx, &f->file, at("s"), 9, &f->bytes));
	if (f->bytes.bytes != 9 || memcmp(f->bytes.data, "some text", 9) != 0)
		return -1;
	weft_file_unload(&f->bytes);
	GIVES(-EFBIG, weft_file_load(cx, &f->file, at("s"), 8, &f->bytes));
	OK(weft_file_load(cx, &f->file, at("empty"), 0, &f->bytes));
	if (f->bytes.bytes)
		return -2;
	weft_file_unload(&f->bytes);
	OK(weft_file_load(cx, &f->file, "/proc/self/maps", 1 << 24, &f->bytes));
	if (f->bytes.bytes < 100 || !memmem(f->bytes.data, f->bytes.bytes, "stack]", 6))
		return -3;
	weft_file_unload(&f->bytes);
	GIVES(-EFBIG, weft_file_load(cx, &f->file, "/proc/self/maps", 100, &f->bytes));
	OK(weft_file_copy(cx, &f->file, at("s"), at("t"), &f->n));
	if (f->n != 9)
		return -4;
	OK(weft_file_copy(cx, &f->file, "/proc/self/status", at("u"), &f->n));
	if (f->n < 100)
		return -5;
	GIVES(-EINVAL, weft_file_copy(cx, &f->file, at("s"), at("s"), NULL));
	GIVES(-ENOENT, weft_file_copy(cx, &f->file, at("no"), at("v"), NULL));
	GIVES(-EISDIR, weft_file_copy(cx, &f->file, dir, at("t"), NULL));
	weft_async_end(f, 0);
}

static void test_whole_files(void **state)
{
	struct work f = { .n = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, whole, &f), 0);
	assert_true(has("s", "some text") && has("t", "some text"));
	unlink(at("s")), unlink(at("t")), unlink(at("u")), unlink(at("empty"));
}

/* What was loaded for a task that has given up is given back: the address sanitizer looks. */
static weft_poll_t gives_up(struct weft_cx *cx, struct work *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 2 * MS,
				   weft_file_load(cx, &f->file, at("fifo"), 100, &f->bytes)));
	weft_async_end(f, f->rc);
}

static void test_load_given_up(void **state)
{
	struct work f = { .n = 0 };
	int fd;

	(void)state;
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(weft_block_on(rt, gives_up, &f), -ETIMEDOUT);
	fd = open(at("fifo"), O_WRONLY);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	unlink(at("fifo"));
}

int main(void)
{
	char name[] = "/tmp/weft-path-XXXXXX";
	const struct CMUnitTest tests[] = {
		T(test_names),       T(test_folders),       T(test_listing),
		T(test_whole_files), T(test_load_given_up),
	};
	int rc;

	if (!mkdtemp(name) || !realpath(name, dir))
		return 1;
	rc = RUN("runtime/file_path", tests);
	rmdir(dir);
	return rc;
}
