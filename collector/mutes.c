/* SPDX-License-Identifier: MIT */
#include "collector/mutes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/detect/symptoms.h"
#include "collector/live.h"
#include "probes/base/safe_text.h"

#define BLANKS " \t"

struct mutes {
	char **line; /* "ID PLACE", one blank between */
	size_t n;
};

static bool is_symptom(const char *text, size_t n)
{
	for (int s = 0; s < SYMPTOMS; s++) {
		const char *id = symptom_id((enum symptom)s);

		if (strlen(id) == n && !memcmp(id, text, n))
			return true;
	}
	return false;
}

static char *one_line(const char *text, int *ret_rc)
{
	size_t id, gap, end;
	char *line = NULL;

	text += strspn(text, BLANKS);
	id = strcspn(text, BLANKS);
	gap = strspn(text + id, BLANKS);
	for (end = strlen(text); end && strchr(BLANKS, text[end - 1]); end--)
		;
	*ret_rc = -EINVAL;
	if (!is_symptom(text, id) || id + gap >= end)
		return NULL;
	*ret_rc = asprintf(&line, "%.*s %.*s", (int)id, text, (int)(end - id - gap),
			   text + id + gap) < 0
			  ? -ENOMEM
			  : 0;
	return *ret_rc ? NULL : line;
}

int mutes_new(const char *const *lines, struct mutes **ret, size_t *ret_wrong)
{
	struct mutes *m = calloc(1, sizeof(*m));
	size_t n = 0;
	int rc = 0;

	while (lines && lines[n])
		n++;
	if (m)
		m->line = calloc(n + 1, sizeof(*m->line));
	if (!m || !m->line) {
		mutes_free(m);
		return -ENOMEM;
	}
	for (; m->n < n; m->n++) {
		m->line[m->n] = one_line(lines[m->n], &rc);
		if (rc) {
			*ret_wrong = m->n;
			mutes_free(m);
			return rc;
		}
	}
	*ret = m;
	return 0;
}

struct mutes *mutes_free(struct mutes *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; m->line && i < m->n; i++)
		free(m->line[i]);
	free(m->line);
	free(m);
	return NULL;
}

size_t mutes_count(const struct mutes *m)
{
	return m ? m->n : 0;
}

bool mutes_has(const struct mutes *m, const struct live_finding *f)
{
	char line[MUTES_LINE];

	if (!mutes_count(m))
		return false;
	mutes_line(f, line);
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->line[i], line))
			return true;
	return false;
}

static const char *place_of(const struct live_finding *f)
{
	return *f->location ? f->location : *f->subject_name ? f->subject_name : f->subject_kind;
}

void mutes_line(const struct live_finding *f, char ret[MUTES_LINE])
{
	char place[sizeof(f->location)];
	size_t n = (size_t)snprintf(ret, MUTES_LINE, "%s ", f->id), end;

	safe_text_copy(place, sizeof(place), place_of(f), (size_t)-1);
	for (end = strlen(place); end && place[end - 1] == ' '; end--)
		;
	strcpy(place + end, end ? "" : "?");
	for (const char *s = place + strspn(place, " "); *s; s++)
		if (*s == '#' || *s == '%')
			n += (size_t)snprintf(ret + n, MUTES_LINE - n, "%%%02x", *s);
		else
			ret[n++] = *s;
	ret[n] = 0;
}
