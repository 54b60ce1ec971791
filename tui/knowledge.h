/* SPDX-License-Identifier: MIT */
/*
 * The topics of `weft explain`: tui/knowledge/NAME.md, embedded. Everything is static text; knowledge/README.md says how a
 * file is built up.
 */
#ifndef WEFT_KNOWLEDGE_H
#define WEFT_KNOWLEDGE_H

#include <stdbool.h>
#include <stddef.h>

struct knowledge_topic {
	const char *name, *text; /* text: the whole file */
	char title[80];
};
/* The i-th topic by name; NULL after the last. */
const struct knowledge_topic *knowledge_topic(size_t i);
const struct knowledge_topic *knowledge_find(const char *name);

/* What stands between two headings. */
struct knowledge_part {
	char section[32], runtime[16]; /* runtime "": what the section says of all */
	const char *from, *to;
};
/* The first part (`part` all zero), then the one after it; false after the last. */
bool knowledge_part_next(const struct knowledge_topic *t, struct knowledge_part *part);
bool knowledge_part_find(const struct knowledge_topic *t, const char *section, const char *runtime,
			 struct knowledge_part *ret);

/* One line of a part that is to be shown: fences and hidden lines are passed over. */
struct knowledge_line {
	const char *text;
	int length;
	bool code;
	int block;                  /* counts the blocks of code, from 1; 0 outside */
	char language[12], word[8]; /* of that block: "rust", "fails"; "" = none */
	const char *next;
};
/* The first line (`line` all zero), then the one after it; false after the last. */
bool knowledge_line_next(const struct knowledge_part *part, struct knowledge_line *line);

/*
 * The topic with the longest piece of error text, of its section `texts`, that occurs in `text` (case does not count), or
 * NULL. *ret_piece: that piece, ret_length long.
 */
const struct knowledge_topic *knowledge_by_error(const char *text, const char **ret_piece,
						 int *ret_length);

#endif
