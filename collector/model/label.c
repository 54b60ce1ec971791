/* SPDX-License-Identifier: MIT */
#include "collector/model/label.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP "  "

struct task_labels {
	uint64_t task; /* 0 = free */
	char text[LABEL_TEXT];
};

static struct task_labels *place_of(const struct label_store *s, uint64_t task)
{
	return &s->task[(task * 0x9e3779b97f4a7c15ull >> 32) % LABEL_TASKS];
}

/* The end of the label that begins here: its gap, or the end of the text. */
static char *end_of(char *label)
{
	char *gap = strstr(label, GAP);

	return gap ? gap : label + strlen(label);
}

static void take_out(char *label)
{
	char *rest = end_of(label);

	if (*rest)
		rest += strlen(GAP);
	memmove(label, rest, strlen(rest) + 1);
}

static bool has_key(const char *label, const struct label_word *key)
{
	return strncmp(label, key->text, key->bytes) == 0 && label[key->bytes] == '=';
}

static void take_out_key(char *text, const struct label_word *key)
{
	for (char *at = text; *at;) {
		if (has_key(at, key)) {
			take_out(at);
			return;
		}
		at = end_of(at);
		if (*at)
			at += strlen(GAP);
	}
}

static size_t append(char *text, size_t at, const struct label_word *word)
{
	size_t n = strnlen(word->text, word->bytes);

	if (n > LABEL_TEXT - 1 - at)
		n = LABEL_TEXT - 1 - at;
	memcpy(text + at, word->text, n);
	text[at + n] = '\0';
	return at + n;
}

void label_store_set(struct label_store *s, uint64_t task, const struct label_word *key,
		     const struct label_word *value)
{
	static const struct label_word gap = { GAP, sizeof(GAP) - 1 }, is = { "=", 1 };
	size_t need = sizeof(GAP) - 1 + key->bytes + 1 + value->bytes, at;
	struct task_labels *l;

	if (!s->task)
		s->task = calloc(LABEL_TASKS, sizeof(*s->task));
	if (!s->task)
		return;
	l = place_of(s, task);
	if (l->task != task)
		l->text[0] = '\0';
	l->task = task;
	take_out_key(l->text, key);
	while (l->text[0] && strlen(l->text) + need >= LABEL_TEXT)
		take_out(l->text);
	at = strlen(l->text);
	if (at)
		at = append(l->text, at, &gap);
	at = append(l->text, at, key);
	at = append(l->text, at, &is);
	append(l->text, at, value);
}

const char *label_store_get(const struct label_store *s, uint64_t task)
{
	return s->task && place_of(s, task)->task == task ? place_of(s, task)->text : "";
}

void label_store_done(struct label_store *s)
{
	free(s->task);
	s->task = NULL;
}
