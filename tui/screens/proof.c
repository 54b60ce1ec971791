/* SPDX-License-Identifier: MIT */
/* One finding: its proof in full, or (screen `note`) as six lines for a chat. */
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "tui/screens/finding_act.h"
#include "tui/screens/screens.h"
#include "tui/screens/sketch.h"
#include "tui/widgets/lines.h"

#define SEARCHED 128

struct proof {
	struct lines lines;          /* built anew for each drawing, to its width */
	struct live_finding finding; /* as last seen; key 0 = never */
	uint64_t key;
	unsigned kinds; /* runtimes of its process */
	bool brief;
};

static void *open_as(uint64_t key, bool brief)
{
	struct proof *s = calloc(1, sizeof(*s));

	if (s) {
		s->key = key;
		s->brief = brief;
	}
	return s;
}

static void *proof_open(struct view *v, uint64_t arg)
{
	(void)v;
	return open_as(arg, false);
}

static void *note_open(struct view *v, uint64_t arg)
{
	(void)v;
	return open_as(arg, true);
}

static void proof_close(void *state)
{
	struct proof *s = state;

	lines_done(&s->lines);
	free(s);
}

static void find(struct proof *s, struct view *v)
{
	auto_free struct live_finding *rows = calloc(SEARCHED, sizeof(*rows));
	int n = rows ? live_findings(v->live, rows, 0, SEARCHED) : 0;

	for (int i = 0; i < n && i < SEARCHED; i++)
		if (rows[i].key == s->key)
			s->finding = rows[i];
}

/* The words come from the collector, so that screen, report and chat say the same. */
static char *text_of(const struct proof *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	live_finding_text(&s->finding, s->brief, f);
	if (!s->brief)
		sketch_text(s->finding.id, s->kinds, f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

#define TEXT_COLUMN  12 /* of the collector's words: two blanks, a label, the text */
#define BRIEF_COLUMN 7

static enum theme_role line_role(const char *line, bool first)
{
	bool labelled = strlen(line) > TEXT_COLUMN && line[TEXT_COLUMN - 1] == ' ';

	if (first)
		return ROLE_TITLE;
	return labelled && strncmp(line + TEXT_COLUMN, "k:", 2) == 0 ? ROLE_KERNEL : ROLE_TEXT;
}

static void proof_refresh(void *state, struct view *v, int height)
{
	struct proof *s = state;

	(void)height;
	find(s, v);
	if (s->finding.key)
		s->kinds = sketch_kinds(v->live, s->finding.process);
}

static void build(struct proof *s, int width)
{
	auto_free char *text = NULL;
	char *save = NULL;

	lines_reset(&s->lines);
	if (!s->finding.key) {
		lines_add(&s->lines, ROLE_DIM, "This finding is no longer known.");
		return;
	}
	text = text_of(s);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		lines_fold(&s->lines, line_role(line, s->lines.n == 0), width,
			   s->brief ? BRIEF_COLUMN : TEXT_COLUMN, line);
	if (s->finding.resolved)
		lines_add(&s->lines, ROLE_GOOD, "  resolved");
}

static void proof_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct proof *s = state;

	(void)v;
	build(s, c->width - 2);
	lines_draw(&s->lines, c, y, height);
}

static struct intent proof_act(void *state, struct view *v, const struct screen_input *in)
{
	struct proof *s = state;

	if (in->action == ACTION_BACK)
		return (struct intent){ .kind = INTENT_BACK };
	if (s->finding.key && finding_act(v, &s->finding, in->action))
		return (struct intent){ .kind = INTENT_DONE };
	if (in->action == ACTION_CHAT)
		return (struct intent){ .kind = INTENT_OPEN,
					.screen = &proof_note_screen,
					.arg = s->key };
	return (struct intent){ .kind = lines_act(&s->lines, in->action) ? INTENT_DONE
									 : INTENT_IGNORED };
}

const struct screen_ops proof_screen = {
	.context = IN_PROOF,
	.open = proof_open,
	.close = proof_close,
	.refresh = proof_refresh,
	.draw = proof_draw,
	.act = proof_act,
};

/* No header and no frame around it: what one marks with the mouse is just the lines. */
const struct screen_ops proof_note_screen = {
	.context = IN_NOTE,
	.bare = true,
	.open = note_open,
	.close = proof_close,
	.refresh = proof_refresh,
	.draw = proof_draw,
	.act = proof_act,
};
