/* SPDX-License-Identifier: MIT */
/* What the files source_tokio*.c share: processes on an unmodified Tokio, or on async-task (async-std, smol). */
#ifndef WEFT_SOURCE_TOKIO_INTERNAL_H
#define WEFT_SOURCE_TOKIO_INTERNAL_H

#include "probes/attach_group.h"
#include "probes/rust/plan.h"
#include "probes/rust/walk.h"
#include "probes/session_internal.h"
#include "probes/source_tokio_window.h"

struct tokio_bpf;

/*
 * Ends and begins of polls, always or in windows; those of raised types, with which the ends stay; what `normal` adds. Taken out the
 * other way round: a begin without its end would look like a poll that never ends.
 */
enum tokio_set { TOKIO_ENDS, TOKIO_POLLS, TOKIO_RAISED, TOKIO_MORE, TOKIO_SETS };

/* The session's side of one row. */
struct tokio_lane {
	struct process *owner; /* NULL = free */
	uint32_t tid, roles;   /* as told */
	uint32_t role, runtime, worker, generation;
	int schedstat; /* fd, -1 = none */
	uint64_t cpu_base_ns, runq_base_ns, cpu_ns, runq_ns;
	uint64_t open_told; /* task of a long open poll that was told last */
	struct tokio_estimate estimate;
	struct tokio_look look;
	struct tokio_unseen unseen;
	uint64_t list;  /* number of its runtime's list of tasks, as its row said last */
	bool counted;   /* as a worker of its runtime */
	bool left;      /* its thread has ended; records of it may still be in the ring */
	uint32_t depth; /* tasks in its own queue at the last look */
};

#define TOKIO_PLAIN_FILES 256u
#define TOKIO_RUNTIMES    (4 * WEFT_MAX_RUNTIMES) /* as many as the collector has rows for */
#define TOKIO_NO_ROOM     (TOKIO_RUNTIMES + 1)    /* of all others: none is told with it */

/* A file without a Rust runtime in it: programs of a command's tree are looked at again and again. */
struct tokio_plain {
	uint64_t device, inode, changed_ns;
};

struct tokio_state {
	struct session *session;
	struct tokio_plain
		plain[TOKIO_PLAIN_FILES]; /* the newest, [plains % TOKIO_PLAIN_FILES] is next */
	uint32_t plains;
	struct tokio_bpf *skel;
	struct weft_rust *rust; /* shared with the programs */
	struct tokio_lane lane[WEFT_ROW_MAX];
	uint32_t lanes_used;  /* those in use are below it */
	uint64_t claims_seen; /* of the programs' count of rows taken */
};

/* What of a row is left when its thread has gone. */
struct tokio_counts {
	uint64_t emitted[WEFT_ROW_KINDS], filtered[WEFT_ROW_KINDS], lost[WEFT_ROW_KINDS];
	uint64_t hits, polls, unpaired, odd_type, odd_state;
	uint64_t polls_told; /* with those between windows */
};

/* A worker's own queue, and the parker that tells whose it is. */
struct tokio_queue {
	uint64_t queue, parker; /* in the target */
	uint32_t lane_plus;     /* its worker's lane + 1, 0 = not known */
	bool buffer_first;      /* the order that the compiler gave its fields */
};

struct tokio_runtime {
	uint32_t id, workers; /* workers: the most that were seen, or all that it was built with */
	uint32_t threads;     /* lanes that poll its tasks now */
	uint16_t flavour;
	bool idle;                 /* made for tasks that no thread polls */
	uint64_t owner;            /* number of its list of tasks, 0 = none */
	uint64_t handle;           /* of its scheduler, in the target; 0 = not found yet */
	struct tokio_queue *queue; /* one per worker, NULL = not found */
	uint32_t queues, looks;
	int32_t inject_at; /* place of the common queue's length in the handle; 0 = not known */
	uint32_t inject;   /* its length at the last look */
};

/* Spawns whose task has not been seen yet, oldest first. */
struct tokio_birth {
	struct weft_ev ev;
	uint64_t parent;
	uint64_t id_before; /* the new one's id is larger */
	uint32_t site;      /* of its type, + 1 */
	uint32_t spawned;   /* site of its type and of the place of its spawn */
};
struct tokio_births {
	struct tokio_birth *waiting;
	uint32_t first, n, room; /* room: a power of two, or 0 */
};

/* Done, and somebody has, or had at the end, the handle. */
struct tokio_kept_task {
	uint64_t header, task, since_ns;
	uint32_t site;
};
struct tokio_kept {
	struct tokio_kept_task *task;
	uint32_t n, room;
};

