/* SPDX-License-Identifier: MIT */
/*
 * The config file of `weft diagnose` and `weft top`: lines "name = value", # begins a comment. Names are those of the thresholds
 * (weft diagnose --thresholds), of the options only, ignore, fail-on, baseline, and `mute`, as often as there are findings to mute.
 * What the command line says counts more.
 */
#ifndef WEFT_CONFIG_H
#define WEFT_CONFIG_H

#include <stddef.h>

#define CONFIG_ITEMS 128

struct config {
	char *text;                         /* that the rest points into */
	const char *item[CONFIG_ITEMS + 1]; /* "name=value" of thresholds; NULL terminated */
	size_t n;
	const char *mute[CONFIG_ITEMS + 1]; /* "ID PLACE" (collector/mutes.h); NULL terminated */
	size_t mutes;
	const char *only, *ignore, *fail_on, *baseline; /* NULL = not said */
};

/* 0, or a negative errno and one line in `error`. */
int config_read(const char *path, struct config *ret, char *error, size_t size);
void config_done(struct config *c);

/* The file as it is, to be freed; at most 64 KiB of text. */
int config_text(const char *path, char **ret);
char *config_trim(char *s); /* in place */

#endif
