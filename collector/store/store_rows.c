/* SPDX-License-Identifier: MIT */
#include "collector/store/store_rows.h"

#include <stdio.h>

#define VERSION "0.1.0"
#define NOBODY  0xffffffffu /* "no worker", "not known" in 32-bit fields */

static void session(struct rows *w, const struct record *r)
{
	const struct weft_ev_session *e = (const struct weft_ev_session *)(r->ev + 1);

	rows_begin(w, STORE_SESSION);
	rows_text(w, VERSION);
	rows_text(w, e->boot_id);
	rows_text(w, e->kernel);
	rows_text(w, e->machine);
	rows_int(w, e->level);
	rows_int(w, (int64_t)e->realtime_ns);
	rows_int(w, (int64_t)r->ev->time_ns);
}

static void process(struct rows *w, const struct record *r)
{
	const struct weft_ev_process *e = (const struct weft_ev_process *)(r->ev + 1);

	rows_begin(w, STORE_PROCESS);
	rows_int(w, r->process);
	rows_int(w, e->pid);
	rows_int(w, e->ns_pid);
	rows_int(w, e->parent);
	rows_int(w, e->uid);
	rows_int(w, (int64_t)e->start_ticks);
	rows_int(w, (int64_t)r->t_ns);
	rows_int(w, e->clock);
	rows_int(w, e->from_start);
	rows_text(w, e->comm);
	rows_text(w, e->exe);
	rows_text(w, e->build_id);
}

static void process_exit(struct rows *w, const struct record *r)
{
	const struct weft_ev_exit *e = (const struct weft_ev_exit *)(r->ev + 1);

	rows_begin(w, STORE_PROCESS_EXIT);
	rows_int(w, r->process);
	rows_int(w, (int64_t)r->t_ns);
	if (e->code == -1)
		rows_null(w);
	else
		rows_int(w, e->code);
	rows_int(w, e->signal);
}

static void runtime(struct rows *w, const struct record *r)
{
	static const char *const kinds[] = { "unknown", "weft", "tokio", "async-std", "smol" };
	const struct weft_ev_runtime *e = (const struct weft_ev_runtime *)(r->ev + 1);

	rows_begin(w, STORE_RUNTIME);
	rows_int(w, r->process);
	rows_int(w, e->runtime);
	rows_text(w, kinds[e->kind <= WEFT_RT_SMOL ? e->kind : 0]);
	rows_int(w, e->flavour);
	rows_int(w, e->workers);
	rows_text(w, e->version);
	rows_text(w, e->name);
	if (r->ev->size >= sizeof(*r->ev) + sizeof(*e) && e->fingerprint)
		rows_int(w, (int64_t)e->fingerprint);
	else
		rows_null(w);
}

static void lane(struct rows *w, const struct record *r)
{
	const struct weft_ev_lane *e = (const struct weft_ev_lane *)(r->ev + 1);

	rows_begin(w, STORE_LANE);
	rows_int(w, r->process);
	rows_int(w, e->lane);
	rows_int(w, e->generation);
	rows_int(w, e->role);
	rows_int(w, e->runtime);
	if (e->worker == NOBODY)
		rows_null(w);
	else
		rows_int(w, e->worker);
	rows_int(w, r->tid);
	rows_int(w, e->ns_tid);
	rows_text(w, e->name);
}

/* One row in the table for each lane: only the last sample is kept, 20 a second would be most of the writing. */
static void lane_sample(struct rows *w, const struct record *r)
{
	const struct weft_ev_lane_sample *e = (const struct weft_ev_lane_sample *)(r->ev + 1);
	const uint64_t v[] = { e->polls, e->busy_ns,    e->poll_max_ns, e->park_ns,
			       e->wakes, e->self_wakes, e->steals,      e->stolen_tasks,
			       e->parks, e->cpu_ns,     e->runq_ns };

	if (!(r->ev->flags & WEFT_EVF_LAST) && r->t_ns % 1000000000 >= 50000000)
		return;
	rows_begin(w, STORE_LANE_SAMPLE);
	rows_int(w, r->process);
	rows_int(w, e->lane);
	rows_int(w, e->state);
	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		rows_known(w, v[i]);
	rows_int(w, (r->ev->flags & WEFT_EVF_ESTIMATE) != 0);
}

