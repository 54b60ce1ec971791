/* SPDX-License-Identifier: MIT */
#include "tui/commands/user_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/config_edit.h"
#include "tui/user.h"

static void default_path(char *path, size_t size)
{
	const char *folder = getenv("XDG_CONFIG_HOME"), *of = user_home();
	int n = -1;

	if (folder && *folder == '/')
		n = snprintf(path, size, "%s/weft/weft.conf", folder);
	else if (of)
		n = snprintf(path, size, "%s/.config/weft/weft.conf", of);
	if (n < 0 || (size_t)n >= size)
		*path = 0;
}

static int find(const struct command *self, const char *option, struct user_config *u)
{
	const char *path = option ? option : getenv("WEFT_CONFIG");

	u->by_default = !path;
	if (u->by_default)
		default_path(u->path, sizeof(u->path));
	else if ((size_t)snprintf(u->path, sizeof(u->path), "%s", path) >= sizeof(u->path))
		return command_error(self, "config: the path is too long");
	return COMMAND_OK;
}

/* 0 also where there is none; else `error` says what is wrong. */
static int read_it(struct user_config *u, char *error, size_t size)
{
	size_t wrong = 0;
	int rc;

	if (access(u->path, F_OK) != 0 && errno == ENOENT)
		return 0;
	rc = config_read(u->path, &u->config, error, size);
	if (rc)
		return rc;
	rc = mutes_new(u->config.mute, &u->mutes, &wrong);
	if (rc == -EINVAL)
		snprintf(error, size, "config %s: mute takes ID PLACE, not '%s'", u->path,
			 u->config.mute[wrong]);
	else if (rc)
		snprintf(error, size, "out of memory");
	return rc;
}

int user_config_open(const struct command *self, const char *option, bool may_lack,
		     struct user_config *ret)
{
	char error[PATH_MAX + 128];
	int rc = find(self, option, ret);

	if (rc != COMMAND_OK || !*ret->path)
		return rc;
	if (!may_lack && !ret->by_default && access(ret->path, F_OK) != 0)
		return command_error(self, "config %s can't be read: %s", ret->path,
				     strerror(errno));
	return read_it(ret, error, sizeof(error)) ? command_error(self, "%s", error) : COMMAND_OK;
}

void user_config_close(struct user_config *u)
{
	mutes_free(u->mutes);
	config_done(&u->config);
	*u = (struct user_config){ .live = NULL };
}

static int change(struct user_config *u, const char *line, bool *ret_muted, char *said, size_t size)
{
	struct user_config now = { .by_default = u->by_default };
	int rc;

	if (u->by_default)
		user_make_folders(u->path);
	rc = config_edit_mute(u->path, line, ret_muted, said, size);
	if (rc)
		return rc;
	/* As the file has it, also what others have changed. */
	snprintf(now.path, sizeof(now.path), "%s", u->path);
	rc = read_it(&now, said, size);
	if (!rc) {
		live_mutes(u->live, now.mutes);
		mutes_free(u->mutes);
		u->mutes = now.mutes;
	}
	config_done(&now.config);
	return rc;
}

int user_config_mute(void *user_config, const struct live_finding *f, char *ret_said, size_t size)
{
	struct user_config *u = user_config;
	char line[MUTES_LINE];
	bool muted = false;
	int rc;

	if (!*u->path) {
		snprintf(ret_said, size, "mutes need a config file: give --config FILE");
		return -ENOENT;
	}
	mutes_line(f, line);
	user_files_begin();
	rc = change(u, line, &muted, ret_said, size);
	user_files_done();
	if (rc)
		return rc;
	snprintf(ret_said, size, "%s %s", muted ? "muted in" : "no longer muted in", u->path);
	return muted;
}
