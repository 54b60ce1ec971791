/* SPDX-License-Identifier: MIT */
#include "tui/widgets/header.h"

#include <stdlib.h>
#include <string.h>

#include "tui/format.h"
#include "tui/names.h"
#include "tui/widgets/meter.h"

#define METER_COLUMNS 32
#define METER_LINES   4 /* more workers: the worst three, then a glyph each */

static uint32_t bars_of(const struct live_header *h)
{
	return h->bars < 64 ? h->bars : 64;
}

static int meter_rows(const struct view *v)
{
	int bars = (int)bars_of(&v->head);

	return bars > METER_LINES ? METER_LINES : bars > 2 ? bars : 2;
}

int header_rows(const struct view *v)
{
	return 1 + meter_rows(v) + 2 + (int)v->others;
}

/* ---- first line ---- */

/* Adds to the title what still fits in `room` columns: the process first, then its runtime, then the rest. */
static void add(char *title, size_t size, int room, const char *part)
{
	size_t len = strlen(title);

	if ((int)(format_columns(title) + format_columns(part)) <= room &&
	    len + strlen(part) < size)
		memcpy(title + len, part, strlen(part) + 1);
}

static void title_text(const struct view *v, char *text, size_t size, int room)
{
	const struct live_header *h = &v->head;
	char part[64];

	snprintf(text, size, "weft %.31s[%u]", h->info.comm, h->info.pid);
	if (h->processes > 1) {
		snprintf(part, sizeof(part), " %u/%u", h->process + 1, h->processes);
		add(text, size, room, part);
	}
	if (!h->runtimes)
		return;
	snprintf(part, sizeof(part), " %s %.31s", names_runtime(h->runtime.kind),
		 h->runtime.version);
	add(text, size, room, part);
	snprintf(part, sizeof(part), " %s", names_flavour_short(h->runtime.flavour));
	add(text, size, room, part);
	snprintf(part, sizeof(part), " x%u", h->workers);
	add(text, size, room, part);
}

static void when_text(const struct view *v, char *text, size_t size)
{
	const struct live_header *h = &v->head;
	uint64_t since = h->now_ns > h->attached_ns ? h->now_ns - h->attached_ns : 0;

	snprintf(text, size, "%s %s %s %s%s%s cost %s%%", format_clock(h->realtime_ns).s,
		 h->replay ? "rec" : "att", format_age(since).s, h->level_auto ? "auto " : "",
		 h->level ? names_level(h->level) : "-", h->raised ? "+" : "",
		 format_percent(h->own_cost).s);
}

static void draw_title(const struct view *v, struct canvas *c)
{
	char left[192], right[128];

	if (!v->head_known) {
		canvas_text(c, 0, 0, c->width, ROLE_TITLE,
			    v->follow ? "weft  waiting for a process to come up"
				      : "weft  waiting for the first events");
		return;
	}
	when_text(v, right, sizeof(right));
	title_text(v, left, sizeof(left), c->width - (int)strlen(right) - 1);
	canvas_text(c, 0, 0, c->width, ROLE_TITLE, left);
	canvas_right(c, 0, 0, c->width, ROLE_TEXT, right);
}

/* ---- workers ---- */

static void draw_glyphs(const struct view *v, struct canvas *c, const struct live_worker_bar *bars,
			uint32_t n)
{
	int x = canvas_printf(c, 0, METER_LINES, c->width, ROLE_LABEL, "all ");

	for (uint32_t i = 0; i < n; i++)
		meter_glyph(c, x + (int)i, METER_LINES, &bars[i]);
	if (v->head.workers > n)
		canvas_printf(c, x + (int)n, METER_LINES, c->width - x - (int)n, ROLE_DIM, " +%u",
			      v->head.workers - n);
}

static void draw_meters(const struct view *v, struct canvas *c)
{
	struct live_worker_bar bars[64];
	uint32_t n = bars_of(&v->head), lines = n;

	memcpy(bars, v->head.bar, n * sizeof(*bars));
	qsort(bars, n, sizeof(*bars), meter_by_number);
	if (n > METER_LINES) {
		draw_glyphs(v, c, bars, n);
		qsort(bars, n, sizeof(*bars), meter_compare);
		lines = METER_LINES - 1;
	}
	for (uint32_t i = 0; i < lines; i++)
		meter_draw(c, 0, 1 + (int)i, METER_COLUMNS, &bars[i]);
}

