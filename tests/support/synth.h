/* SPDX-License-Identifier: MIT */
/*
 * Synthetic sessions: the flat events that a session would deliver, made without a target.
 *
 *     struct synth *s = synth_new();
 *     synth_process(s, 0, "svc");
 *     synth_runtime(s, 0, 1, WEFT_RT_WEFT, 2);
 *     synth_worker(s, 0, 0, 1, 0);                         (process, lane, runtime, worker)
 *     synth_site(s, 0, 1, "echo", "svc.c", 42);
 *     synth_spawn(s, 0, 0, 1000, 7, 0, 1);                 (process, lane, t, task, parent, site)
 *     synth_wake(s, 0, 0, 1000, 7, 0, WEFT_W_SPAWN);
 *     synth_poll(s, 0, 0, 9000, 7, 5000, WEFT_R_READY);    (.., t = END of the poll, task, duration, result)
 *     synth_end(s, 0, 0, 9000, 7, WEFT_E_DONE);
 *     synth_finish(s);                                     (flush, counts, exit: the list is complete)
 *     synth_feed(s, sink, ctx);                            (each event, in the order of delivery)
 *
 * Every time is ns since the start of the recording; a lane's records must be given in its own order. Lanes
 * write real batches: 4 KiB, seq, running counts. All open batches are flushed and a watermark is sent whenever time
 * passes a multiple of 10 ms, as a session that drains would see it. Counts are exact, lost batches included.
 *
 * synth_run() takes the list through decode and order to a consumer, in the calling thread: the way to test a model or a
 * detector. For the threads as well, use fake_session.h.
 */
#ifndef WEFT_SYNTH_H
#define WEFT_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/engine.h"
#include "probes/session.h"

#define SYNTH_START_NS      1000000000000ull /* CLOCK_MONOTONIC at the start of the recording */
#define SYNTH_MAX_PROCESSES 4
#define SYNTH_MAX_LANES     64

struct synth;

struct synth *synth_new(void);
struct synth *synth_free(struct synth *s); /* takes NULL, returns NULL */

/* Stamps of processes begun after this are TSC ticks, 2.5 to the ns, first stamp `first` (to try the 56-bit wrap). Off: ns. */
void synth_tsc(struct synth *s, uint64_t first);
/* Between two automatic flushes; 0 = only when told. Default 10 ms. */
void synth_flush_every(struct synth *s, uint64_t ns);

/* ---- who is there ---- */
void synth_process(struct synth *s, uint32_t process, const char *comm);
void synth_runtime(struct synth *s, uint32_t process, uint32_t runtime, uint16_t kind,
		   uint32_t workers);
void synth_worker(struct synth *s, uint32_t process, uint32_t lane, uint32_t runtime,
		  uint32_t worker); /* tid = 1000 * (process + 1) + lane */
/* Its thread goes on as one that isn't the runtime's. */
void synth_leave(struct synth *s, uint32_t process, uint32_t lane, uint32_t runtime);
void synth_site(struct synth *s, uint32_t process, uint32_t site, const char *name,
		const char *file, uint32_t line);

/* ---- records of a lane ---- */
void synth_spawn(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		 uint64_t parent, uint32_t site);
void synth_poll(struct synth *s, uint32_t process, uint32_t lane, uint64_t t_end, uint64_t task,
		uint64_t dur, unsigned result);
/* delay: made runnable -> begin of this poll; UINT64_MAX = not known (what synth_poll says) */
void synth_poll_delay(struct synth *s, uint32_t process, uint32_t lane, uint64_t t_end,
		      uint64_t task, uint64_t dur, unsigned result, uint64_t delay);
void synth_wake(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		uint64_t waker, unsigned kind);
void synth_end(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
	       unsigned reason);
void synth_name(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		const char *name);
/* kind: WEFT_K_TIMER_*; deadline: ns since the start of the recording */
void synth_timer(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, unsigned kind,
		 uint64_t timer, uint64_t task, int64_t deadline);
/* Any record of `words` words, word 0 included; w[0] is ignored. Ticks in w are the process's clock units. */
void synth_record(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, unsigned kind,
		  const uint64_t *w, unsigned words);
/* Counted by the target, left out by the level. */
void synth_filtered(struct synth *s, uint32_t process, unsigned kind, uint64_t n);

/* ---- flat events of the session ---- */
void synth_offcpu(struct synth *s, uint32_t process, uint32_t lane, uint64_t on_ns, uint64_t task,
		  uint64_t blocked, uint64_t runnable);
/* Stack with the given function names, leaf first, `kernel` of them kernel frames; frames are announced when new. */
void synth_stack(struct synth *s, uint32_t process, uint32_t lane, uint64_t t, uint64_t task,
		 uint64_t open_ns, unsigned why, const char *const *functions, unsigned n,
		 unsigned kernel);
void synth_sample(struct synth *s, uint32_t process, uint64_t t,
		  const struct weft_ev_lane_sample *sample);
/* Any event: payload of `bytes` bytes is padded to 8. */
void synth_event(struct synth *s, uint32_t process, uint64_t t, unsigned kind, const void *payload,
		 size_t bytes);

/* ---- delivery ---- */
void synth_flush(struct synth *s, uint64_t watermark); /* all open batches, then a watermark */
void synth_piece(struct synth *s, uint32_t process,
		 uint32_t lane); /* what is new in the open batch, as read from the mapping */
void synth_lose(struct synth *s, uint32_t process,
		uint32_t lane); /* the open batch is flushed, but nobody sees it */
void synth_drop_watermarks(struct synth *s, bool drop);
void synth_counts(struct synth *s, uint64_t t, bool last);
void synth_finish(struct synth *s); /* flush, last counts, exit of each process, watermark */

typedef void (*synth_sink)(void *ctx, const struct weft_ev *ev);
void synth_feed(const struct synth *s, synth_sink sink, void *ctx);
size_t synth_count(const struct synth *s);
const struct weft_ev *synth_at(const struct synth *s, size_t i);
uint64_t synth_emitted(const struct synth *s, uint32_t process, unsigned kind);
uint64_t synth_now(const struct synth *s); /* latest time given */

/* Decode and order the list into `consumer`, in this thread, with ticks. Returns 0 or negative errno. */
int synth_run(const struct synth *s, const struct engine_consumer *consumer);

#endif