/* One type, or one task, whose polls are all told at light, too. */
struct tokio_raise {
	bool *type;    /* by index in the plan; NULL = nothing is raised */
	uint64_t task; /* of these types only this one, 0 = all */
};

/* Hits that polls would have had at normal. */
struct tokio_load {
	double poll_hits, normal_ns; /* of one, as last seen there; of all so far */
	uint64_t polls, hits;        /* when asked last */
	bool normal;
};

struct tokio_process {
	struct process *p;
	struct tokio_state *state;
	struct rust_plan *plan;
	int file; /* the ELF file that the plan is of */
	struct attach_group group[TOKIO_SETS];
	struct tokio_counts gone; /* of rows that are free again */
	struct tokio_births births;
	struct tokio_kept kept;
	uint32_t *place_site; /* of the plan's spawn places, by index */
	bool *unborn;         /* by type: spawns of it are not seen, or not all */
	struct {
		uint64_t seen;   /* the largest so far of what the programs told */
		uint64_t walked; /* the largest that a walk met */
		uint64_t found;  /* the largest of a task that was there before the probes */
	} ids[3];                /* by family */
	uint64_t walked_ns;      /* when the last walk was over */
	uint64_t bias; /* of addresses in the file, once the handle of a runtime was found */
	uint64_t spawns, steals, depths; /* events made here */
	struct tokio_runtime runtime[TOKIO_RUNTIMES];
	uint32_t runtimes;
	uint64_t dropped[WEFT_ROW_KINDS]; /* came when they could not be told any more */
	uint64_t lost_told;
	uint32_t last_tid, last_lane;
	struct tokio_census *census; /* NULL until the first is due */
	struct tokio_executors *executors;
	struct tokio_block_on *block_on; /* NULL until its first look */
	struct tokio_current current;
	struct tokio_window *window;
	struct tokio_raise raise;
	struct tokio_load load;
	uint64_t light_ns; /* since when it is at light, 0 = it is not */
	bool said_light, said_odd_type, said_odd_state, said_unpaired, self_tested, looked_for_open;
	bool doubted;    /* said_odd_state, and of so many that no verdict is to rest on tasks */
	bool lanes_left; /* some have `left` */
	bool said_runtimes, said_rowless;
};

static inline struct tokio_process *tokio_of(const struct process *p)
{
	return p->of_source[SOURCE_TOKIO];
}

static inline const struct weft_row *tokio_row(const struct tokio_state *state, uint32_t lane)
{
	return &state->session->rows[lane];
}

/* Site of a type, by its index in the plan. */
static inline uint32_t tokio_site(uint32_t type)
{
	return type < WEFT_MAX_SITES ? type : WEFT_MAX_SITES - 1;
}

/* ---- source_tokio_attach.c ---- */

int source_tokio_open(struct session *s, void **ret_state);
void source_tokio_close(void *state);
int source_tokio_attach(void *state, struct process *p, int exe_fd);
void source_tokio_detach(void *state, struct process *p);
int source_tokio_level(void *state, struct process *p, enum weft_level level);
int tokio_place(struct tokio_process *w, enum tokio_set set);
/* Begins, and ends where they are not in already; ends stay while something is raised. */
int tokio_place_polls(struct tokio_process *w);
void tokio_take_out_polls(struct tokio_process *w);
void tokio_stop(struct tokio_process *w); /* takes all probes out: no hit comes after it */

/* ---- source_tokio_raise.c: one type or task of which all is told ---- */

/* All types whose name or place has this part, or one of those that commas separate. -EINVAL: there is none; -EOPNOTSUPP: not in this program. */
int tokio_raise_check(const struct tokio_process *w, const char *name); /* are there such? */
int tokio_raise_named(struct tokio_process *w, const char *name);
/* The type of a site, the same results; task: only this one of it, 0 = all. */
int tokio_raise_site(struct tokio_process *w, uint32_t site, uint64_t task);
void tokio_lower(struct tokio_process *w);
void tokio_tell_raised(struct tokio_process *w);
const char *tokio_raise_error(int err);
static inline bool tokio_is_raised(const struct tokio_process *w)
{
	return w->raise.type;
}

/* ---- source_tokio_lanes.c: threads ---- */

void tokio_tell_lanes(struct tokio_state *state); /* those that are new or have changed */
void tokio_lanes_leave(struct tokio_process *w);  /* looks which threads have ended */
/* Of those threads, once the ring was read beyond their end; all: of every thread. */
void tokio_end_lanes(struct tokio_process *w, bool all);
void tokio_lanes_quiet(struct tokio_process *w); /* what the scheduler's programs count is final */
bool tokio_lane_of(struct tokio_process *w, uint32_t tid, uint32_t *ret_lane);
void tokio_sample_lanes(struct tokio_process *w, uint16_t flags);
void tokio_sum(const struct tokio_process *w, struct tokio_counts *ret);

