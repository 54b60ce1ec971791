/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tui/format.h"
#include "tui/names.h"
#include "tui/screens/screens.h"
#include "tui/widgets/cursor.h"
#include "tui/widgets/meter.h"
#include "tui/widgets/table.h"

#define MOST_WORKERS 512
#define HISTORY_S    60

enum { W, TID, STATE, NOW, BUSY, BLOCK, RUNQ, OWN, PARK, QUEUE, STEALS, PARKS, LAST, COLUMNS };

static const struct table_column columns[COLUMNS] = {
	[W] = { "W", 3, 0, true },
	[TID] = { "TID", 7, 100, true },
	[STATE] = { "STATE", 8, 0, false },
	[NOW] = { "NOW", 0, 0, false },
	[BUSY] = { "BUSY", 4, 0, true },
	[BLOCK] = { "BLOCK", 5, 0, true },
	[RUNQ] = { "RUNQ", 4, 0, true },
	[OWN] = { "OWN", 3, 0, true },
	[PARK] = { "PARK", 4, 0, true },
	[QUEUE] = { "QUEUE", 5, 0, true },
	[STEALS] = { "STEALS", 12, 110, true },
	[PARKS] = { "PARK/s", 6, 100, true },
	[LAST] = { "LAST 60 s", 12, 0, false },
};
#define WIDE_HISTORY 140 /* from this screen width on, LAST shows every second */

struct workers {
	struct live_worker *rows;
	struct cursor cursor;
	int n;
};

static void *workers_open(struct view *v, uint64_t arg)
{
	struct workers *s = calloc(1, sizeof(*s));

	(void)v;
	(void)arg;
	if (s)
		s->rows = calloc(MOST_WORKERS, sizeof(*s->rows));
	if (s && !s->rows) {
		free(s);
		return NULL;
	}
	return s;
}

static void workers_close(void *state)
{
	struct workers *s = state;

	free(s->rows);
	free(s);
}

static int list_rows(int height)
{
	return height > 4 ? height - 3 : 1;
}

static void workers_refresh(void *state, struct view *v, int height)
{
	struct workers *s = state;
	int n = live_workers(v->live, v->process, s->rows, MOST_WORKERS);

	s->n = n < 0 ? 0 : n < MOST_WORKERS ? n : MOST_WORKERS;
	cursor_set(&s->cursor, (size_t)s->n, list_rows(height));
}

/* ---- drawing ---- */

static void percent_cell(struct canvas *c, int y, int column, const struct table_slot *slots,
			 enum theme_role role, float share, bool estimated)
{
	char text[16];

	if (share < 0)
		snprintf(text, sizeof(text), "?");
	else
		snprintf(text, sizeof(text), "%s%.0f", estimated ? "~" : "", (double)share * 100);
	table_cell(c, y, &columns[column], &slots[column], share >= 0.005f ? role : ROLE_DIM, text);
}

static void now_text(const struct live_worker *w, char *text, size_t size)
{
	if (!w->task)
		*text = 0;
	else
		snprintf(text, size, "%s %s %s",
			 format_ns(w->open_ns ? w->open_ns : LIVE_UNKNOWN).s,
			 *w->task_name ? w->task_name : "?", w->blocked ? w->syscall : "");
}

/* The worst second of each cell, so that no spike is lost in a narrow column. */
static void draw_history(struct canvas *c, int y, const struct table_slot *slot,
			 const struct live_worker *w)
{
	int cells = slot->width < HISTORY_S ? slot->width : HISTORY_S, per = HISTORY_S / cells;

	for (int i = 0; i < cells; i++) {
		int from = HISTORY_S - (cells - i) * per;
		float most = -1, blocked = 0;

		for (int k = from; k < from + per; k++) {
			most = w->last_60s[k] > most ? w->last_60s[k] : most;
			blocked = w->last_60s_blocked[k] > blocked ? w->last_60s_blocked[k]
								   : blocked;
		}
		canvas_put(c, slot->x + i, y, blocked > 0.1f ? ROLE_BAR_BLOCKED : ROLE_BAR_BUSY,
			   meter_spark((double)most, c->ascii));
	}
}

static void draw_shares(struct canvas *c, int y, const struct table_slot *slots,
			const struct live_worker *w)
{
	bool known = w->busy + w->blocked_share + w->runnable + w->own + w->parked > 0.01f;

	percent_cell(c, y, BUSY, slots, ROLE_BAR_BUSY, known ? w->busy : -1, w->estimated);
	percent_cell(c, y, BLOCK, slots, ROLE_BAR_BLOCKED, known ? w->blocked_share : -1,
		     w->estimated);
	percent_cell(c, y, RUNQ, slots, ROLE_BAR_RUNNABLE, known ? w->runnable : -1, false);
	percent_cell(c, y, OWN, slots, ROLE_BAR_OWN, known ? w->own : -1, w->estimated);
	percent_cell(c, y, PARK, slots, ROLE_DIM, known ? w->parked : -1, w->estimated);
}

