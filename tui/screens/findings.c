/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tui/format.h"
#include "tui/names.h"
#include "tui/screens/finding_act.h"
#include "tui/screens/screens.h"
#include "tui/widgets/cursor.h"
#include "tui/widgets/lines.h"
#include "tui/widgets/table.h"

#define MOST_FINDINGS 128
#define MOST_CHECKED  32
#define PREVIEW_ROWS  5 /* what is under the cursor, in short, below the list */

enum { SEV, FINDING, SUBJECT, SINCE, HARM, CAUSE, COLUMNS };

static const struct table_column columns[COLUMNS] = {
	[SEV] = { "SEV", 4, 0, false },          [FINDING] = { "FINDING", 14, 0, false },
	[SUBJECT] = { "SUBJECT", 22, 0, false }, [SINCE] = { "SINCE", 6, 0, true },
	[HARM] = { "HARM", 13, 0, true },        [CAUSE] = { "CAUSE", 0, 0, false },
};

struct findings {
	struct live_finding *rows;
	struct live_checked checked[MOST_CHECKED];
	struct lines preview;
	struct cursor cursor;
	uint64_t key; /* of the one under the cursor: it keeps the cursor when the order changes */
	int n, nchecked;
};

static void *findings_open(struct view *v, uint64_t arg)
{
	struct findings *s = calloc(1, sizeof(*s));

	(void)v;
	(void)arg;
	if (s)
		s->rows = calloc(MOST_FINDINGS, sizeof(*s->rows));
	if (s && !s->rows) {
		free(s);
		return NULL;
	}
	return s;
}

static void findings_close(void *state)
{
	struct findings *s = state;

	lines_done(&s->preview);
	free(s->rows);
	free(s);
}

static int at_most(int n, int most)
{
	return n < 0 ? 0 : n < most ? n : most;
}

static uint64_t key_under_cursor(const struct findings *s)
{
	return s->rows && s->cursor.at < (size_t)s->n ? s->rows[s->cursor.at].key : 0;
}

static int list_rows(int height)
{
	return height > PREVIEW_ROWS + 3 ? height - PREVIEW_ROWS - 2 : 1;
}

static void findings_refresh(void *state, struct view *v, int height)
{
	struct findings *s = state;

	s->n = at_most(live_findings(v->live, s->rows, 0, MOST_FINDINGS), MOST_FINDINGS);
	s->nchecked = at_most(live_checked(v->live, s->checked, MOST_CHECKED), MOST_CHECKED);
	for (int i = 0; i < s->n; i++)
		if (s->rows[i].key == s->key)
			s->cursor.at = (size_t)i;
	cursor_set(&s->cursor, (size_t)s->n, list_rows(height));
	s->key = key_under_cursor(s);
}

/* ---- drawing ---- */

static enum theme_role severity_role(const struct live_finding *f)
{
	if (f->muted)
		return ROLE_DIM;
	if (f->resolved)
		return ROLE_GOOD;
	return f->severity == LIVE_CRIT   ? ROLE_CRIT
	       : f->severity == LIVE_WARN ? ROLE_WARN
					  : ROLE_TEXT;
}

static void subject_text(const struct live_finding *f, const struct view *v, char *text,
			 size_t size)
{
	bool numbered = strcmp(f->subject_kind, "task") == 0 ||
			strcmp(f->subject_kind, "worker") == 0;
	size_t len = 0;

	if (v->head.processes > 1)
		len = (size_t)snprintf(text, size, "[%u] ", f->pid);
	if (numbered)
		snprintf(text + len, size - len, "%s %llu %s", f->subject_kind,
			 (unsigned long long)f->subject_id, f->subject_name);
	else
		snprintf(text + len, size - len, "%s",
			 *f->subject_name ? f->subject_name : f->subject_kind);
}

static void since_text(const struct live_finding *f, const struct view *v, char *text, size_t size)
{
	uint64_t now = v->head.now_ns, from = f->resolved ? f->last_ns : f->first_ns;

	snprintf(text, size, "%s", format_age(now > from ? now - from : 0).s);
}

static void draw_row(const struct findings *s, const struct view *v, struct canvas *c, int y,
		     const struct table_slot *slots, const struct live_finding *f)
{
	enum theme_role role = severity_role(f), plain = f->muted ? ROLE_DIM : ROLE_TEXT;
	char text[256];

	(void)s;
	table_cell(c, y, &columns[SEV], &slots[SEV], role,
		   f->muted      ? "mute"
		   : f->resolved ? "ok"
				 : names_severity(f->severity));
	table_cell(c, y, &columns[FINDING], &slots[FINDING], role, f->id);
	subject_text(f, v, text, sizeof(text));
	table_cell(c, y, &columns[SUBJECT], &slots[SUBJECT], plain, text);
	since_text(f, v, text, sizeof(text));
	table_cell(c, y, &columns[SINCE], &slots[SINCE], plain, text);
	snprintf(text, sizeof(text), "%s task-ms", format_short(f->harm_task_ms).s);
	table_cell(c, y, &columns[HARM], &slots[HARM], plain, f->harm_task_ms > 0 ? text : "");
	if (f->resolved) {
		snprintf(text, sizeof(text), "resolved %s ago",
			 format_age(v->head.now_ns - f->last_ns).s);
		table_cell(c, y, &columns[CAUSE], &slots[CAUSE], ROLE_GOOD, text);
	} else {
		table_cell(c, y, &columns[CAUSE], &slots[CAUSE], plain, f->cause);
	}
}

