/* SPDX-License-Identifier: MIT */
#include "tui/evidence_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tui/screens/sketch.h"
#include "tui/user.h"

#define MOST_IN_A_SECOND 9

/* Both files; each is NULL until it is there. */
struct pair {
	char stem[PATH_MAX];
	FILE *text, *json;
};

static void name_file(const struct pair *p, const char *ending, char path[PATH_MAX + 8])
{
	snprintf(path, PATH_MAX + 8, "%s.%s", p->stem, ending);
}

static FILE *new_file(const struct pair *p, const char *ending)
{
	char path[PATH_MAX + 8];
	FILE *f;
	int fd;

	name_file(p, ending, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f && fd >= 0)
		close(fd);
	return f;
}

static void drop(const struct pair *p)
{
	char path[PATH_MAX + 8];

	if (p->text) {
		name_file(p, "txt", path);
		unlink(path);
	}
	if (p->json) {
		name_file(p, "json", path);
		unlink(path);
	}
}

static int close_pair(struct pair *p)
{
	int rc = 0;

	if (p->text && fclose(p->text) != 0)
		rc = -errno;
	if (p->json && fclose(p->json) != 0)
		rc = -errno;
	return rc;
}

/* Neither file is there yet, in the first name that is free. */
static int open_pair(struct pair *p, const char *folder, const char *name)
{
	for (int i = 1; i <= MOST_IN_A_SECOND; i++) {
		char again[8] = "";

		if (i > 1)
			snprintf(again, sizeof(again), "-%d", i);
		if ((size_t)snprintf(p->stem, sizeof(p->stem), "%s%s%s", folder, name, again) >=
		    sizeof(p->stem))
			return -ENAMETOOLONG;
		p->text = new_file(p, "txt");
		if (p->text)
			p->json = new_file(p, "json");
		if (p->json)
			return 0;
		if (p->text) {
			int rc = -errno;

			drop(p);
			fclose(p->text);
			p->text = NULL;
			errno = -rc;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int write_pair(const struct pair *p, const struct live_finding *f, unsigned kinds)
{
	int rc = live_finding_text(f, true, p->text);

	fputc('\n', p->text);
	if (!rc)
		rc = live_finding_text(f, false, p->text);
	sketch_text(f->id, kinds, p->text);
	if (!rc)
		rc = live_finding_json(f, p->json);
	if (!rc && (fflush(p->text) != 0 || fflush(p->json) != 0))
		rc = -errno;
	return rc;
}

static int save_in(const char *folder, const char *name, const struct live_finding *f,
		   unsigned kinds, struct pair *p)
{
	int rc = open_pair(p, folder, name), closed;

	if (rc)
		return rc;
	rc = write_pair(p, f, kinds);
	closed = close_pair(p);
	if (!rc)
		rc = closed;
	if (rc)
		drop(p);
	return rc;
}

/* "" = there is none. */
static void state_folder(char folder[PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = user_home();
	int n = -1;

	if (state && *state == '/')
		n = snprintf(folder, PATH_MAX, "%s/weft/", state);
	else if (home)
		n = snprintf(folder, PATH_MAX, "%s/.local/state/weft/", home);
	if (n < 0 || n >= PATH_MAX)
		*folder = 0;
}

void evidence_save(const struct live_finding *f, unsigned kinds, char *ret_said, size_t size)
{
	char name[80], stamp[24], folder[PATH_MAX] = "";
	time_t now = time(NULL);
	struct pair p = { .text = NULL };
	struct tm tm;
	int rc;

	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
	snprintf(name, sizeof(name), "weft-finding-%s-%s", f->id, stamp);
	user_files_begin();
	rc = save_in("", name, f, kinds, &p);
	if (rc == -EACCES || rc == -EROFS || rc == -EPERM) {
		state_folder(folder);
		if (*folder) {
			user_make_folders(folder);
			rc = save_in(folder, name, f, kinds, &p);
		}
	}
	user_files_done();
	if (rc)
		snprintf(ret_said, size, "can't write %s%s.txt: %s", folder, name, strerror(-rc));
	else
		snprintf(ret_said, size, "written to %s.txt and .json", p.stem);
}
