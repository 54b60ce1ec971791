/* SPDX-License-Identifier: MIT */
/* What the files session*.c and the sources share. Not for other folders. */
#ifndef WEFT_SESSION_INTERNAL_H
#define WEFT_SESSION_INTERNAL_H

#include <sys/resource.h>

#include "probes/clock_pair.h"
#include "probes/kernel_features.h"
#include "probes/layout.h"
#include "probes/ring.h"
#include "probes/session.h"
#include "probes/source.h"

#define SESSION_SAMPLE_NS 50000000ull
#define SESSION_SECOND_NS 1000000000ull
/* Two looks prove that a task waits for nothing, and the first walk may have found no way to a runtime. */
#define SESSION_SECOND_WALK_NS 1000000000ull

enum process_state {
	PROCESS_SPAWNED,   /* started by us, exec not seen yet */
	PROCESS_CANDIDATE, /* of a command's tree: no runtime found in it so far */
	PROCESS_WAITING,   /* probes are in, the runtime has not started */
	PROCESS_LIVE,
	PROCESS_ENDED, /* dead, replaced by exec, or the session is over: everything has been delivered */
};

/* One program image of one process that is watched. */
struct process {
	struct session *session;
	struct process *next; /* in order of index */
	uint32_t index;       /* in events */
	uint32_t follow;      /* in the follow table: the cookie of its probes */
	pid_t pid, ns_pid;
	int pidfd;
	enum process_state state;
	const struct source *runtime; /* that it was attached to */
	void *of_source[SOURCES_MAX];
	uint32_t clock; /* WEFT_CLOCK_* */
	bool announced, started, from_start;
	bool forked; /* followed from its parent: breakpoints and a raised level came with the fork */
	bool gone;   /* its end was seen before the ring was read */
	bool dead;   /* its memory is frozen */
	bool replaced; /* exec: what comes from the ring now is of the next image */
	bool exit_known, fork_said;
	struct weft_ev_exit exit;
	uint64_t exit_ns;
	uint64_t exec_id; /* of the image that was attached to; 0 = not known */
	uint64_t attached_ns, watermark_ns, retry_ns;
	/* Level and cost: session_level.c */
	enum weft_level level;
	struct level_window *window;
	uint64_t target_ns; /* estimated cost so far */
	uint64_t cpu_ns;    /* of the process, at the last sample */
};

/* An event that was made while nobody drained. */
struct queued;

/* A forked child without a runtime of its own (session_fork.c). */
struct forked;

struct session {
	struct session_options options;
	struct kernel_features features;
	char error[320];
	int ring_fd, follow_fd, rows_fd, drivers_fd;
	struct weft_follow *follow;
	struct weft_row *rows; /* threads of Rust runtimes, WEFT_ROW_MAX */
	struct ring *ring;
	bool ring_read;              /* to its end, in this round */
	bool losing;                 /* switches were lost in the last round */
	uint64_t lost_told, lost_ns; /* how many were told, when some last were */
	void *source_state[SOURCES_MAX];
	int source_error[SOURCES_MAX]; /* why it has no state, negative errno */
	struct clock_pair clock;
	uint64_t now_ns, next_sample_ns, next_second_ns, watermark_ns;
	double hit_ns; /* CPU of one flush probe, calibrated */
	struct process *processes;
	struct forked *forked;
	uint32_t forks; /* in that list */
	struct queued *queue, **queue_end;
	session_sink sink;
	void *sink_ctx;
	int delivered;
	bool finished;
	enum weft_level level; /* asked for; OFF = automatic */
	struct rlimit files;   /* descriptors, before it was raised; rlim_max 0 = it was not */
	struct weft_ev_lost lost;
	uint64_t scratch[(sizeof(struct weft_ev) + sizeof(struct weft_ev_batch) + WEFT_BATCH_BYTES) /
			 8];
};

/* ---- session.c ---- */

