/* SPDX-License-Identifier: MIT */
/* The topics of weft explain: complete, linked, and found again by the errors that they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/detect/symptoms.h"
#include "tui/commands/explain_print.h"

static const char *const runtimes[] = { "weft", "tokio", "async-std", "smol" };

static void has_part(const struct knowledge_topic *t, const char *section, const char *runtime)
{
	struct knowledge_part part;
	struct knowledge_line line = { .text = NULL };

	if (!knowledge_part_find(t, section, runtime, &part))
		fail_msg("%s lacks: %s %s", t->name, section, runtime);
	if (!knowledge_line_next(&part, &line) && strcmp(section, "fix") != 0)
		fail_msg("%s has nothing under: %s %s", t->name, section, runtime);
}

/* Blank-separated names: each is a topic. Returns how many. */
static int names_topics(const char *name, const char *text, int length)
{
	int n = 0;

	for (const char *end = text + length; text < end;) {
		char other[32];
		int len = (int)strcspn(text, " \n");

		snprintf(other, sizeof(other), "%.*s", len, text);
		if (len && !knowledge_find(other))
			fail_msg("%s refers to %s, which is no topic", name, other);
		n += len > 0;
		text += len + 1;
	}
	return n;
}

static void test_every_finding_has_a_topic(void **state)
{
	static const char *const sections[] = { "symptom", "cause", "method", "fix" };

	(void)state;
	for (int s = 0; s < SYMPTOMS; s++) {
		const struct knowledge_topic *t = knowledge_find(symptom_id((enum symptom)s));

		if (!t)
			fail_msg("no topic for %s", symptom_id((enum symptom)s));
		for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
			has_part(t, sections[i], "");
		for (size_t i = 0; i < 4; i++)
			has_part(t, "fix", runtimes[i]);
	}
}

/* The console shows it beneath a proof, for the runtime that is watched. */
static void test_every_finding_has_a_sketch(void **state)
{
	static const enum symptom of_builds[] = { SYMPTOM_NOT_SEND, SYMPTOM_NOT_UNPIN,
						  SYMPTOM_MISSING_FEATURE };

	(void)state;
	for (int s = 0; s < SYMPTOMS; s++) {
		const struct knowledge_topic *t = knowledge_find(symptom_id((enum symptom)s));
		bool of_build = false;

		for (size_t i = 0; i < sizeof(of_builds) / sizeof(*of_builds); i++)
			of_build |= of_builds[i] == (enum symptom)s;
		for (size_t i = 0; t && i < (of_build ? 1 : 4); i++)
			has_part(t, "sick", runtimes[i]);
	}
}

static void test_every_topic_is_linked(void **state)
{
	const struct knowledge_topic *t;
	size_t n = 0;

	(void)state;
	for (; (t = knowledge_topic(n)); n++) {
		struct knowledge_line line = { .text = NULL };
		struct knowledge_part see;
		int links = 0;

		assert_ptr_equal(knowledge_find(t->name)->text, t->text);
		assert_true(*t->title && strlen(t->title) < 40);
		assert_true(knowledge_part_find(t, "see", "", &see));
		while (knowledge_line_next(&see, &line))
			links += names_topics(t->name, line.text, line.length);
		assert_true(links >= 2);
	}
	assert_true(n >= 24);
	assert_null(knowledge_find("no-such-topic"));
}

/* Each pitfall says which symptom it leads to. */
static void test_pitfalls_lead_to_symptoms(void **state)
{
	const struct knowledge_topic *t = knowledge_find("pitfalls");
	struct knowledge_part part = { .from = NULL };
	int n = 0;

	(void)state;
	while (knowledge_part_next(t, &part)) {
		struct knowledge_line line = { .text = NULL };
		int links = 0;

		if (!strcmp(part.section, "see"))
			continue;
		while (knowledge_line_next(&part, &line))
			if (!strncmp(line.text, "symptom: ", 9))
				links += names_topics(part.section, line.text + 9, line.length - 9);
		if (links != 1)
			fail_msg("%s leads to %d symptoms", part.section, links);
		n++;
	}
	assert_true(n >= 5);
}

static void each_section(const char *topic, void (*fn)(const struct knowledge_topic *t,
						       const struct knowledge_part *section))
{
	const struct knowledge_topic *t = knowledge_find(topic);
	struct knowledge_part part = { .from = NULL };

	while (knowledge_part_next(t, &part))
		if (!part.runtime[0] && strcmp(part.section, "see") != 0)
			fn(t, &part);
}

