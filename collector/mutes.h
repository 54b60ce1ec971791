/* SPDX-License-Identifier: MIT */
/*
 * Findings that somebody does not want to hear of, by id and place: lines "ID PLACE", as the config file keeps them. A muted finding
 * is counted, not told in full, and changes neither verdict nor exit code. PLACE is the location of the subject, its name where that
 * is not known; '#' and '%' in it are written %23 and %25. Never changes once it is made. Contract for tui/.
 */
#ifndef WEFT_MUTES_H
#define WEFT_MUTES_H

#include <stdbool.h>
#include <stddef.h>

struct live_finding;
struct mutes;

#define MUTES_LINE 640

/* lines: NULL terminated, copied. -EINVAL: one is not "ID PLACE" with the id of a symptom, *ret_wrong is its index. -ENOMEM. */
int mutes_new(const char *const *lines, struct mutes **ret, size_t *ret_wrong);
struct mutes *mutes_free(struct mutes *m);                           /* takes NULL, returns NULL */
bool mutes_has(const struct mutes *m, const struct live_finding *f); /* m may be NULL */
size_t mutes_count(const struct mutes *m);                           /* m may be NULL */
/* The line that mutes this finding: no controls, no '#', no newline. */
void mutes_line(const struct live_finding *f, char ret[MUTES_LINE]);

#endif
