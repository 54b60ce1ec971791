/* SPDX-License-Identifier: MIT */
#include "tui/user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "probes/base/cleanup.h"

static bool id_from(const char *variable, unsigned long *ret)
{
	const char *text = getenv(variable);
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *end == 0 && errno == 0 && *ret < 0xffffffffu;
}

bool user_invoking(uid_t *ret_uid, gid_t *ret_gid)
{
	unsigned long uid, gid;

	if (getuid() != 0 || !id_from("SUDO_UID", &uid) || uid == 0)
		return false;
	if (!id_from("SUDO_GID", &gid))
		return false;
	*ret_uid = (uid_t)uid;
	*ret_gid = (gid_t)gid;
	return true;
}

const char *user_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *p;
	uid_t uid = getuid();
	unsigned long behind;
	gid_t gid;

	/* A session gives root's rights away; HOME is root's even so. */
	if (!user_invoking(&uid, &gid) && (!id_from("SUDO_UID", &behind) || behind != uid))
		return home && *home == '/' ? home : NULL;
	p = getpwuid(uid);
	return p && *p->pw_dir == '/' ? p->pw_dir : NULL;
}

void user_make_folders(const char *path)
{
	char folder[PATH_MAX];

	for (const char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(s - path), path);
		(void)mkdir(folder, 0700);
	}
}

void user_own_file(const char *path)
{
	auto_close int fd = -1;
	struct stat st;
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0 || !user_invoking(&uid, &gid))
		return;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != 0)
		return;
	if (fchown(fd, uid, gid) == 0)
		(void)fchmod(fd, 0600);
}

void user_begin(void)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0 || !user_invoking(&uid, &gid))
		return;
	if (setegid(gid) != 0 || seteuid(uid) != 0)
		user_done();
}

void user_files_begin(void)
{
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0 || !user_invoking(&uid, &gid))
		return;
	setfsgid(gid);
	setfsuid(uid);
}

void user_files_done(void)
{
	setfsuid(geteuid());
	setfsgid(getegid());
}

void user_done(void)
{
	if (geteuid() == getuid())
		return;
	if (seteuid(getuid()) == 0)
		(void)!setegid(getgid());
}
