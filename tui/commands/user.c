/* SPDX-License-Identifier: MIT */
#include "tui/commands/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

void user_done(void)
{
	if (geteuid() == getuid())
		return;
	if (seteuid(getuid()) == 0)
		(void)!setegid(getgid());
}
