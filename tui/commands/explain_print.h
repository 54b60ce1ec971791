/* SPDX-License-Identifier: MIT */
/* Topics of the knowledge, or parts of them, as text or JSON. */
#ifndef WEFT_EXPLAIN_PRINT_H
#define WEFT_EXPLAIN_PRINT_H

#include <stdio.h>

#include "collector/live.h"
#include "tui/knowledge.h"

/* Which parts of a topic; NULL = all. */
struct explain_filter {
	const char *section;
	const char *from,
		*to; /* runtimes, of migrate: sections that have both, `leaving` from, `arriving` to */
};

void explain_print_list(FILE *out);
void explain_print_topic(const struct knowledge_topic *t, const struct explain_filter *filter,
			 FILE *out);
/* The sections of compat as a table. */
void explain_print_table(const struct knowledge_topic *t, FILE *out);
/* Of a message: what is wrong with it in particular. */
void explain_print_finding(const struct live_finding *f, FILE *out);

void explain_json_list(FILE *out);
/* finding, piece: how the topic was found, NULL = it was named. */
void explain_json_topic(const struct knowledge_topic *t, const struct explain_filter *filter,
			const struct live_finding *finding, FILE *out);

#endif