/* Sets the error text and returns `err`. */
/* Says which capability is missing, or that none is. Returns err. */
int session_no_right(struct session *s, int err, pid_t pid);
/* Room for descriptors: each thread that is watched takes one or two, each Rust process twenty. What was there goes into s->files. */
void session_more_files(struct session *s);
int session_fail(struct session *s, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- session_events.c: making events ---- */

/* ev: kind, process, tid, flags, time_ns; size is filled in. Goes to the sink, or into the queue while nobody drains. */
void session_emit(struct session *s, struct weft_ev ev, const void *payload, size_t bytes);
void session_emit_queue(struct session *s); /* queued ones to the sink */
void session_queue_free(struct session *s);
void session_cannot_see(struct session *s, uint32_t process, const char *what, const char *format,
			...) __attribute__((format(printf, 4, 5)));
/* The same, and no verdict is to rest on what is told of its tasks (WEFT_EVF_DOUBT). */
void session_doubts(struct session *s, uint32_t process, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void session_text(char *to, size_t size, const char *from); /* NUL padded, cut */

/* ---- session_process.c: processes ---- */

int process_new(struct session *s, pid_t pid, struct process **ret);
void process_free(struct process *p);
int process_ns_pid(pid_t pid, pid_t *ret_ns_pid); /* -ESRCH: no process, or one of its threads */
struct process *process_of_pid(struct session *s, pid_t pid); /* not ended */
void process_announce(struct process *p);
/* CLOCK_MONOTONIC, at the latest: time that the machine was suspended may lie in between. 0 = not known. */
uint64_t process_start_ns(const struct process *p);
/* Base of its fingerprints; kind: enum weft_runtime_kind. 0 = not known. */
uint64_t process_fingerprint(const struct process *p, uint8_t kind);
void process_exe(pid_t pid, char *to, size_t size);
void process_sample(struct process *p);
void process_sample_cpus(struct process *p); /* emits CPUS */
uint32_t process_source_id(const struct source *source);
void process_thread_begin(struct process *p, uint32_t lane, uint32_t tid, uint64_t address);
void process_thread_end(struct process *p, uint32_t lane);
void process_off_cpu(struct process *p, uint32_t lane, struct weft_ev_lane_sample *sample);
bool process_poll_now(struct process *p, uint32_t lane, struct poll_now *ret);
uint64_t process_stamp_ns(const struct process *p, uint64_t low56); /* a stamp of its clock */
uint64_t process_ticks_ns(const struct process *p, uint64_t ticks);
/* Attach with whatever runtime source fits; exe_fd as in source.h. */
int process_attach(struct process *p, int exe_fd);
int session_attach_one(struct session *s, pid_t pid, bool forked); /* session_attach() */
void process_detach(struct process *p);

/* ---- session_life.c: fork, exec, exit as the ring tells them ---- */

void session_life_record(struct session *s, const struct weft_ev *ev, size_t bytes);
void session_life_check(struct session *s);  /* pidfds: before the ring is read */
void session_life_settle(struct session *s); /* end what has ended: after the ring was read */
void session_life_end(struct process *p, bool dead); /* cut, ring, tail, detach */

/* ---- session_spawn.c: commands and their descendants ---- */

void session_spawn_exec(struct session *s, struct process *p,
			pid_t pid); /* p: NULL = not watched so far */
void session_spawn_next_image(struct process *old);
void session_spawn_retry(struct session *s);

/* ---- session_fork.c: forked children, until they start a runtime of their own ---- */

/* False: too many, it will not be followed. */
bool session_fork_add(struct session *s, pid_t pid, uint64_t time_ns);
bool session_fork_known(struct session *s, pid_t pid);
void session_fork_forget(struct session *s, pid_t pid); /* it has called exec, or ended */
void session_fork_look(struct session *s); /* after the ring was read: follows those that have one */
void session_fork_free(struct session *s);

/* ---- session_drain.c ---- */

/* Reads the ring up to where it is now, waiting a little for records in the making. */
void session_read_ring(struct session *s);

/* PROCESS and its CLOCK: before anything else of a process is told. */
void session_announce(struct process *p);

/* ---- session_level.c ---- */

int session_level_start(struct process *p);
/* What watching costs: once per second, when its CPU time was read. */
void session_level_count(struct process *p);
void session_level_second(struct process *p);
int session_level_want(struct session *s, enum weft_level level);
/* Where the level is automatic and light: normal for some seconds. Asked for too soon again, nothing happens. */
int session_level_closer(struct process *p, unsigned seconds);

#endif
