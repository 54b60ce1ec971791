/* SPDX-License-Identifier: MIT */
/*
 * The config file of `weft diagnose`: lines "name = value", # begins a comment. Names are those of the thresholds
 * (weft diagnose --thresholds) and of the options only, ignore, fail-on, baseline. What the command line says counts more.
 */
#ifndef WEFT_CONFIG_H
#define WEFT_CONFIG_H

#include <stddef.h>

#define CONFIG_ITEMS 128

struct config {
	char *text;                         /* that the rest points into */
	const char *item[CONFIG_ITEMS + 1]; /* "name=value" of thresholds; NULL terminated */
	size_t n;
	const char *only, *ignore, *fail_on, *baseline; /* NULL = not said */
};

/* 0, or a negative errno and one line in `error`. */
int config_read(const char *path, struct config *ret, char *error, size_t size);
void config_done(struct config *c);

#endif
