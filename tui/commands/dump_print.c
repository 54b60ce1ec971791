/* SPDX-License-Identifier: MIT */
#include "tui/commands/dump_print.h"

#include <stdlib.h>

#include "tui/format.h"
#include "tui/names.h"

#define LONG_POLL_NS 1000000u /* polls open longer than this show their stack */

/* All polls and wakes in this time have been seen, from `normal` up. */
static uint64_t watched_ns(const struct dump_print *p)
{
	return p->head.now_ns - p->head.attached_ns;
}

/* Neither polled nor woken in that time. */
static bool long_idle(const struct dump_print *p, const struct live_task *t)
{
	return t->state == LIVE_IDLE && t->idle_ns == LIVE_UNKNOWN &&
	       p->head.level >= WEFT_LEVEL_NORMAL;
}

static uint64_t age_ns(const struct dump_print *p, const struct live_task *t, bool *at_least)
{
	*at_least = t->age_ns == LIVE_UNKNOWN;
	return *at_least ? watched_ns(p) : t->age_ns;
}

static bool in_long_poll(const struct live_task *t)
{
	return (t->state == LIVE_RUNNING || t->state == LIVE_BLOCKED) && t->open_ns > LONG_POLL_NS;
}

/* Owned; NULL = none is known. */
static struct live_task_detail *detail_of(struct live *l, const struct live_task *t)
{
	struct live_task_detail *d = in_long_poll(t) ? malloc(sizeof(*d)) : NULL;

	if (d && live_task_detail(l, t->id, d) != 0) {
		free(d);
		d = NULL;
	}
	return d;
}

/* What is known of it beside its row: of the running a stack, of the others what they wait for. */
struct about {
	struct live_task_detail *detail; /* NULL = none */
	struct live_await await;         /* t_ns LIVE_UNKNOWN = not known */
};

/* Since its birth where that is known, else since the attach. */
static uint64_t polls_of(const struct live_task *t, const struct about *about)
{
	bool told = about->await.places || about->await.complete;
	bool fewer = t->polls == LIVE_UNKNOWN || t->polls < about->await.polls;

	return about->await.t_ns != LIVE_UNKNOWN && told && fewer ? about->await.polls : t->polls;
}

/* ---- text ---- */

static void text_process(const struct dump_print *p)
{
	const struct live_header *h = &p->head;
	char name[96];

	format_clean(name, sizeof(name), h->info.comm);
	fprintf(p->out, "%s[%u] %s %s x%u  %s  tasks %s: idle %s ready %s running %s blocked %s\n",
		name, h->info.pid, names_runtime(h->runtime.kind),
		names_flavour(h->runtime.flavour), h->workers, format_stamp(h->realtime_ns).s,
		format_count(h->alive).s, format_count(h->idle).s, format_count(h->ready).s,
		format_count(h->running).s, format_count(h->blocked).s);
}

static void text_stack(const struct dump_print *p, const struct live_task_detail *d, int indent)
{
	char text[512];

	if (*d->syscall) {
		format_clean(text, sizeof(text), d->syscall);
		fprintf(p->out, "%*sin system call %s\n", indent, "", text);
	}
	for (uint32_t i = 0; i < d->nstack; i++) {
		format_clean(text, sizeof(text), d->stack[i].text);
		fprintf(p->out, "%*s%s %s\n", indent, "", d->stack[i].kernel ? "k" : "at", text);
	}
}

/* "sleep at order (demo_service.c:170) < session (session.c:12)"; innermost first. */
static void text_await(const struct dump_print *p, const struct live_await *a, int indent)
{
	char func[64], location[128];

	if (a->places)
		fprintf(p->out, "%*swaits for %s", indent, "", a->on);
	else if (a->task)
		fprintf(p->out, "%*swaits for join", indent, "");
	else if (a->complete)
		fprintf(p->out, "%*snot started", indent, "");
	else
		return;
	if (a->task)
		fprintf(p->out, " of task %llu", (unsigned long long)a->task);
	for (uint32_t i = 0; i < a->places; i++) {
		format_clean(func, sizeof(func), a->place[i].func);
		format_clean(location, sizeof(location), a->place[i].location);
		fprintf(p->out, "%s%s (%s)", i ? " < " : " at ", func, *location ? location : "?");
	}
	fputs(a->places && !a->complete ? " ...\n" : "\n", p->out);
}

