/* SPDX-License-Identifier: MIT */
/* What is known of mapped files during one walk over /proc: most processes share most files. */
#ifndef WEFT_TARGET_FILES_H
#define WEFT_TARGET_FILES_H

#include <stdbool.h>

#include "probes/rust/plan.h"
#include "probes/symbols/proc_maps.h"

struct target_files;

struct target_files *target_files_new(void);
struct target_files *target_files_free(struct target_files *f);

/* Does the mapped file hold USDT notes of the provider? A file that can't be opened holds none. */
bool target_files_has_notes(struct target_files *f, const struct proc_maps *maps,
			    const struct proc_map *map, const char *provider);

/* What Rust libraries the mapped file was built with (rust_plan_glance). Returns how many; *ret belongs to f. */
uint32_t target_files_libraries(struct target_files *f, const struct proc_maps *maps,
				const struct proc_map *map, const struct rust_library **ret);
/* The analysis of a mapped file. NULL = it holds no runtime, or can't be read. Belongs to f. */
const struct rust_plan *target_files_plan(struct target_files *f, const struct proc_maps *maps,
					  const struct proc_map *map);

#endif
