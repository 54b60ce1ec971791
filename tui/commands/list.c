/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "probes/session.h"
#include "tui/commands/commands.h"
#include "tui/commands/list.h"
#include "tui/format.h"
#include "tui/json_out.h"
#include "tui/names.h"

enum { FORMAT_TABLE, FORMAT_JSON };

struct list_args {
	struct command_input in;
	int format;
	bool full;
};

static const struct command_option options[] = {
	{ "format", 0, COMMAND_CHOICE, offsetof(struct list_args, format), "table|json",
	  "of the result" },
	{ "full", 0, COMMAND_FLAG, offsetof(struct list_args, full), NULL,
	  "look at the code of Rust programs too, for what can be seen of them" },
	{ 0 },
};

/* ---- json ---- */

static void json_runtime(struct json_out *j, const struct weft_ev_runtime *r)
{
	json_out_begin(j, NULL, '{');
	json_out_text(j, "kind", names_runtime(r->kind));
	json_out_text(j, "version", r->version);
	json_out_text(j, "flavour", r->flavour ? names_flavour(r->flavour) : NULL);
	json_out_unsigned(j, "workers",
			  r->workers || r->kind == WEFT_RT_WEFT ? r->workers : UINT64_MAX);
	json_out_end(j, '}');
}

/* "a, b" as an array of strings. */
static void json_words(struct json_out *j, const char *key, const char *list)
{
	char word[256];

	json_out_begin(j, key, '[');
	while (*(list += strspn(list, ", "))) {
		size_t n = strcspn(list, ",");

		snprintf(word, sizeof(word), "%.*s", (int)n, list);
		json_out_text(j, NULL, word);
		list += n;
	}
	json_out_end(j, ']');
}

/* "what: why; what: why" as an array of objects. */
static void json_reasons(struct json_out *j, const char *key, const char *list)
{
	char what[256], why[256];

	json_out_begin(j, key, '[');
	while (*(list += strspn(list, "; "))) {
		size_t n = strcspn(list, ";"), colon = strcspn(list, ":");

		colon = colon < n ? colon : n;
		snprintf(what, sizeof(what), "%.*s", (int)colon, list);
		snprintf(why, sizeof(why), "%.*s", (int)(n - colon), list + colon);
		json_out_begin(j, NULL, '{');
		json_out_text(j, "what", what);
		json_out_text(j, "why", why + strspn(why, ": "));
		json_out_end(j, '}');
		list += n;
	}
	json_out_end(j, ']');
}

static void json_row(void *ctx, const struct session_process *p)
{
	struct json_out *j = ctx;

	json_out_begin(j, NULL, '{');
	json_out_integer(j, "pid", p->pid);
	json_out_text(j, "name", p->comm);
	json_out_begin(j, "runtimes", '[');
	for (uint32_t i = 0; i < p->runtimes && i < 4; i++)
		json_runtime(j, &p->runtime[i]);
	json_out_end(j, ']');
	json_out_text(j, "build", p->build);
	json_out_bool(j, "analysed", p->analysed);
	json_words(j, "can_see", p->can_see);
	json_reasons(j, "cannot_see", p->cannot_see);
	json_out_integer(j, "uid", p->uid);
	json_out_text(j, "exe", p->exe);
	json_out_end(j, '}');
}

/* ---- table ---- */

void list_user(uid_t uid, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		format_clean(buf, size, pw->pw_name);
	else
		snprintf(buf, size, "%u", (unsigned)uid);
}

void list_runtimes(const struct session_process *p, char *buf, size_t size)
{
	size_t len = 0;

	*buf = 0;
	for (uint32_t i = 0; i < p->runtimes && i < 4 && len < size; i++) {
		const struct weft_ev_runtime *r = &p->runtime[i];
		char version[64];

		format_clean(version, sizeof(version), r->version);
		len += (size_t)snprintf(buf + len, size - len, "%s%s%s%s %s", i ? ", " : "",
					names_runtime(r->kind), *version ? " " : "", version,
					r->flavour ? names_flavour_short(r->flavour) : "");
		if (r->workers && len < size)
			len += (size_t)snprintf(buf + len, size - len, " x%u", r->workers);
	}
}

static void table_row(void *ctx, const struct session_process *p)
{
	int *rows = ctx;
	char user[33], name[64], runtimes[256], build[96], can[512], cannot[1024];

	if ((*rows)++ == 0)
		printf("%8s  %-10s %-18s %-28s %-18s %s\n", "PID", "USER", "NAME", "RUNTIME",
		       "BUILD", "CAN SEE");
	list_user(p->uid, user, sizeof(user));
	format_clean(name, sizeof(name), p->comm);
	format_clean(build, sizeof(build), p->build);
	format_clean(can, sizeof(can), p->can_see);
	format_clean(cannot, sizeof(cannot), p->cannot_see);
	list_runtimes(p, runtimes, sizeof(runtimes));
	printf("%8d  %-10s %-18s %-28s %-18s %s%s\n", (int)p->pid, user, name, runtimes, build, can,
	       p->analysed ? ""
	       : *can      ? " (tasks: --full tells)"
			   : "(tasks: --full tells)");
	if (*cannot)
		printf("%8s  not: %s\n", "", cannot);
}

static int run(const struct command *self, void *args)
{
	const struct list_args *a = args;
	struct json_out j;
	session_process_fn row = a->format == FORMAT_JSON ? json_row : table_row;
	int rows = 0, n;
	void *ctx = a->format == FORMAT_JSON ? (void *)&j : &rows;

	json_out_init(&j, stdout);
	if (a->format == FORMAT_JSON)
		json_out_begin(&j, NULL, '[');
	n = a->full ? session_list_full(row, ctx) : session_list(row, ctx);
	if (a->format == FORMAT_JSON)
		json_out_end(&j, ']');
	if (n < 0)
		return command_error(self, "can't look at the processes here: %s",
				     session_error(NULL) && *session_error(NULL)
					     ? session_error(NULL)
					     : strerror(-n));
	if (n == 0 && a->format == FORMAT_TABLE)
		puts("No process here has a runtime that Weft knows (weft; Tokio, async-std, smol). Processes "
		     "of other users need root.");
	return COMMAND_OK;
}

const struct command list_command = {
	.name = "list",
	.summary = "Show the processes here that run a runtime Weft knows",
	.usage = "[--format table|json] [--full]",
	.about =
		"For each process: the runtime and its version, the build, what can be seen and what can't,\n"
		"and why. Other users' processes need root. Rust programs are told by the libraries in them;\n"
		"what can be seen of them takes a look at their code, which --full takes: up to 2 s for a\n"
		"large one.",
	.options = options,
	.args_size = sizeof(struct list_args),
	.run = run,
};
