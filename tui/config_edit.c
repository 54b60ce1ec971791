/* SPDX-License-Identifier: MIT */
#include "tui/config_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "tui/config.h"

/* "ID PLACE", whatever blanks are between the two. */
static bool same_mute(const char *a, const char *b)
{
	size_t n = strcspn(a, " \t");

	if (n != strcspn(b, " \t") || memcmp(a, b, n) != 0)
		return false;
	a += n;
	b += n;
	return !strcmp(a + strspn(a, " \t"), b + strspn(b, " \t"));
}

/* Is this line of the file that mute? */
static bool says_mute(const char *text, size_t n, const char *line)
{
	auto_free char *copy = strndup(text, n);
	char *equals, *name;

	if (!copy)
		return false;
	copy[strcspn(copy, "#")] = 0;
	equals = strchr(copy, '=');
	if (!equals)
		return false;
	*equals = 0;
	name = config_trim(copy);
	return !strcmp(name, "mute") && same_mute(config_trim(equals + 1), line);
}

/* The new text: without that mute, or with it at the end. */
static void rewrite(const char *text, const char *line, FILE *out, bool *ret_muted)
{
	char last = '\n';

	*ret_muted = true;
	while (*text) {
		size_t n = strcspn(text, "\n");
		size_t whole = n + (text[n] == '\n');

		if (says_mute(text, n, line)) {
			*ret_muted = false;
		} else {
			fwrite(text, 1, whole, out);
			last = text[whole - 1];
		}
		text += whole;
	}
	if (*ret_muted)
		fprintf(out, "%smute = %s\n", last == '\n' ? "" : "\n", line);
}

/* A file in its place looks like it: mode and owner. */
static int keep_looks(int fd, const char *path)
{
	struct stat was, is;

	if (stat(path, &was) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &is) != 0)
		return -errno;
	if ((was.st_uid != is.st_uid || was.st_gid != is.st_gid) &&
	    fchown(fd, was.st_uid, was.st_gid) != 0)
		return -errno;
	return fchmod(fd, was.st_mode & 07777) == 0 ? 0 : -errno;
}

static int write_all(FILE *f, const char *path, const char *text, const char *line, bool *ret_muted)
{
	int rc = keep_looks(fileno(f), path);

	if (rc)
		return rc;
	rewrite(text, line, f, ret_muted);
	return fflush(f) != 0 || fsync(fileno(f)) != 0 ? -errno : 0;
}

static int replace(const char *path, const char *text, const char *line, bool *ret_muted)
{
	char temp[PATH_MAX + 8], error[512];
	struct config c;
	FILE *f;
	int fd, rc;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "w");
	rc = f ? write_all(f, path, text, line, ret_muted) : -errno;
	if (!f)
		close(fd);
	else if (fclose(f) != 0 && !rc)
		rc = -errno;
	/* Nothing takes the old one's place that could not be read again: it may have grown too long. */
	if (!rc) {
		rc = config_read(temp, &c, error, sizeof(error));
		if (!rc)
			config_done(&c);
	}
	if (!rc && rename(temp, path) != 0)
		rc = -errno;
	if (rc)
		unlink(temp);
	return rc;
}

int config_edit_mute(const char *path, const char *line, bool *ret_muted, char *error, size_t size)
{
	auto_free char *real = realpath(path, NULL), *text = NULL;
	struct config c;
	int rc = 0;

	if (real) {
		rc = config_read(real, &c, error, size);
		if (rc)
			return rc;
		config_done(&c);
		rc = config_text(real, &text);
	} else if (errno != ENOENT) {
		rc = -errno;
	}
	if (!rc)
		rc = replace(real ? real : path, text ? text : "", line, ret_muted);
	if (rc)
		snprintf(error, size, "%s can't be written: %s", path, strerror(-rc));
	return rc;
}
