/* SPDX-License-Identifier: MIT */
/* A synthetic session with a bit of everything: all kinds of records, two processes, stacks, samples. */
#ifndef WEFT_SCENARIO_H
#define WEFT_SCENARIO_H

#include "tests/support/fake_session.h"
#include "tests/support/synth.h"

/* `turns` of about 2.5 us with 3 records each; complete (synth_finish was called). lose_at: the turn in which one open batch of lane 1
 * is lost, 0 = none. */
struct synth *scenario_new(unsigned turns, unsigned lose_at);

/* Runs it through an engine with a fake session into a recording, and waits for the end. Returns engine_stop's code;
 * rows/n: accounting (may be NULL). */
int scenario_record(const struct synth *s, const char *path, uint64_t max_bytes,
		    const struct engine_consumer *consumer, struct engine_account *rows, int *n);

/* A fresh path under /tmp, unlinked with its -wal and -shm by scenario_unlink. */
void scenario_path(char path[64], const char *name);
void scenario_unlink(const char *path);

/* Every row adds up. */
int scenario_exact(const struct engine_account *rows, int n);

#endif
