/* SPDX-License-Identifier: MIT */
/*
 * A session watches processes and delivers flat events (probes/event.h). The only door between the
 * privileged half (eBPF, /proc, ELF) and the rest: file descriptors, plain structs and events go
 * through it, so that a helper process can stand behind it one day.
 *
 * Threads: session_drain, session_request and session_level belong to one thread at a time (the drain
 * thread); session_open/attach/close to the thread that owns the session while no drain runs.
 * Errors: negative errno; the text for people is in session_error(), one line: what failed, on
 * what, why, what to do.
 */
#ifndef WEFT_SESSION_H
#define WEFT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/event.h"

struct session;

struct session_options {
	enum weft_level level; /* OFF = automatic: starts at light, rises while max_overhead allows */
	double max_overhead; /* share of the target's CPU, half a core at least, that tracing may cost; 0 = 0.05 */
	bool looks; /* automatic, and too dear for normal: now and then that for some seconds all the same, for what light does not show */
	uint64_t block_stack_ns; /* stack of a poll off the CPU this long; 0 = 1 ms */
	uint64_t oncpu_stack_ns; /* samples of a poll on the CPU this long; 0 = 10 ms */
	size_t ring_bytes;       /* power of two; 0 = 32 MiB */
	unsigned census_ms; /* walk of all tasks; 0 = every 2,000 ms, the first time after 1,000, and 1 ms per task at least; ~0u = never but on request */
	const char *mask_features; /* comma list of kernel features to treat as missing (tests) */
	const char *
		raise; /* at light tell all polls of task types with this in their name or place; NULL = of none; borrowed */
	bool stay;     /* runs on when no process is left: others come by SESSION_WANT_ATTACH */
	uid_t run_as_uid;
	gid_t run_as_gid; /* -- CMD runs as this user; after attach the process becomes it. 0 = stay */
};

/* Opens maps and programs; no process is touched yet. -EPERM, -ENOSYS (kernel), -ENOTSUP (built offline). */
int session_open(const struct session_options *options, struct session **ret);
struct session *session_close(
	struct session *s); /* detaches; the targets run on; takes NULL, returns NULL */
const char *session_error(
	const struct session *s); /* last error text; s may be NULL: of the last failed open */

/*
 * Attach to a running process. -ESRCH gone, -EPERM, -ENOENT no runtime that Weft knows,
 * -EALREADY. The process runs on during and after it.
 */
int session_attach(struct session *s, pid_t pid);

/* Start a command under trace: it is attached before its first instruction runs in main. `ret_pid` is a child of the caller. */
int session_spawn(struct session *s, char *const argv[], const char *output_file, pid_t *ret_pid);

/* After the last attach: keep only the capabilities still needed and become run_as_uid. */
int session_drop_rights(struct session *s);

/*
 * Deliver all that is there: ring, mappings, samples due, watermark. Never blocks, does no file I/O
 * but /proc. The sink gets one event at a time, valid during the call. Returns events delivered or
 * negative errno. Call it every 1 ms under load, every 5 ms when the last call delivered little.
 */
typedef void (*session_sink)(void *ctx, const struct weft_ev *ev);
int session_drain(struct session *s, session_sink sink, void *ctx);

/* True while at least one attached process is alive, or with `stay` until session_finish. */
bool session_alive(const struct session *s);

/* Final cut: reads what is left, delivers LAST samples and counts, then detaches. Nothing produced later is counted. */
int session_finish(struct session *s, session_sink sink, void *ctx);

/* Wants: asked by detectors and commands through the engine, answered as events. */
enum session_want_kind {
	SESSION_WANT_SNAPSHOT =
		1,            /* all tasks of `process`; value 1: and the await chain of each */
	SESSION_WANT_STACK,   /* of thread `tid` of `process` now, if it is inside a poll */
	SESSION_WANT_SAMPLES, /* cpu samples of thread `tid` for the next second */
	SESSION_WANT_LEVEL,   /* level := value (0 = automatic) */
	SESSION_WANT_AWAIT,   /* the await chain of `task` (its own id in `process`) */
	SESSION_WANT_CLOSER, /* `process`, at light by itself: normal for `value` seconds (10 at most), not again soon */
	SESSION_WANT_RAISE, /* of `process`: tell all polls of the type with site `value`, of `task` only if not 0; value ~0 = of none any more */
	SESSION_WANT_ATTACH, /* attach to pid `value`; one that is attached stays so, failures become CANNOT_SEE */
};
struct session_want {
	uint32_t kind, process, tid, value;
	uint64_t task;
};
int session_request(struct session *s, const struct session_want *want);

/* ---- looking around, no session needed ---- */

/* One process that carries a runtime Weft knows. Text is NUL terminated, unsanitised. */
struct session_process {
	pid_t pid;
	uid_t uid;
	uint32_t runtimes;
	struct weft_ev_runtime runtime[4];
	char comm[32], exe[256], build[48];
	char can_see[256];    /* comma list */
	char cannot_see[768]; /* "what: why; ..." */
	bool analysed;        /* false: carries a Rust runtime, whose code was not looked at yet */
};
typedef void (*session_process_fn)(void *ctx, const struct session_process *p);
/* All processes visible here; returns how many were reported. */
int session_list(session_process_fn fn, void *ctx);
/* The same, and the code of Rust programs is analysed: up to 2 s for each different file. */
int session_list_full(session_process_fn fn, void *ctx);
int session_inspect(pid_t pid, struct session_process *ret);

/* Pids whose comm or exe base name equals `name` and that carry a runtime. Returns how many (up to max are written). */
int session_find_name(const char *name, pid_t *pids, size_t max);

/* One line of `weft check`: a capability of this machine, whether it is there, what its absence costs and what to do. */
struct session_check {
	const char *name;
	bool ok;
	bool needed;
	char detail[160];
	char cost[160];
	char remedy[160];
};
typedef void (*session_check_fn)(void *ctx, const struct session_check *c);
/* Runs all checks (loads a small program, attaches to itself); returns the highest level possible here (enum weft_level). */
int session_check(const char *mask_features, session_check_fn fn, void *ctx);

#endif