static void site(struct rows *w, const struct record *r)
{
	const struct weft_ev_site *e = (const struct weft_ev_site *)(r->ev + 1);

	rows_begin(w, STORE_LOCATION);
	rows_int(w, r->process);
	rows_int(w, e->site);
	rows_text(w, e->func);
	rows_text(w, e->name);
	rows_text(w, e->file);
	rows_int(w, e->line);
	rows_int(w, e->kind);
}

static void module(struct rows *w, const struct record *r)
{
	const struct weft_ev_module *e = (const struct weft_ev_module *)(r->ev + 1);

	rows_begin(w, STORE_MODULE);
	rows_int(w, e->module);
	rows_int(w, (int64_t)e->address);
	rows_text(w, e->build_id);
	rows_text(w, e->path);
}

static void frame(struct rows *w, const struct record *r)
{
	const struct weft_ev_frame *e = (const struct weft_ev_frame *)(r->ev + 1);

	rows_begin(w, STORE_FRAME);
	rows_int(w, e->frame);
	if (e->module == NOBODY)
		rows_null(w);
	else
		rows_int(w, e->module);
	rows_int(w, (int64_t)e->offset);
	rows_text(w, e->func);
	rows_text(w, e->file);
	rows_int(w, e->line);
	rows_int(w, e->inlined);
}

static void stack(struct rows *w, const struct record *r)
{
	const struct weft_ev_stack *e = (const struct weft_ev_stack *)(r->ev + 1);
	const uint32_t *frame_id = (const uint32_t *)(e + 1);
	char text[1024] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < e->frames && used + 12 < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, i ? " %u" : "%u",
					 frame_id[i]);
	rows_begin(w, STORE_STACK);
	rows_int(w, (int64_t)r->t_ns);
	rows_int(w, r->process);
	rows_int(w, e->lane);
	rows_int(w, (int64_t)r->task);
	rows_int(w, e->why);
	rows_int(w, (int64_t)e->open_ns);
	if (e->syscall < 0)
		rows_null(w);
	else
		rows_int(w, e->syscall);
	rows_int(w, e->kernel_frames);
	rows_int(w, e->complete);
	rows_text(w, text);
}

static void gap(struct rows *w, const struct record *r)
{
	const struct weft_ev_gap *e = (const struct weft_ev_gap *)(r->ev + 1);

	rows_begin(w, STORE_GAP);
	rows_int(w, (int64_t)r->t_ns);
	rows_int(w, r->process);
	rows_int(w, e->lane);
	rows_int(w, e->seq_from);
	rows_int(w, e->seq_to);
	rows_int(w, e->reason);
}

static void cannot_see(struct rows *w, const struct record *r)
{
	const struct weft_ev_cannot_see *e = (const struct weft_ev_cannot_see *)(r->ev + 1);

	rows_begin(w, STORE_CANNOT_SEE);
	rows_int(w, r->process);
	rows_text(w, e->what);
	rows_text(w, e->why);
}

static void process_exec(struct rows *w, const struct record *r)
{
	rows_begin(w, STORE_PROCESS_EXEC);
	rows_int(w, r->process);
	rows_text(w, ((const struct weft_ev_exec *)(r->ev + 1))->exe);
}

void store_rows_event(struct rows *rows, const struct record *r)
{
	static void (*const table[WEFT_EV_KINDS])(struct rows *, const struct record *) = {
		[WEFT_EV_SESSION] = session,
		[WEFT_EV_PROCESS] = process,
		[WEFT_EV_PROCESS_EXEC] = process_exec,
		[WEFT_EV_PROCESS_EXIT] = process_exit,
		[WEFT_EV_RUNTIME] = runtime,
		[WEFT_EV_LANE] = lane,
		[WEFT_EV_LANE_SAMPLE] = lane_sample,
		[WEFT_EV_SITE] = site,
		[WEFT_EV_MODULE] = module,
		[WEFT_EV_FRAME] = frame,
		[WEFT_EV_STACK] = stack,
		[WEFT_EV_GAP] = gap,
		[WEFT_EV_CANNOT_SEE] = cannot_see,
	};

	if (r->kind < WEFT_EV_KINDS && table[r->kind])
		table[r->kind](rows, r);
}
