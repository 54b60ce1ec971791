/* SPDX-License-Identifier: MIT */
/*
 * What tasks were labelled with (weft_task_label). Of a bounded number of tasks: a table by the hash of the id in which
 * the later one takes the place. Its memory is taken with the first label.
 */
#ifndef WEFT_MODEL_LABEL_H
#define WEFT_MODEL_LABEL_H

#include <stddef.h>
#include <stdint.h>

#define LABEL_TASKS 4096u
#define LABEL_TEXT  160u

struct label_store {
	struct task_labels *task; /* NULL: none yet */
};

struct label_word {
	const char *text;
	size_t bytes;
};

/* A key that the task has gets the new value. What doesn't fit pushes the oldest labels out; one that is too long is cut. */
void label_store_set(struct label_store *s, uint64_t task, const struct label_word *key,
		     const struct label_word *value);
/* "key=value" two spaces apart, the newest last; "" = none. Good until the next set. */
const char *label_store_get(const struct label_store *s, uint64_t task);
void label_store_done(struct label_store *s);

#endif
