/* SPDX-License-Identifier: MIT */
/*
 * Findings from a build: what cargo --message-format=json, or rustc --error-format=json, prints. Contract for tui/.
 * One run at a time on one thread; pure but for reading Cargo.lock.
 */
#ifndef WEFT_CARGO_H
#define WEFT_CARGO_H

#include <stddef.h>
#include <stdio.h>

#include "collector/baseline.h"
#include "collector/live.h"
#include "collector/mutes.h"

struct cargo_run;

struct cargo_options {
	const char *only, *ignore; /* comma lists of symptom ids, NULL = all, none */
	const char *lock_path; /* Cargo.lock; NULL = that of the package that the messages name */
	const struct baseline *baseline; /* borrowed; NULL = none */
	const struct mutes *mutes;       /* borrowed; NULL = none */
	bool with_lock; /* false: mixed-runtimes is left unchecked when lock_path is NULL */
};

/* -EINVAL: an unknown id, `error` says which. -ENOMEM. */
int cargo_run_new(const struct cargo_options *options, struct cargo_run **ret, char *error,
		  size_t size);
struct cargo_run *cargo_run_free(struct cargo_run *run); /* takes NULL, returns NULL */

enum cargo_line {
	CARGO_OTHER,   /* no JSON of cargo or rustc: a program's own output */
	CARGO_NOTE,    /* artifacts and the like */
	CARGO_MESSAGE, /* a diagnostic */
};
struct cargo_told {                         /* valid until the next line */
	const char *rendered;               /* rustc's own text; NULL = none */
	const struct live_finding *finding; /* new with this message; NULL = none */
	bool explained;                     /* by that or an earlier finding */
};
enum cargo_line cargo_run_line(struct cargo_run *run, const char *line, size_t n,
			       struct cargo_told *ret);
/* Messages as people see them, in a text without colours. Returns how many there were. */
int cargo_run_text(struct cargo_run *run, const char *text);
/* All lines of a file, then cargo_run_end. -ENODATA: no message of a compiler in it. */
int cargo_run_read(struct cargo_run *run, FILE *in);
/* Reads Cargo.lock, joins what one command mends. After the last line. */
void cargo_run_end(struct cargo_run *run);

/* The i-th finding in the order in which they came; NULL after the last. Borrowed. */
const struct live_finding *cargo_run_finding(const struct cargo_run *run, size_t i);

/* The forms of `weft diagnose` (collector/report*.c). */
int cargo_report_json(struct cargo_run *run, FILE *out);
int cargo_report_text(struct cargo_run *run, FILE *out);
int cargo_exit_code(struct cargo_run *run, enum live_severity fail_on);

#endif
