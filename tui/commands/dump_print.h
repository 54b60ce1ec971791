/* SPDX-License-Identifier: MIT */
/*
 * All tasks as text, JSON or a graph, each with its await chain; process by process, and in each in tree order: parents
 * first.
 */
#ifndef WEFT_DUMP_PRINT_H
#define WEFT_DUMP_PRINT_H

#include "collector/live.h"
#include "tui/json_out.h"

enum dump_print_format { DUMP_PRINT_TEXT, DUMP_PRINT_JSON, DUMP_PRINT_DOT };

struct dump_print {
	enum dump_print_format format;
	FILE *out;
	struct json_out json;
	struct live_header head; /* of the process that the tasks given now belong to */
	uint64_t tasks;
};

void dump_print_begin(struct dump_print *p, enum dump_print_format format, FILE *out,
		      const struct live_header *heads, size_t n);
void dump_print_process(struct dump_print *p, const struct live_header *head);
void dump_print_task(struct dump_print *p, struct live *l, const struct live_task *t);
void dump_print_end(struct dump_print *p);

#endif
