/* SPDX-License-Identifier: MIT */
#ifndef WEFT_CONFIG_EDIT_H
#define WEFT_CONFIG_EDIT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Adds "mute = LINE" (LINE: mutes_line) to the config file, or takes it out where it is in. The rest of the file stays as it is, with
 * its mode and owner; a new one has mode 0600. It is replaced in one step; where it is a link, the file behind it is.
 * *ret_muted: is it in now? 0, or a negative errno and one line in `error`; the file is then as before.
 */
int config_edit_mute(const char *path, const char *line, bool *ret_muted, char *error, size_t size);

#endif
