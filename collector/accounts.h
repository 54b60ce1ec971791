/* SPDX-License-Identifier: MIT */
/*
 * Exact accounting: produced = stored + lost + filtered + expired, by (process, kind).
 *
 * The target says what it emitted and filtered (EV_COUNTS), decode counts what arrived, the output what was passed on.
 * While it runs, produced is the sum of the rest, and what a lane's batch headers show to be missing waits in a
 * row of kind 0. At the end (COUNTS flagged LAST) produced is the target's own figure, and what did not arrive is lost, as far
 * as a gap was reported. What does not add up then is left standing in the row and told as an error; nothing is absorbed.
 *
 * Threads: all but accounts_rows and accounts_error belong to the engine thread; those two read what
 * accounts_publish last made public, under a lock.
 */
#ifndef WEFT_ACCOUNTS_H
#define WEFT_ACCOUNTS_H

#include <stdbool.h>

#include "collector/engine.h"

#define ACCOUNTS_MAX_PROCESSES WEFT_PROCESSES_MAX

struct accounts;

/* Counters of one process; decode and the output write them in place. */
struct account_process {
	uint64_t decoded[WEFT_EV_KINDS]; /* arrived */
	uint64_t passed[WEFT_EV_KINDS];  /* went to the consumer and the store */
	uint64_t dropped[WEFT_EV_KINDS]; /* flat events that found the queue full */
	uint64_t unsaved[WEFT_EV_KINDS]; /* passed, but the store could not write them */
	uint64_t expired[WEFT_EV_KINDS];
	uint64_t kept_lost[WEFT_EV_KINDS]; /* replay: lost when it was recorded */
	uint64_t kept_expired[WEFT_EV_KINDS];
	struct weft_ev_counts counts;
	struct weft_ev_lost kernel;
	uint64_t gaps, gap_records;           /* gaps seen; records known to be missing */
	bool there, counted, final, gap_open; /* gap_open: a gap of unknown size */
};

int accounts_new(struct accounts **ret);
struct accounts *accounts_free(struct accounts *a);
/* Counters of a process; NULL = index out of bounds or no memory. */
struct account_process *accounts_of(struct accounts *a, uint32_t process);
/* Error met outside; kept when there is room (the number is always right). */
void accounts_tell(struct accounts *a, uint32_t process, uint32_t kind, const char *text);
/* Nothing more comes: settles what is lost and cross-checks. */
void accounts_settle(struct accounts *a);
void accounts_publish(struct accounts *a);

/* Row i of what was last published, for the engine thread; false = there are fewer. */
bool accounts_row(const struct accounts *a, size_t i, struct engine_account *ret);
int accounts_rows(struct accounts *a, struct engine_account *rows, size_t max);
int accounts_errors(struct accounts *a, struct engine_account_error *rows, size_t max);

/* "task-poll", "off-cpu", ...; "unsettled" for 0, NULL for kinds that don't exist. */
const char *accounts_kind_name(unsigned kind);
int accounts_kind_of(const char *name); /* -1 = none */

#endif