/* ---- source_tokio_open.c: polls that were open before the probes came ---- */

/* Once, soon after they are in. */
void tokio_find_open(struct tokio_process *w);
/* ---- source_tokio_current.c: the current task of a thread, read from its memory ---- */

/* To be called while polls are watched. True: it is known where, and of all threads. */
bool tokio_current_learn(struct tokio_process *w);
/* False: not known. 0 = the thread polls nothing. What is read may also be a job of the blocking pool. */
bool tokio_current_read(const struct tokio_process *w, uint32_t lane, uint64_t *ret_task);

/* ---- source_tokio_window.c: at light polls are watched in windows ---- */

void tokio_window_step(struct tokio_process *w);
/* Waits until the window is open or closed: the set of probes is the caller's then. */
void tokio_window_settle(struct tokio_process *w);
/* Polls are not watched now. */
bool tokio_window_shut(const struct tokio_process *w);
/* Nor their ends: what a row says of open ones is old. */
bool tokio_window_blind(const struct tokio_process *w);
/* To be called when no hit comes any more. */
void tokio_window_blank(struct tokio_process *w);
/* Level above light: opened for good. */
int tokio_window_hold(struct tokio_process *w);
void tokio_window_met(struct tokio_process *w, const struct rust_walk_task *t);
/* Counters up to now; polls that are open and not seen by a probe. */
void tokio_window_sample(struct tokio_process *w, uint32_t lane, const struct weft_row *row,
			 struct weft_ev_lane_sample *e);
bool tokio_window_unseen(struct tokio_process *w, uint32_t lane, struct poll_now *ret);

/* ---- source_tokio_events.c: what is told beside the programs' records ---- */

struct weft_ev tokio_event(const struct tokio_process *w, uint16_t kind, uint16_t flags);
void tokio_go_live(struct tokio_process *w); /* tells its types, and what can't be seen */
void tokio_say_refused(const struct tokio_process *w,
		       enum tokio_set set); /* places, once they were tried */
void tokio_tell_counts(struct tokio_process *w, uint16_t flags);
void tokio_self_test(struct tokio_process *w);
/* enum weft_single_timers: of which it is seen where they are armed and where they fire. */
uint32_t tokio_single_timers(const struct rust_plan *plan);

/* ---- source_tokio_places.c: types, and where their tasks are spawned, as sites ---- */

void tokio_tell_sites(struct tokio_process *w);
void tokio_set_types(struct tokio_process *w,
		     bool there); /* for the programs: vtables, and which of them are raised */
/* The type of a site, by its index in the plan; UINT32_MAX = of none. */
uint32_t tokio_type_of_site(const struct tokio_process *w, uint32_t site);
uint32_t tokio_type_of_place(const struct tokio_process *w, uint32_t place); /* of a spawn */
/* Tasks of that type come without their spawn, so its absence says nothing of when they came. */
static inline bool tokio_is_unborn(const struct tokio_process *w, uint32_t type)
{
	return w->unborn && type < w->plan->n_types && w->unborn[type];
}
/* Of a task that is built at a probe (index in the plan); caller: as in struct weft_raw_spawn. */
uint32_t tokio_spawn_site(const struct tokio_process *w, uint32_t probe, int64_t caller);

/* ---- source_tokio_runtimes.c: which threads belong together ---- */

/*
 * The runtime whose tasks a thread polls, as its roles and its list's number tell; made at need. 0 = none. A number is
 * used again when its runtime is gone.
 */
uint32_t tokio_runtime_of(struct tokio_process *w, uint32_t roles, uint64_t owner);
/* A runtime that has tasks, and no thread that polls one of them. */
uint32_t tokio_runtime_undriven(struct tokio_process *w, uint64_t owner);
uint32_t tokio_runtime_idle(
	struct tokio_process *w); /* a new one of async-std or smol, without workers */
void tokio_runtime_left(struct tokio_process *w, uint32_t id); /* by a thread that was counted */
bool tokio_runtime_same(uint32_t roles, uint64_t owner, uint32_t roles_now, uint64_t owner_now);
uint32_t tokio_runtime_of_task(const struct tokio_process *w, uint64_t owner, uint32_t lane);
void tokio_runtime_tell(struct tokio_process *w, const struct tokio_runtime *r);

/* ---- source_tokio_queues.c: how many tasks wait in which queue ---- */