static void four_runtimes(const struct knowledge_topic *t, const struct knowledge_part *section)
{
	for (size_t i = 0; i < 4; i++)
		has_part(t, section->section, runtimes[i]);
}

static void four_verdicts(const struct knowledge_topic *t, const struct knowledge_part *section)
{
	static const char *const words[] = { "yes: ", "no: ", "adapter: " };

	for (size_t i = 0; i < 4; i++) {
		struct knowledge_part cell;
		bool known = false;

		assert_true(knowledge_part_find(t, section->section, runtimes[i], &cell));
		for (size_t k = 0; k < 3; k++)
			known |= !strncmp(cell.from, words[k], strlen(words[k]));
		if (!known)
			fail_msg("%s on %s: no verdict", section->section, runtimes[i]);
		/* What works is shown, so that it is compiled. */
		if (strncmp(cell.from, "no: ", 4) != 0 &&
		    !memmem(cell.from, (size_t)(cell.to - cell.from), "```rust", 7))
			fail_msg("%s on %s: no code", section->section, runtimes[i]);
	}
}

static void test_tables_are_full(void **state)
{
	(void)state;
	each_section("migrate", four_runtimes);
	each_section("compat", four_verdicts);
}

static void test_scenarios(void **state)
{
	static const char *const scenarios[] = { "decision tree", "web service", "proxy",
						 "cli",           "teaching",    "embedded",
						 "message queue", "library" };
	const struct knowledge_topic *t = knowledge_find("choose");
	struct knowledge_part part;

	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		assert_true(knowledge_part_find(t, scenarios[i], "", &part));
		assert_true(i == 0 || !strncmp(part.from, "recommendation: ", 16));
	}
}

/* Each piece of error text leads to the topic that has it: none is swallowed by a longer one elsewhere. */
static void test_errors_are_found(void **state)
{
	const struct knowledge_topic *t;

	(void)state;
	for (size_t i = 0; (t = knowledge_topic(i)); i++) {
		struct knowledge_line line = { .text = NULL };
		struct knowledge_part part;

		if (!knowledge_part_find(t, "texts", "", &part))
			continue;
		while (knowledge_line_next(&part, &line)) {
			const struct knowledge_topic *found;
			const char *piece;
			char text[300];
			int length;

			if (!line.length)
				continue;
			assert_true(line.length >= 7);
			snprintf(text, sizeof(text), "it said: %.*s, and ended", line.length,
				 line.text);
			found = knowledge_by_error(text, &piece, &length);
			if (found != t)
				fail_msg("\"%s\" leads to %s, not %s", text,
					 found ? found->name : "nothing", t->name);
		}
	}
	assert_null(knowledge_by_error("all is well", &(const char *){ NULL }, &(int){ 0 }));
}

static char *printed(const char *topic, const struct explain_filter *filter,
		     void (*fn)(const struct knowledge_topic *t,
				const struct explain_filter *filter, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fn(knowledge_find(topic), filter, out);
	fclose(out);
	return text;
}

static void test_print(void **state)
{
	static const struct explain_filter move = { .from = "smol", .to = "tokio" }, all;
	char *text = printed("migrate", &move, explain_print_topic);
	const char *smol = strstr(text, "smol::spawn"), *tokio = strstr(text, "tokio::spawn");

	(void)state;
	assert_non_null(smol);
	assert_non_null(tokio);
	assert_true(smol < tokio); /* what is left comes first */
	assert_null(strstr(text, "async_std"));
	assert_null(strstr(text, "weft_"));
	assert_non_null(strstr(text, "cargo add tokio"));
	free(text);
	text = printed("not-send", &all, explain_print_topic);
	assert_null(strstr(text, "```"));
	assert_non_null(strstr(text, "refused:"));
	assert_null(strstr(text, "texts"));
	for (const char *p = text; *p; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n'))
		if (strcspn(p, "\n") > 120)
			fail_msg("a long line: %.130s", p);
	free(text);
}

/* Lines that only the compiler is to see are hidden, in both forms. */
static void test_hidden_lines(void **state)
{
	static const struct explain_filter all;
	char *text = printed("busy-loop", &all, explain_print_topic);

	(void)state;
	assert_non_null(strstr(text, "changed.notified()"));
	assert_null(strstr(text, "notify_one"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_finding_has_a_topic),
		cmocka_unit_test(test_every_finding_has_a_sketch),
		cmocka_unit_test(test_every_topic_is_linked),
		cmocka_unit_test(test_pitfalls_lead_to_symptoms),
		cmocka_unit_test(test_tables_are_full),
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_errors_are_found),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_hidden_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