static void text_task(const struct dump_print *p, const struct live_task *t,
		      const struct about *about)
{
	int indent = (int)(t->depth < 32 ? t->depth : 32) * 2;
	char name[256], location[320];
	bool at_least;
	uint64_t age = age_ns(p, t, &at_least);

	format_clean(name, sizeof(name), t->name);
	format_clean(location, sizeof(location), t->location);
	fprintf(p->out, "%*s%llu %s  %s", indent, "",
		(unsigned long long)(t->native_id == LIVE_UNKNOWN ? t->id : t->native_id),
		*name ? name : "?", names_task_state(t->state));
	if (t->open_ns && t->open_ns != LIVE_UNKNOWN)
		fprintf(p->out, " for %s", format_ns(t->open_ns).s);
	else if (t->state == LIVE_IDLE && t->idle_ns != LIVE_UNKNOWN)
		fprintf(p->out, " for %s", format_ns(t->idle_ns).s);
	else if (long_idle(p, t))
		fprintf(p->out, " for %s", format_at_least(watched_ns(p)).s);
	fprintf(p->out, "  age %s  polls %s  %s",
		at_least ? format_at_least(age).s : format_age(age).s,
		format_count(polls_of(t, about)).s, *location ? location : "?");
	if (t->fingerprint)
		fprintf(p->out, "  %016llx", (unsigned long long)t->fingerprint);
	fputc('\n', p->out);
	if (about->detail)
		text_stack(p, about->detail, indent + 8);
	else
		text_await(p, &about->await, indent + 8);
}

/* ---- json ---- */

static void json_target(struct json_out *j, const char *key, const struct live_header *h)
{
	json_out_begin(j, key, '{');
	json_out_unsigned(j, "process", h->process);
	json_out_unsigned(j, "pid", h->info.pid);
	json_out_text(j, "name", h->info.comm);
	json_out_text(j, "runtime", names_runtime(h->runtime.kind));
	json_out_text(j, "flavour", names_flavour(h->runtime.flavour));
	json_out_unsigned(j, "workers", h->workers);
	json_out_end(j, '}');
}

/* "target" is the first of them. */
static void json_head(struct dump_print *p, const struct live_header *heads, size_t n)
{
	struct json_out *j = &p->json;

	json_out_begin(j, NULL, '{');
	json_out_integer(j, "schema", 1);
	json_target(j, "target", &heads[0]);
	json_out_begin(j, "targets", '[');
	for (size_t i = 0; i < n; i++)
		json_target(j, NULL, &heads[i]);
	json_out_end(j, ']');
	json_out_unsigned(j, "realtime_ns", heads[0].realtime_ns);
	json_out_begin(j, "tasks", '[');
}

static void json_await(struct json_out *j, const struct live_await *a)
{
	if (a->t_ns == LIVE_UNKNOWN || (!a->places && !a->complete && !a->task)) {
		json_out_null(j, "await");
		return;
	}
	json_out_begin(j, "await", '{');
	json_out_text(j, "on", a->places ? a->on : a->task ? "join" : NULL);
	json_out_unsigned(j, "task", a->task ? a->task : LIVE_UNKNOWN);
	json_out_bool(j, "started", a->places || a->task);
	json_out_bool(j, "complete", a->complete);
	json_out_begin(j, "places", '[');
	for (uint32_t i = 0; i < a->places; i++) {
		json_out_begin(j, NULL, '{');
		json_out_text(j, "function", a->place[i].func);
		json_out_text(j, "location", *a->place[i].location ? a->place[i].location : NULL);
		json_out_end(j, '}');
	}
	json_out_end(j, ']');
	json_out_end(j, '}');
}

static void json_fingerprint(struct json_out *j, uint64_t fingerprint)
{
	char text[17];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)fingerprint);
	json_out_text(j, "fingerprint", fingerprint ? text : NULL);
}