/* ---- rates ---- */

/* A rate that suffers from lost events says so: "~41.2k/s". */
static const char *about(const struct view *v)
{
	return v->head.lost || v->head.estimated ? "~" : "";
}

/* Returns the columns used. Loss comes first: what doesn't fit in the line must not be this. */
static int draw_lost(const struct view *v, struct canvas *c, int x, int y)
{
	const struct live_header *h = &v->head;

	if (h->lost)
		return canvas_printf(
			c, x, y, c->width - x, ROLE_CRIT, "lost %s %s%%",
			format_short((double)h->lost).s,
			format_percent((double)h->lost / (double)(h->produced ? h->produced : 1)).s);
	return canvas_text(c, x, y, c->width - x, ROLE_DIM, "lost 0");
}

static void memory_text(const struct live_header *h, char *text, size_t size)
{
	double rss = (double)(h->rss_bytes ? h->rss_bytes : LIVE_UNKNOWN), per_s = h->rss_per_s;
	size_t len = (size_t)snprintf(text, size, "rss %s", format_bytes(rss).s);

	if (h->rss_bytes && h->rss_bytes != LIVE_UNKNOWN && (per_s >= 512 || per_s <= -512))
		snprintf(text + len, size - len, " %c%s/s", per_s < 0 ? '-' : '+',
			 format_bytes(per_s < 0 ? -per_s : per_s).s);
}

static void draw_rates(const struct view *v, struct canvas *c)
{
	const struct live_header *h = &v->head;
	int x = METER_COLUMNS + 2, width = c->width - x;
	char memory[64];

	canvas_printf(c, x, 1, width, ROLE_TEXT, "polls %s%s/s  p99 %s  wakes %s%s/s", about(v),
		      format_short(h->polls_s).s,
		      format_ns(h->poll_p99_ns ? h->poll_p99_ns : LIVE_UNKNOWN).s, about(v),
		      format_short(h->wakes_s).s);
	x += draw_lost(v, c, x, 2) + 2;
	memory_text(h, memory, sizeof(memory));
	canvas_printf(c, x, 2, c->width - x, ROLE_TEXT, "%s  steals %s/s", memory,
		      format_short(h->steals_s).s);
}

/* ---- tasks, findings ---- */

static int task_count(struct canvas *c, int x, int y, enum theme_role role, const char *name,
		      uint64_t n)
{
	return x + canvas_printf(c, x, y, c->width - x, n ? role : ROLE_DIM, " %s %s", name,
				 format_count(n).s);
}

static void draw_tasks(const struct view *v, struct canvas *c, int y)
{
	const struct live_header *h = &v->head;
	int x = canvas_printf(c, 0, y, c->width, ROLE_TITLE, "tasks %s:", format_count(h->alive).s),
	    len;
	char flow[64];

	x = task_count(c, x, y, ROLE_TEXT, "idle", h->idle);
	x = task_count(c, x, y, ROLE_STATE_READY, "ready", h->ready);
	x = task_count(c, x, y, ROLE_STATE_RUN, "running", h->running);
	x = task_count(c, x, y, ROLE_STATE_BLOCKED, "blocked", h->blocked);
	x += canvas_printf(c, x, y, c->width - x, ROLE_WARN, "  %s",
			   format_per_s(h->alive_per_s).s);
	len = snprintf(flow, sizeof(flow), "spawn %s/s end %s/s", format_short(h->spawns_s).s,
		       format_short(h->ends_s).s);
	if (x + 1 + len <= c->width)
		canvas_right(c, x, y, c->width - x, ROLE_TEXT, flow);
}

static void gone_text(const struct live_header *h, char *text, size_t size)
{
	if (h->exit_signal > 0)
		snprintf(text, size, "target gone: killed by signal %d (%s)", h->exit_signal,
			 sigabbrev_np(h->exit_signal) ? sigabbrev_np(h->exit_signal) : "?");
	else if (h->exit_code >= 0)
		snprintf(text, size, "target gone: exit code %d", h->exit_code);
	else
		snprintf(text, size, "target gone: exit code not known");
}