static void draw_row(struct canvas *c, int y, const struct table_slot *slots,
		     const struct live_worker *w)
{
	enum theme_role role = w->blocked ? ROLE_STATE_BLOCKED
			       : w->task  ? ROLE_STATE_RUN
					  : ROLE_DIM;
	char text[256];

	snprintf(text, sizeof(text), "%u", w->worker);
	table_cell(c, y, &columns[W], &slots[W], ROLE_LABEL, text);
	snprintf(text, sizeof(text), "%u", w->tid);
	table_cell(c, y, &columns[TID], &slots[TID], ROLE_TEXT, text);
	snprintf(text, sizeof(text), w->blocked ? "!blocked" : " %s", names_worker_state(w->state));
	table_cell(c, y, &columns[STATE], &slots[STATE], role, text);
	now_text(w, text, sizeof(text));
	table_cell(c, y, &columns[NOW], &slots[NOW], w->blocked ? ROLE_CRIT : ROLE_TEXT, text);
	draw_shares(c, y, slots, w);
	table_cell(c, y, &columns[QUEUE], &slots[QUEUE], ROLE_TEXT, format_short(w->local_depth).s);
	snprintf(text, sizeof(text), "%s/%s", format_short((double)w->steals).s,
		 format_short((double)w->stolen).s);
	table_cell(c, y, &columns[STEALS], &slots[STEALS], ROLE_TEXT, text);
	table_cell(c, y, &columns[PARKS], &slots[PARKS], ROLE_TEXT, format_short(w->parks_s).s);
	draw_history(c, y, &slots[LAST], w);
}

static void draw_pool(const struct live_header *h, struct canvas *c, int y)
{
	char driver[64] = "nobody";

	if (h->driver_worker == LIVE_REACTOR)
		snprintf(driver, sizeof(driver), "reactor");
	else if (h->driver_worker != UINT32_MAX)
		snprintf(driver, sizeof(driver), "W%u", h->driver_worker);
	canvas_printf(c, 0, y, c->width, ROLE_TEXT,
		      "pool %s threads %s busy queue %s inject %s timers %s fds %s driver %s %s ago",
		      format_count(h->pool_threads).s, format_count(h->pool_busy).s,
		      format_count(h->pool_queue).s, format_count(h->inject_depth).s,
		      format_count(h->timers).s, format_count(h->fds).s, driver,
		      format_ns(h->driver_age_ns).s);
	canvas_paint(c, 0, y, 4, ROLE_LABEL);
}

static void workers_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct workers *s = state;
	struct table_column wide[COLUMNS];
	struct table_slot slots[COLUMNS];

	cursor_set(&s->cursor, s->cursor.n, list_rows(height));
	memcpy(wide, columns, sizeof(wide));
	if (c->width >= WIDE_HISTORY)
		wide[LAST].width = HISTORY_S;
	table_layout(wide, COLUMNS, c->width, slots);
	table_head(c, y, columns, COLUMNS, slots, -1);
	if (s->n == 0)
		canvas_text(c, 1, y + 2, c->width - 2, ROLE_DIM, "No workers are known yet.");
	for (int i = 0; i < s->cursor.height && s->cursor.top + (size_t)i < s->cursor.n; i++) {
		size_t at = s->cursor.top + (size_t)i;

		draw_row(c, y + 1 + i, slots, &s->rows[at]);
		if (at == s->cursor.at)
			canvas_select(c, y + 1 + i, slots[LAST].x,
				      s->rows[at].blocked ? ROLE_SELECTED_CRIT : ROLE_SELECTED);
	}
	draw_pool(&v->head, c, y + height - 1);
}

/* ---- keys ---- */

static struct intent workers_act(void *state, struct view *v, const struct screen_input *in)
{
	struct workers *s = state;
	uint64_t task = s->n ? s->rows[s->cursor.at].task : 0;

	if (in->mouse)
		cursor_click(&s->cursor, in->row - 1);
	else if (in->action == ACTION_OPEN && task)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &details_screen,
					.arg = task };
	else if (in->action == ACTION_OPEN)
		snprintf(v->status, sizeof(v->status), "this worker is not polling a task");
	else if (in->action == ACTION_BACK)
		return (struct intent){ .kind = INTENT_BACK };
	else if (!cursor_act(&s->cursor, in->action))
		return (struct intent){ .kind = INTENT_IGNORED };
	return (struct intent){ .kind = INTENT_DONE };
}

const struct screen_ops workers_screen = {
	.tab = "Workers",
	.context = IN_WORKERS,
	.open = workers_open,
	.close = workers_close,
	.refresh = workers_refresh,
	.draw = workers_draw,
	.act = workers_act,
};
