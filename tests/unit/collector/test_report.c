/* SPDX-License-Identifier: MIT */
/* The JSON of `weft diagnose` key by key, the text form, exit codes, hostile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/report.h"
#include "tests/support/feed.h"

#define IMPLEMENTED "busy-loop,blocking-call,task-leak"

static void idles(struct feed *f, uint64_t from, uint64_t to)
{
	for (uint64_t t = from; t <= to; t += 50 * MS)
		feed_sample(f, t, 0, &(struct feed_sample){ .cpu = MS, .park = 49 * MS });
}

static struct feed *sick(const struct live_options *options, const char *name)
{
	struct feed *f = feed_new(options);
	struct weft_ev_cannot_see blind = { .what = "kernel stacks", .why = "kptr_restrict" };

	feed_worker(f, 0, 0);
	feed_site(f, 1, name, "src/svc.c", 42);
	feed_spawn(f, 1 * MS, 7, 1, 512);
	feed_event(f, 2 * MS, WEFT_EV_CANNOT_SEE, &blind, sizeof(blind));
	idles(f, 50 * MS, 1 * S);
	feed_stack(f, 1050 * MS, 0, 7, 0, WEFT_STACK_BLOCKED, 35);
	feed_offcpu(f, 1099 * MS, 0, 7, 60 * MS, 0, 35);
	feed_poll(f, 1100 * MS, 0, 7, 65 * MS);
	idles(f, 1150 * MS, 2 * S);
	return f;
}

/* No time watched: nobody looks while the probes are taken out. */
static void the_window_ends_with_the_last_look(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");
	struct report r;

	(void)state;
	feed_tick_to(f, 30 * S);
	assert_int_equal(report_take(f->l, &r), 0);
	assert_in_range((uint64_t)(r.window_s * 1000), 1999, 2001);
	report_done(&r);
	feed_free(f);
}

static struct feed *healthy(const struct live_options *options)
{
	struct feed *f = feed_new(options);

	feed_worker(f, 0, 0);
	feed_site(f, 1, "ok", "src/svc.c", 42);
	feed_spawn(f, 1 * MS, 7, 1, 512);
	for (uint64_t t = 50 * MS; t <= 40 * S; t += 50 * MS)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = 5 * MS, .park = 45 * MS, .polls = 5, .busy = 4 * MS });
	return f;
}

static char *print(struct live *l, int (*report)(struct live *l, FILE *out))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report(l, out), 0);
	fclose(out);
	return text;
}

static json_t *document(struct live *l)
{
	char *text = print(l, live_report_json);
	json_error_t error;
	json_t *doc = json_loads(text, 0, &error);

	if (!doc)
		print_message("%s at line %d\n%s\n", error.text, error.line, text);
	assert_non_null(doc);
	free(text);
	return doc;
}

static const char *text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	assert_true(json_is_string(v));
	return json_string_value(v);
}

static void assert_keys(const json_t *object, const char *keys)
{
	char list[400], *rest = NULL;

	snprintf(list, sizeof(list), "%s", keys);
	for (char *key = strtok_r(list, " ", &rest); key; key = strtok_r(NULL, " ", &rest)) {
		if (!json_object_get(object, key))
			print_message("missing: %s\n", key);
		assert_non_null(json_object_get(object, key));
	}
}

/* The words in `` of the paragraph of collector/README.md that begins so, with blanks between; not those in brackets. */
static void documented_keys(const char *begin, char *ret, size_t size)
{
	static char text[65536];
	FILE *f = fopen("collector/README.md", "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0, len = 0;
	const char *at = strstr(text, begin), *end;
	bool in = false;
	int depth = 0;

	assert_true(n && at);
	fclose(f);
	end = strstr(at, "\n\n");
	assert_non_null(end);
	for (; at < end && len + 2 < size; at++) {
		depth += (*at == '(' || *at == '[') - (*at == ')' || *at == ']');
		if (*at == '`') {
			in = !in;
			if (!in && !depth)
				ret[len++] = ' ';
		} else if (in && !depth) {
			ret[len++] = *at;
		}
	}
	ret[len] = 0;
	assert_true(len > 100);
}

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && at[n] == ' ')
			return true;
	return false;
}

static void the_document_has_its_shape(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");
	json_t *doc = document(f->l), *row, *list;
	size_t i;

	(void)state;
	assert_keys(
		doc,
		"weft schema target window_s events level cannot_see checked verdict targets findings");
	assert_int_equal(json_integer_value(json_object_get(doc, "schema")), 1);
	assert_keys(json_object_get(doc, "events"), "produced stored lost filtered expired");
	assert_string_equal(text_of(doc, "level"), "normal");
	assert_string_equal(text_of(doc, "verdict"), "findings");
	row = json_object_get(doc, "target");
	assert_int_equal(json_integer_value(json_object_get(row, "pid")), 4711);
	assert_string_equal(text_of(row, "name"), "svc");
	row = json_array_get(json_object_get(row, "runtimes"), 0);
	assert_string_equal(text_of(row, "kind"), "weft");
	assert_string_equal(text_of(row, "flavour"), "multi_thread");
	assert_int_equal(json_integer_value(json_object_get(row, "workers")), 2);
	assert_int_equal(json_array_size(json_object_get(doc, "targets")), 1);
	row = json_array_get(json_object_get(doc, "cannot_see"), 0);
	assert_string_equal(text_of(row, "what"), "kernel stacks");
	list = json_object_get(doc, "checked");
	assert_int_equal(json_array_size(list), 20);
	json_array_foreach(list, i, row) {
		assert_keys(row, "id verdict");
		if (!strcmp(text_of(row, "verdict"), "not-checked"))
			assert_true(text_of(row, "why")[0]);
	}
	json_decref(doc);
	feed_free(f);
}