/* Counted as in the list of findings: both are on one screen. */
static void finding_text(const struct live_finding *f, uint64_t now_ns, char *text, size_t size)
{
	uint64_t since = now_ns > f->first_ns ? now_ns - f->first_ns : 0;

	snprintf(text, size, "  %.23s %.40s %s", f->id,
		 *f->subject_name ? f->subject_name : f->subject_kind, format_age(since).s);
}

static void draw_findings(const struct view *v, struct canvas *c, int y)
{
	const struct live_header *h = &v->head;
	uint32_t n = h->findings_crit + h->findings_warn;
	int x, room = c->width;
	char text[160];

	*text = 0;
	if (h->findings_muted)
		snprintf(text, sizeof(text), "  %u muted", h->findings_muted);
	room -= (int)strlen(text);
	canvas_text(c, room, y, c->width - room, ROLE_DIM, text);
	if (n == 0) {
		canvas_text(c, 0, y, room, ROLE_GOOD, "no findings");
		return;
	}
	x = canvas_printf(c, 0, y, room, h->findings_crit ? ROLE_CRIT : ROLE_WARN,
			  "%u finding%s:", n, n == 1 ? "" : "s");
	for (uint32_t i = 0; i < v->tops; i++) {
		if (v->top[i].process != v->process)
			continue;
		finding_text(&v->top[i], h->now_ns, text, sizeof(text));
		x += canvas_text(c, x, y, room - x,
				 v->top[i].severity == LIVE_CRIT ? ROLE_CRIT : ROLE_WARN, text);
	}
}

/* The other processes, a line each; those that have no room are counted. */
static void draw_others(const struct view *v, struct canvas *c, int y)
{
	for (uint32_t i = 0; i < v->others; i++, y++) {
		const struct live_header *h = &v->other[i].head;
		uint32_t found = h->findings_crit + h->findings_warn;
		int x = canvas_printf(c, 0, y, c->width, ROLE_LABEL, "%u/%u %.31s[%u]",
				      h->process + 1, v->head.processes, h->info.comm, h->info.pid);

		if (!v->other[i].known)
			continue;
		x += canvas_printf(c, x, y, c->width - x, ROLE_TEXT,
				   "  tasks %s  polls %s/s  lost %s  ", format_count(h->alive).s,
				   format_short(h->polls_s).s, format_short((double)h->lost).s);
		x += canvas_printf(c, x, y, c->width - x,
				   found ? (h->findings_crit ? ROLE_CRIT : ROLE_WARN) : ROLE_GOOD,
				   "%u finding%s%s", found, found == 1 ? "" : "s",
				   h->gone ? ", gone" : "");
		if (i + 1 == v->others && v->head.processes > v->others + 1)
			canvas_printf(c, x, y, c->width - x, ROLE_DIM, "  +%u, Tab",
				      v->head.processes - v->others - 1);
	}
}

static void draw_gone(const struct view *v, struct canvas *c, int y)
{
	char text[160];
	int x;

	gone_text(&v->head, text, sizeof(text));
	x = canvas_text(c, 0, y, c->width, ROLE_CRIT, text);
	if (v->follow) {
		canvas_text(c, x, y, c->width - x, ROLE_TEXT,
			    "; last state shown; waiting for it to come back");
		return;
	}
	canvas_printf(c, x, y, c->width - x, ROLE_TEXT, "; last state shown; %u finding%s  w:save",
		      v->head.findings_crit + v->head.findings_warn,
		      v->head.findings_crit + v->head.findings_warn == 1 ? "" : "s");
}

void header_draw(const struct view *v, struct canvas *c)
{
	int y = 1 + meter_rows(v);

	draw_title(v, c);
	draw_meters(v, c);
	draw_rates(v, c);
	draw_tasks(v, c, y);
	if (v->head.gone && !v->head.replay)
		draw_gone(v, c, y + 1);
	else
		draw_findings(v, c, y + 1);
	draw_others(v, c, y + 2);
}