static void json_task(struct dump_print *p, const struct live_task *t, const struct about *about)
{
	const struct live_task_detail *d = about->detail;
	struct json_out *j = &p->json;
	bool at_least, idle = long_idle(p, t);
	uint64_t age = age_ns(p, t, &at_least);

	json_out_begin(j, NULL, '{');
	json_out_unsigned(j, "task", t->id);
	json_out_unsigned(j, "native_id", t->native_id);
	json_fingerprint(j, t->fingerprint);
	json_out_unsigned(j, "parent", t->parent ? t->parent : LIVE_UNKNOWN);
	json_out_integer(j, "process", t->process);
	json_out_text(j, "name", t->name);
	json_out_text(j, "location", *t->location ? t->location : NULL);
	json_out_text(j, "state", names_task_state(t->state));
	json_out_unsigned(j, "age_ns", age);
	json_out_bool(j, "age_at_least", at_least);
	json_out_unsigned(j, "polls", polls_of(t, about));
	json_out_bool(j, "estimated", p->head.estimated);
	json_out_unsigned(j, "open_ns", t->open_ns);
	json_out_unsigned(j, "idle_ns", idle ? watched_ns(p) : t->idle_ns);
	json_out_bool(j, "idle_at_least", idle);
	json_out_unsigned(j, "size", t->bytes ? t->bytes : LIVE_UNKNOWN);
	json_out_unsigned(j, "worker", t->worker == UINT32_MAX ? LIVE_UNKNOWN : t->worker);
	json_await(j, &about->await);
	if (d) {
		json_out_text(j, "syscall", *d->syscall ? d->syscall : NULL);
		json_out_begin(j, "stack", '[');
		for (uint32_t i = 0; i < d->nstack; i++)
			json_out_text(j, NULL, d->stack[i].text);
		json_out_end(j, ']');
	}
	json_out_end(j, '}');
}

static void json_tail(struct dump_print *p)
{
	json_out_end(&p->json, ']');
	json_out_unsigned(&p->json, "count", p->tasks);
	json_out_end(&p->json, '}');
}

/* ---- dot ---- */

static void dot_quoted(FILE *out, const char *text)
{
	char clean[512];

	format_clean(clean, sizeof(clean), text);
	for (const char *c = clean; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
}

static void dot_task(const struct dump_print *p, const struct live_task *t,
		     const struct about *about)
{
	static const char *const fill[] = { [LIVE_IDLE] = "white",
					    [LIVE_READY] = "lightyellow",
					    [LIVE_RUNNING] = "palegreen",
					    [LIVE_BLOCKED] = "salmon" };
	unsigned long long id = t->id;

	fprintf(p->out, "\tt%llu [label=\"%llu ", id, id);
	dot_quoted(p->out, t->name);
	fprintf(p->out, "\\n%s", names_task_state(t->state));
	if (about->await.task && !about->await.places)
		fprintf(p->out, "\\njoin of task %llu", (unsigned long long)about->await.task);
	if (about->await.places) {
		fprintf(p->out, "\\n%s at ", about->await.on);
		dot_quoted(p->out, about->await.place[0].func);
		fputs(" ", p->out);
		dot_quoted(p->out, about->await.place[0].location);
	}
	fprintf(p->out, "\", style=filled, fillcolor=%s];\n",
		t->state <= LIVE_BLOCKED ? fill[t->state] : "gray");
	if (t->parent)
		fprintf(p->out, "\tt%llu -> t%llu;\n", (unsigned long long)t->parent, id);
}

/* ---- the three ---- */

void dump_print_begin(struct dump_print *p, enum dump_print_format format, FILE *out,
		      const struct live_header *heads, size_t n)
{
	*p = (struct dump_print){ .format = format, .out = out, .head = heads[0] };
	json_out_init(&p->json, out);
	if (format == DUMP_PRINT_JSON)
		json_head(p, heads, n);
	else if (format == DUMP_PRINT_DOT)
		fputs("digraph tasks {\n\trankdir=LR;\n\tnode [shape=box, fontname=monospace];\n",
		      out);
}

void dump_print_process(struct dump_print *p, const struct live_header *head)
{
	p->head = *head;
	if (p->format == DUMP_PRINT_TEXT)
		text_process(p);
}

void dump_print_task(struct dump_print *p, struct live *l, const struct live_task *t)
{
	struct about about = { .detail = p->format == DUMP_PRINT_DOT ? NULL : detail_of(l, t) };

	if (live_task_await(l, t->id, &about.await) != 0)
		about.await = (struct live_await){ .t_ns = LIVE_UNKNOWN };
	p->tasks++;
	if (p->format == DUMP_PRINT_TEXT)
		text_task(p, t, &about);
	else if (p->format == DUMP_PRINT_JSON)
		json_task(p, t, &about);
	else
		dot_task(p, t, &about);
	free(about.detail);
}

void dump_print_end(struct dump_print *p)
{
	if (p->format == DUMP_PRINT_JSON)
		json_tail(p);
	else if (p->format == DUMP_PRINT_DOT)
		fputs("}\n", p->out);
}