static void a_finding_has_its_shape(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");
	json_t *doc = document(f->l), *row, *sub;
	char keys[400];
	const char *key;

	(void)state;
	assert_int_equal(json_array_size(json_object_get(doc, "findings")), 1);
	row = json_array_get(json_object_get(doc, "findings"), 0);
	documented_keys("A finding: ", keys, sizeof(keys));
	assert_keys(row, keys);
	json_object_foreach(row, key, sub)
		if (!has_word(keys, key))
			fail_msg("\"%s\" of a finding is not in collector/README.md", key);
	assert_string_equal(text_of(row, "id"), "blocking-call");
	assert_string_equal(text_of(row, "severity"), "crit");
	assert_int_equal(strlen(text_of(row, "fingerprint")), 16);
	sub = json_object_get(row, "subject");
	assert_string_equal(text_of(sub, "kind"), "task");
	assert_string_equal(text_of(sub, "name"), "session");
	assert_string_equal(text_of(sub, "location"), "src/svc.c:42");
	assert_int_equal(json_integer_value(json_object_get(sub, "id")), 7);
	sub = json_array_get(json_object_get(row, "evidence"), 0);
	assert_keys(sub, "text value unit");
	sub = json_object_get(row, "stack");
	assert_string_equal(json_string_value(json_array_get(sub, 0)), "k:do_nanosleep");
	assert_string_equal(json_string_value(json_array_get(sub, 2)), "doze (src/db.c:41)");
	assert_true(json_real_value(json_object_get(row, "first_s")) <
		    json_real_value(json_object_get(row, "last_s")));
	json_decref(doc);
	feed_free(f);
}

static void hostile_names_are_made_safe(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "\x1b[31m\xff\xfe\"\\evil\n");
	json_t *doc = document(f->l);
	char *text = print(f->l, live_report_text);

	(void)state;
	assert_null(strchr(text, 0x1b));
	assert_null(strchr(text, 0xff));
	assert_non_null(strstr(text, "evil"));
	json_decref(doc);
	free(text);
	feed_free(f);
}

static void text_for_people(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");
	char *text = print(f->l, live_report_text);

	(void)state;
	assert_non_null(strstr(text, "svc[4711] weft 0.1.0 multi_thread, 1 workers, level normal"));
	assert_non_null(strstr(text, "crit  blocking-call  task 7 session"));
	assert_non_null(strstr(text, "src/svc.c:42"));
	assert_non_null(strstr(text, "k:do_nanosleep"));
	assert_non_null(strstr(text, "11 of 20 checked\nnot checked ("));
	assert_non_null(strstr(text, "\nnot checked (watched for"));
	free(text);
	feed_free(f);
}

static void six_lines_for_a_chat(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");
	char *text = NULL;
	size_t size = 0, lines = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(live_finding_text(feed_finding(f, "blocking-call"), true, out), 0);
	fclose(out);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 6);
	assert_non_null(strstr(
		text,
		"target svc[4711]\nbuild  abc123\nwhat   crit blocking-call task 7 session: "));
	assert_non_null(strstr(text, "where  doze (src/db.c:41), spawned at src/svc.c:42"));
	free(text);
	feed_free(f);
}

static void exit_codes(void **state)
{
	struct feed *f = sick(&(struct live_options){ 0 }, "session");

	(void)state;
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 1);
	assert_int_equal(live_exit_code(f->l, LIVE_CRIT), 1);
	feed_free(f);
	f = healthy(&(struct live_options){ .only = IMPLEMENTED });
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 0);
	feed_free(f);
	f = healthy(&(struct live_options){ 0 });
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 3); /* seven ids are not checked yet */
	feed_free(f);
	f = sick(&(struct live_options){ .only = "busy-loop,task-leak" }, "session");
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 3); /* too short for a leak */
	feed_free(f);
	f = sick(&(struct live_options){ .only = "busy-loop" }, "session");
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 0);
	feed_free(f);
}

static void verdicts(void **state)
{
	struct feed *f = healthy(&(struct live_options){ .only = IMPLEMENTED });
	json_t *doc = document(f->l);

	(void)state;
	assert_string_equal(text_of(doc, "verdict"), "clean");
	json_decref(doc);
	feed_free(f);
	f = healthy(&(struct live_options){ 0 });
	doc = document(f->l);
	assert_string_equal(text_of(doc, "verdict"), "inconclusive");
	json_decref(doc);
	feed_free(f);
}

static void nothing_was_there(void **state)
{
	struct live *l = NULL;
	json_t *doc;
	char *text;

	(void)state;
	assert_int_equal(live_make(&(struct live_options){ 0 }, &l), 0);
	doc = document(l);
	assert_true(json_is_null(json_object_get(doc, "target")));
	assert_string_equal(text_of(doc, "verdict"), "inconclusive");
	text = print(l, live_report_text);
	assert_non_null(strstr(text, "0 of 20 checked"));
	free(text);
	json_decref(doc);
	live_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_has_its_shape),
		cmocka_unit_test(the_window_ends_with_the_last_look),
		cmocka_unit_test(a_finding_has_its_shape),
		cmocka_unit_test(hostile_names_are_made_safe),
		cmocka_unit_test(text_for_people),
		cmocka_unit_test(six_lines_for_a_chat),
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(nothing_was_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
