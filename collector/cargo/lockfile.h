/* SPDX-License-Identifier: MIT */
/* mixed-runtimes as Cargo.lock shows it: two kinds of runtime, two versions of one, a Tokio-only crate without Tokio. */
#ifndef WEFT_CARGO_LOCKFILE_H
#define WEFT_CARGO_LOCKFILE_H

#include "collector/live.h"

/*
 * Which runtimes this build compiled, by the order of enum lock_kind. Cargo.lock also names what only other targets, tests
 * or features need, so without the build's word a runtime that no package of the workspace names is left out.
 */
enum lock_kind { LOCK_TOKIO, LOCK_ASYNC_STD, LOCK_SMOL, LOCK_KINDS };
struct lock_built {
	bool known, kind[LOCK_KINDS];
};
/* Notes a crate that was compiled, by its name in paths (async_std). */
void lock_built_note(struct lock_built *built, const char *crate);

/*
 * Judges the file; writes up to `max` findings (blank but for what it fills in), returns how many, or -ENOENT and the
 * like, -EINVAL when it is no Cargo.lock, -EFBIG above 64 MiB.
 */
int lockfile_judge(const char *path, const struct lock_built *built, struct live_finding *rows,
		   size_t max);

#endif