void tokio_queues_look(struct tokio_process *w); /* and tells gauges of each runtime */
void tokio_queues_done(struct tokio_process *w);
/* Memory of the target: all of it or false. */
bool tokio_read(const struct tokio_process *w, uint64_t address, void *to, size_t bytes);
bool tokio_is_arc(
	const uint64_t *counts); /* what two words at the beginning of an Arc's block can be */
#define TOKIO_HANDLE_WORDS 512u
/* What there is of a scheduler's handle; returns words. */
size_t tokio_read_handle(const struct tokio_process *w, uint64_t handle,
			 uint64_t word[TOKIO_HANDLE_WORDS]);

/* ---- source_tokio_block_on.c: who drives a current-thread runtime ---- */

void tokio_block_on_look(struct tokio_process *w);                    /* every sample */
struct tokio_block_on *tokio_block_on_free(struct tokio_block_on *b); /* takes NULL, returns NULL */

/* ---- source_tokio_leads.c: from a scheduler's handle to its tasks, and back ---- */

/* One runtime's list of tasks. */
struct tokio_list {
	uint64_t owner, header; /* header: of a task of it that is there */
	uint64_t bias;          /* of addresses in the file */
	uint64_t handle;
	bool running; /* one of them was being polled at the last walk */
};
bool tokio_list_of(const struct tokio_process *w, uint64_t owner, struct tokio_list *ret);
/* The next walk begins there, too. False: it is no handle, or none that has tasks. */
bool tokio_lead_handle(struct tokio_process *w, uint64_t handle);
/* The same for all words of a stack, and what they point to. */
void tokio_lead_stack(struct tokio_process *w, uint32_t tid);

/* ---- source_tokio_due.c: timers that are past their deadlines ---- */

void tokio_due(const struct tokio_process *w, const struct tokio_list *list,
	       struct weft_ev_block_on *e);

/* ---- source_tokio_records.c: the programs' records on their way to the sink ---- */

bool tokio_record(struct tokio_process *w, const struct weft_ev *ev, size_t bytes);
/* A task that is there, seen on this lane. */
void tokio_tell_found(struct tokio_process *w, uint64_t task, uint32_t site, uint32_t lane);
void tokio_births_done(struct tokio_births *b);
/* Above light the programs count a task's polls and know since when it is runnable. */
void tokio_ask_programs(const struct tokio_process *w, uint64_t header, uint64_t id,
			struct weft_ev_snapshot_task *e);

/* ---- source_tokio_census.c: walks over all tasks ---- */

void tokio_census_ask(struct tokio_process *w,
		      bool chains); /* chains: somebody waits for a walk of that kind */
bool tokio_census_chains(const struct tokio_process *w); /* this walk is one */
/* Both by their own ids: `by` awaits the end of `task`. */
void tokio_tell_awaited(const struct tokio_process *w, uint64_t task, uint64_t by);
void tokio_census_step(struct tokio_process *w); /* walks when one is due or asked for */
struct tokio_census *tokio_census_free(struct tokio_census *c);
struct tokio_list;
/* As the last walk found the list: all but its handle. */
bool tokio_census_root(const struct tokio_process *w, uint64_t owner, struct tokio_list *ret);
/* A list of its tasks is there, or may be. */
bool tokio_census_knows(const struct tokio_process *w, const struct tokio_runtime *r);
bool tokio_census_bias(const struct tokio_process *w, uint64_t *ret);
void tokio_census_lead(struct tokio_process *w, const struct tokio_list *list);

/* ---- source_tokio_kept.c: tasks that are done, and whose handle is held ---- */

void tokio_kept_add(struct tokio_process *w, const struct weft_raw_kept *raw);
/* Part of a walk; returns how many were told. Forgets those whose handle has gone. */
uint32_t tokio_kept_walk(struct tokio_process *w);
void tokio_kept_done(struct tokio_kept *k);

/* ---- source_tokio_executors.c: the part of a walk that is about async-std and smol ---- */

bool tokio_executors_may_be(const struct tokio_process *w); /* the file has tasks of that sort */
uint32_t tokio_executors_walk(struct tokio_process *w,
			      uint32_t *ret_torn); /* tasks that were told */
/*
 * Id of one of their tasks: the programs', or a new one that they are told. vtable: at run time. 0: another task lies there by now, or
 * there is no room.
 */
uint64_t tokio_async_id(const struct tokio_process *w, uint64_t header, uint64_t vtable);
uint64_t tokio_async_state(uint64_t state); /* in Tokio's bits */
bool tokio_executors_doubt(
	const struct tokio_process *w); /* one more walk would tell whether one of them is run */
struct tokio_executors *tokio_executors_free(struct tokio_executors *x);

#endif
