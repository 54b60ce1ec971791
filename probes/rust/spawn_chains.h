/* SPDX-License-Identifier: MIT */
/* What spawn_places.c and spawn_results.c share: chains from where tasks are built up to who spawns them. */
#ifndef WEFT_RUST_SPAWN_CHAINS_H
#define WEFT_RUST_SPAWN_CHAINS_H

#include "probes/rust/builder.h"
#include "probes/rust/checks.h"
#include "probes/rust/frame.h"

#define SPAWN_NO_CALLER UINT64_MAX /* a jump leaves none */

enum chain_state { CLIMBS, CHECKED, HANDED, PLACED, FAILED };

struct debug_info;

struct chain {
	uint32_t probe; /* index in the plan, which is not sorted yet */
	uint8_t state;
	uint8_t reg; /* HANDED: the place comes in it */
	bool forked; /* `frame` is that of the function where it forked, `caller` the way it took */
	uint64_t function, point; /* point: an instruction in it */
	uint64_t caller;
	uint64_t place;   /* of the Location */
	const char *text; /* or what the build's lines or names say */
	struct rust_frame frame;
};

/* A call of a function that chains have got to. */
struct site {
	uint64_t function, address, next;
	uint32_t called; /* index of the first chain there */
	bool jump;
	struct rust_value value; /* of the register that the function wants the place in */
};

struct climbed {
	uint64_t function;
	uint32_t probe;
};

struct climb {
	struct rust_builder *b;
	struct rust_callees callees;
	struct rust_checks *checks;
	struct rust_flow *flow; /* of the last function that was looked at for calls */
	uint64_t flow_of;
	struct debug_info *lines; /* while they are asked for */
	struct chain *chain;
	struct site *site;
	struct climbed *climbed;
	uint64_t *point; /* all places where tasks are built, and calls that lead there; sorted when all are known */
	bool *taken; /* by index in `climbed` */
	size_t n_chains, room_chains, n_sites, room_sites, n_climbed, room_climbed, n_points,
		room_points;
	int rc;
};

void spawn_begin(struct climb *c, uint32_t probe); /* a chain for it, of state CLIMBS */
bool spawn_climb(
	struct climb *c,
	enum chain_state state); /* one level up for all chains of that state; false: there is none */

/* spawn_lines.c: for what has no check. */
void spawn_lines_add(struct climb *c);
/* Functions that are called by their address, too: not all ways through them are known. Then adds what is left to the plan. */
void spawn_results_add(struct climb *c);

#endif
