/* SPDX-License-Identifier: MIT */
/* The findings of one run: kept by fingerprint, at most FINDING_MAX, the oldest resolved one gives way. */
#ifndef WEFT_DETECT_FINDING_H
#define WEFT_DETECT_FINDING_H

#include "collector/live.h"

#define FINDING_MAX 256u

struct finding {
	struct live_finding row;
	uint64_t hash, hold_until_ns;
	uint64_t told_ns; /* when the row was last handed on */
	bool fresh;       /* appeared, worsened or was resolved since */
};

struct finding_table {
	struct finding *entry[FINDING_MAX];
	uint32_t n;
	uint64_t key, version;
};

uint64_t finding_hash(const char *id, const char *name, const char *location);
/* The advice ends with where there is more to read: "weft explain ID", after a # where it is a command. */
void finding_more(struct live_finding *f, const char *id);
struct finding *finding_table_find(const struct finding_table *t, uint64_t hash, uint32_t process);
struct finding *finding_table_add(struct finding_table *t,
				  uint64_t hash); /* NULL = full of open ones */
void finding_table_done(struct finding_table *t);
/* Positions by rank: open first, then by severity, harm and age. Writes t->n numbers. */
void finding_table_rank(const struct finding_table *t, uint32_t *ret);

#endif
