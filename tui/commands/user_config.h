/* SPDX-License-Identifier: MIT */
/* The config file that counts for a command, what it mutes, and how the console changes that. */
#ifndef WEFT_USER_CONFIG_H
#define WEFT_USER_CONFIG_H

#include <limits.h>

#include "collector/live.h"
#include "collector/mutes.h"
#include "tui/command.h"
#include "tui/config.h"

struct user_config {
	char path[PATH_MAX]; /* "" = none */
	bool by_default;     /* nobody named it */
	struct config config;
	struct mutes *mutes;
	struct live *live; /* borrowed: where a change of mutes goes; NULL = nowhere */
};

/*
 * --config, else $WEFT_CONFIG (empty: no config at all), else weft/weft.conf in $XDG_CONFIG_HOME or ~/.config, of the user behind
 * sudo; that last one need not be there, nor any where may_lack. COMMAND_OK, or it is told what is wrong.
 */
int user_config_open(const struct command *self, const char *option, bool may_lack,
		     struct user_config *ret);
void user_config_close(struct user_config *u);
/* Mutes the finding in the file and in `live` (1), or no longer (0), or fails; says in one line how that went. For screen.h. */
int user_config_mute(void *user_config, const struct live_finding *f, char *ret_said, size_t size);

#endif