static void draw_preview(struct findings *s, struct canvas *c, int y)
{
	const struct live_finding *f = &s->rows[s->cursor.at];

	lines_reset(&s->preview);
	lines_label(&s->preview, "what", ROLE_TEXT, "%s", *f->cause ? f->cause : f->id);
	lines_label(&s->preview, "where", ROLE_TEXT, "%s", *f->location ? f->location : "?");
	if (f->evidence_n)
		lines_label(&s->preview, "proof", ROLE_TEXT, "%s", f->evidence[0].text);
	lines_wrap(&s->preview, "advice", ROLE_TEXT, c->width - 2, f->advice);
	s->preview.top = 0;
	for (int x = 0; x < c->width; x++)
		canvas_put(c, x, y, ROLE_DIM, c->ascii ? '-' : 0x2500);
	lines_draw(&s->preview, c, y + 1, PREVIEW_ROWS);
}

static enum theme_role verdict_role(const char *verdict)
{
	return strcmp(verdict, "clean") == 0   ? ROLE_GOOD
	       : strcmp(verdict, "found") == 0 ? ROLE_CRIT
					       : ROLE_DIM;
}

/* No findings: what was looked for, and what could not be. */
static void draw_checked(const struct findings *s, struct canvas *c, int y, int height)
{
	canvas_text(c, 1, y + 1, c->width - 2, ROLE_GOOD, "Nothing was found so far. Looked for:");
	for (int i = 0; i < s->nchecked && i + 3 < height; i++) {
		const struct live_checked *k = &s->checked[i];

		canvas_text(c, 3, y + 3 + i, 16, ROLE_TEXT, k->id);
		canvas_text(c, 20, y + 3 + i, 14, verdict_role(k->verdict), k->verdict);
		canvas_text(c, 35, y + 3 + i, c->width - 35, ROLE_DIM, k->why);
	}
}

static void findings_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct findings *s = state;
	struct table_slot slots[COLUMNS];

	cursor_set(&s->cursor, s->cursor.n, list_rows(height));
	table_layout(columns, COLUMNS, c->width, slots);
	table_head(c, y, columns, COLUMNS, slots, -1);
	if (s->n == 0) {
		draw_checked(s, c, y + 1, height - 1);
		return;
	}
	for (int i = 0; i < s->cursor.height && s->cursor.top + (size_t)i < s->cursor.n; i++) {
		size_t at = s->cursor.top + (size_t)i;

		draw_row(s, v, c, y + 1 + i, slots, &s->rows[at]);
		if (at == s->cursor.at)
			canvas_select(c, y + 1 + i, c->width, ROLE_SELECTED);
	}
	if (height > PREVIEW_ROWS + 3)
		draw_preview(s, c, y + height - PREVIEW_ROWS - 1);
}

/* ---- keys ---- */

static struct intent act_on(struct findings *s, struct view *v, enum action action)
{
	struct live_finding *f = &s->rows[s->cursor.at];

	if (action == ACTION_OPEN)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &proof_screen,
					.arg = f->key };
	if (action == ACTION_CHAT)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &proof_note_screen,
					.arg = f->key };
	finding_act(v, f, action);
	return (struct intent){ .kind = INTENT_DONE };
}

static bool is_on_finding(enum action action)
{
	return action == ACTION_OPEN || action == ACTION_CHAT || action == ACTION_MUTE ||
	       action == ACTION_EXPORT;
}

static struct intent findings_act(void *state, struct view *v, const struct screen_input *in)
{
	struct findings *s = state;

	if (in->mouse)
		cursor_click(&s->cursor, in->row - 1);
	else if (in->action == ACTION_BACK)
		return (struct intent){ .kind = INTENT_BACK };
	else if (is_on_finding(in->action) && s->n)
		return act_on(s, v, in->action);
	else if (is_on_finding(in->action))
		snprintf(v->status, sizeof(v->status), "there are no findings");
	else if (!cursor_act(&s->cursor, in->action))
		return (struct intent){ .kind = INTENT_IGNORED };
	s->key = key_under_cursor(s);
	return (struct intent){ .kind = INTENT_DONE };
}

const struct screen_ops findings_screen = {
	.tab = "Findings",
	.context = IN_FINDINGS,
	.open = findings_open,
	.close = findings_close,
	.refresh = findings_refresh,
	.draw = findings_draw,
	.act = findings_act,
};
