/* SPDX-License-Identifier: MIT */
/*
 * What one ELF file tells of the Rust runtimes inside it, and where to put probes. Made once per file from
 * its bytes alone, without a process; kept for the next who asks (cache.c). All addresses are link-time
 * addresses of that file. Symbols and DWARF only add names: what is found is found by shape, so it is
 * found in a stripped file too. The file is hostile input.
 */
#ifndef WEFT_RUST_PLAN_H
#define WEFT_RUST_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/symbols/elf_file.h"

enum rust_family { RUST_TOKIO = 1, RUST_ASYNC_TASK }; /* how tasks are laid out */

/* What the thread is about to do, or has done, at a probe. `reg` says where the argument is. */
enum rust_probe_kind {
	RUST_POLL_BEGIN = 1, /* reg = task header; the poll begins */
	RUST_POLL_END,       /* the poll is over; the task may be gone */
	RUST_SPAWN,          /* a task of type `type` is being built */
	RUST_WAKE,           /* reg = header; a waker was used, by value or by reference */
	RUST_SCHEDULE,       /* reg = header; made runnable */
	RUST_COMPLETE,       /* reg = header; inside the poll: it ended */
	RUST_ABORT,          /* reg = header; JoinHandle::abort and the like */
	RUST_HANDLE_DROP,    /* reg = header; the join handle goes */
	RUST_SHUTDOWN,       /* reg = header; the runtime cancels it */
	RUST_DEALLOC,        /* reg = header */
	RUST_PANIC,
	RUST_STEAL,
	RUST_PARK,
	RUST_UNPARK, /* a worker's */
	RUST_DRIVER_BEGIN,
	RUST_DRIVER_END,   /* wakes in between come from IO */
	RUST_TIMERS_BEGIN, /* Tokio: reg = the tick it is */
	RUST_TIMERS_END,   /* wakes in between come from timers */
	RUST_TIMER_ARM,    /* Tokio: reg = rdi in TimerEntry::reset, none in Handle::reregister */
	RUST_TIMER_DROP,   /* async-io: taken out, fired or not */
};

/* Which loop polls there. */
enum rust_poller {
	RUST_BY_WORKER = 1,
	RUST_BY_CURRENT_THREAD,
	RUST_BY_BLOCKING_POOL,
	RUST_BY_OTHER
};

struct rust_probe {
	uint64_t address; /* of the instruction, already moved to one that the kernel emulates where one is */
	uint64_t offset; /* in the file */
	uint8_t kind;    /* enum rust_probe_kind */
	uint8_t family;
	uint8_t reg; /* DWARF number (0 rax 1 rdx 2 rcx 3 rbx 4 rsi 5 rdi 6 rbp 7 rsp 8..15), 255 = none */
	uint8_t poller; /* POLL_END: enum rust_poller; at POLL_BEGIN 0, which is at the polls' own entries, or RUST_BY_OTHER: all types pass there */
	bool emulated;  /* false: each hit is single-stepped, 20 times the cost */
	bool late; /* WAKE: behind what changes the task's state, which says that it is notified */
	uint32_t type; /* SPAWN: index in types; UINT32_MAX = none */
	/*
	 * SPAWN: the instruction that names the type; where who spawned is told by a return address, it is at `reg` +
	 * `caller` bytes when the probe is hit (reg: rsp or rbp).
	 */
	uint64_t reference;
	uint32_t caller;
};

/* Where the tasks are spawned that are built at a SPAWN probe when its return address is `caller`, 0 = whatever it is. */
struct rust_spawn_place {
	uint64_t probe, caller; /* addresses */
	const char *place; /* "src/x.rs:12:5", "src/x.rs:12" or, where no lines are told, "fn name" */
};

/* One task type: a monomorphised vtable. */
struct rust_type {
	uint64_t vtable;
	uint64_t poll; /* the function */
	uint8_t family;
	bool blocking;     /* a job of the blocking pool, not an async task */
	uint32_t size;     /* bytes of a task's block; 0 = not known */
	const char *name;  /* full, demangled; NULL = no names in this file */
	const char *brief; /* for a table's column; NULL likewise */
	const char *place; /* "src/x.rs:12:5" where the future is defined; NULL = not known */
	const char *
		spawned; /* likewise, where all tasks of the type are; NULL = at several places, or not known */
	int32_t id_offset, trailer_offset; /* Tokio: from the header; -1 = not known */
	int32_t schedule_offset; /* async-task: of what its schedule function has; 0 = not known */
};

/* One runtime library found. */
struct rust_library {
	char crate[24], version[24]; /* "tokio", "1.53.1"; version "" = not known */
	uint8_t family; /* 0: async-io, mio and the like, which explain a runtime but have no tasks */
};

/* Fields of a task header, by family; -1 = not known. */
struct rust_layout {
	int32_t state, vtable, owner, queue_next;
};

struct rust_gap {
	const char *what, *why;
}; /* as in `cannot_see` */

struct rust_plan {
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	bool stripped, has_lines;
	struct rust_library *libraries;
	uint32_t n_libraries;
	struct rust_type *types;
	uint32_t n_types; /* by vtable, ascending */
	struct rust_probe *probes;
	uint32_t n_probes; /* by kind, then address */
	struct rust_spawn_place *spawn_places;
	uint32_t n_spawn_places; /* by probe, then caller */
	struct rust_gap *gaps;
	uint32_t n_gaps;
	const char **can_see;
	uint32_t n_can_see;
	struct rust_layout layout[3]; /* by family */
};

/*
 * Reads the file: 0, -ENOENT no runtime in it, -ENOEXEC, -EINVAL, -ENOMEM. fd is borrowed. All strings belong
 * to the plan. Thread-safe; up to 2 s and 500 MB for a file of 100 MB. Plans are shared (cache.c): who asks for the
 * same file gets the same one, which must not be written to.
 */
int rust_plan_new(int fd, struct rust_plan **ret);
struct rust_plan *rust_plan_free(struct rust_plan *plan); /* takes NULL, returns NULL */

/* In a few ms and from a part of the file: may there be a runtime, which, which version. Same results. */
int rust_plan_glance(int fd, struct rust_library *ret, uint32_t max, uint32_t *ret_n);
/* The same look: is one of them a runtime? False where the file can't be read as one. */
bool rust_plan_has_runtime(int fd);

/* Others are left out: where the kernel has to step an instruction a hit takes 11 us. */
bool rust_plan_is_placed(const struct rust_probe *at);

/* Begins and ends of polls of async tasks, placed, of at least one family: those of the blocking pool's jobs alone say nothing of them. */
bool rust_plan_has_polls(const struct rust_plan *plan);

bool rust_plan_has_types(const struct rust_plan *plan, uint8_t family);

/* Tokio: by TimerEntry::reset(self, Instant), at whose entry the probe is; else by Handle::reregister. */
bool rust_plan_arms_by_deadline(const struct rust_plan *plan);

/* Single timers of a family are seen: where they are armed and where they fire is placed, all of it. */
bool rust_plan_has_timers(const struct rust_plan *plan, uint8_t family);

const struct rust_type *rust_plan_type(const struct rust_plan *plan,
				       uint64_t vtable); /* NULL = unknown */

#endif
