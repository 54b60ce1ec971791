/* SPDX-License-Identifier: MIT */
/* What is known of mapped files during one walk over /proc: most processes share most files. */
#ifndef WEFT_TARGET_FILES_H
#define WEFT_TARGET_FILES_H

#include <stdbool.h>

#include "probes/symbols/proc_maps.h"

struct target_files;

struct target_files *target_files_new(void);
struct target_files *target_files_free(struct target_files *f);

/* Does the mapped file hold USDT notes of the provider? A file that can't be opened holds none. */
bool target_files_has_notes(struct target_files *f, const struct proc_maps *maps,
			    const struct proc_map *map, const char *provider);

#endif
