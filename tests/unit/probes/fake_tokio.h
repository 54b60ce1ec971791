/* SPDX-License-Identifier: MIT */
/* A process on Tokio whose rows the test writes: neither programs nor probes. The process is the test itself. */
#ifndef WEFT_TESTS_UNIT_PROBES_FAKE_TOKIO_H
#define WEFT_TESTS_UNIT_PROBES_FAKE_TOKIO_H

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/source_tokio_internal.h"
#include "tokio.skel.h"

/* In place of those of sources.c: nobody else is told of threads. */
const struct source *const sources[] = { NULL };

struct fake_tokio {
	struct session session;
	struct weft_follow follow;
	struct process process;
	struct tokio_state state;
	struct tokio_bpf skel;
	struct tokio_bpf__bss bss;
	struct rust_plan plan;
	struct tokio_process w;
	struct weft_row rows[WEFT_ROW_MAX];
	struct weft_rust rust[WEFT_FOLLOW_MAX];
	/* Told last */
	struct weft_ev_lane lane[WEFT_ROW_MAX];
	struct weft_ev_snapshot_task task;
	struct weft_ev_runtime_sample gauge;
	struct weft_ev_cannot_see cannot_see;
	struct weft_ev_site site;
	struct weft_ev_runtime runtime;
	struct weft_ev_counts counts;
	unsigned lanes, tasks, gauges, cannot_sees, sites, runtimes, counted;
	bool doubt; /* of the last cannot_see */
};

#define FAKE_TOKIO_KEEP(kind_, to, count)           \
	if (ev->kind == (kind_)) {                  \
		memcpy(&(to), payload, sizeof(to)); \
		(count)++;                          \
	}

static void fake_tokio_sink(void *ctx, const struct weft_ev *ev)
{
	struct fake_tokio *f = ctx;
	const void *payload = ev + 1;

	if (ev->kind == WEFT_EV_LANE) {
		const struct weft_ev_lane *e = payload;

		f->lane[e->lane] = *e;
		f->lanes++;
	}
	FAKE_TOKIO_KEEP(WEFT_EV_SNAPSHOT_TASK, f->task, f->tasks)
	FAKE_TOKIO_KEEP(WEFT_EV_RUNTIME_SAMPLE, f->gauge, f->gauges)
	FAKE_TOKIO_KEEP(WEFT_EV_CANNOT_SEE, f->cannot_see, f->cannot_sees)
	if (ev->kind == WEFT_EV_CANNOT_SEE)
		f->doubt = ev->flags & WEFT_EVF_DOUBT;
	FAKE_TOKIO_KEEP(WEFT_EV_COUNTS, f->counts, f->counted)
	FAKE_TOKIO_KEEP(WEFT_EV_RUNTIME, f->runtime, f->runtimes)
	FAKE_TOKIO_KEEP(WEFT_EV_SITE, f->site, f->sites)
}

static inline struct fake_tokio *fake_tokio_new(void)
{
	struct fake_tokio *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->session.options.census_ms = ~0u;
	f->session.follow = &f->follow;
	f->session.rows = f->rows;
	f->session.sink = fake_tokio_sink;
	f->session.sink_ctx = f;
	f->session.now_ns = 1000000000ull;
	f->session.processes = &f->process;
	f->session.source_state[SOURCE_TOKIO] = &f->state;
	f->process.session = &f->session;
	f->process.pid = getpid();
	f->process.state = PROCESS_LIVE;
	f->process.level = WEFT_LEVEL_LIGHT;
	f->process.of_source[SOURCE_TOKIO] = &f->w;
	f->skel.bss = &f->bss;
	f->state.session = &f->session;
	f->state.skel = &f->skel;
	f->state.rust = f->rust;
	f->w.p = &f->process;
	f->w.state = &f->state;
	f->w.plan = &f->plan;
	f->w.file = -1;
	return f;
}

static inline void fake_tokio_free(struct fake_tokio *f)
{
	tokio_end_lanes(&f->w, true);
	tokio_queues_done(&f->w);
	tokio_census_free(f->w.census);
	free(f->w.window);
	free(f);
}

/* A thread takes that row. alive: it is this one, else none that there is. */
static inline struct weft_row *fake_tokio_claim(struct fake_tokio *f, uint32_t i, bool alive)
{
	f->rows[i].tid = alive ? (uint32_t)syscall(SYS_gettid) : 0x7ffffff0u;
	f->rows[i].lane = i;
	f->bss.rows_claimed++;
	return &f->rows[i];
}

#endif
