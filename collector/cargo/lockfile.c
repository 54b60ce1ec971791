/* SPDX-License-Identifier: MIT */
#include "collector/cargo/lockfile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"

#define MAX_BYTES       (64u << 20)
#define WORKSPACE_DEPTH 8 /* packages of a workspace that use each other */

/* Strings point into the file's text, which is cut up in place. */
struct package {
	const char *name, *version;
	const char **dep; /* names; "name version" where there are several */
	size_t deps;
	bool local; /* without a source: of the workspace */
};

struct lock {
	struct package *package;
	size_t n;
};

static const struct {
	const char *crate, *path, *kind;
} kinds[LOCK_KINDS] = {
	[LOCK_TOKIO] = { "tokio", "tokio", "Tokio" },
	[LOCK_ASYNC_STD] = { "async-std", "async_std", "async-std" },
	[LOCK_SMOL] = { "smol", "smol", "smol" },
};

/* They call Tokio's reactor or spawn on it, with no choice of another runtime. */
static const char *const tokio_only[] = {
	"reqwest",           "axum",           "tonic",   "warp",  "actix-web",
	"actix-rt",          "tokio-postgres", "mongodb", "kube",  "aws-config",
	"octocrab",          "rocket",         "poem",    "salvo", "bb8",
	"tokio-tungstenite",
};

/* ---- reading ---- */

static int slurp(const char *path, char **ret)
{
	FILE *f = fopen(path, "re");
	size_t n;
	char *text;

	if (!f)
		return -errno;
	text = malloc(MAX_BYTES + 1);
	n = text ? fread(text, 1, MAX_BYTES + 1, f) : 0;
	fclose(f);
	if (!text)
		return -ENOMEM;
	if (n > MAX_BYTES) {
		free(text);
		return -EFBIG;
	}
	text[n] = 0;
	*ret = text;
	return 0;
}

/* The string of `key = "string"`, or of a list's line; NULL = it has none. */
static char *quoted(char *line)
{
	char *from = strchr(line, '"'), *to = from ? strchr(from + 1, '"') : NULL;

	if (!to)
		return NULL;
	*to = 0;
	return from + 1;
}

static struct package *package_add(struct lock *lock)
{
	struct package *grown = realloc(lock->package, (lock->n + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	lock->package = grown;
	grown[lock->n] = (struct package){ .name = "", .version = "", .local = true };
	return &grown[lock->n++];
}

static int dep_add(struct package *p, const char *name)
{
	const char **grown = realloc(p->dep, (p->deps + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	p->dep = grown;
	p->dep[p->deps++] = name;
	return 0;
}

static int read_line(struct lock *lock, char *line)
{
	struct package *p = lock->n ? &lock->package[lock->n - 1] : NULL;
	const char *value;

	if (!strcmp(line, "[[package]]"))
		return package_add(lock) ? 0 : -ENOMEM;
	if (!p)
		return 0;
	value = quoted(line);
	if (!value)
		return 0;
	if (!strncmp(line, "name = ", 7))
		p->name = value;
	else if (!strncmp(line, "version = ", 10))
		p->version = value;
	else if (!strncmp(line, "source = ", 9))
		p->local = false;
	else if (line[0] == ' ')
		return dep_add(p, value);
	return 0;
}

static int lock_read(char *text, struct lock *ret)
{
	char *rest = text, *line;
	int rc = 0;

	while (!rc && (line = strsep(&rest, "\n")))
		rc = read_line(ret, line);
	return rc || ret->n ? rc : -EINVAL;
}

static void lock_done(struct lock *lock)
{
	for (size_t i = 0; i < lock->n; i++)
		free(lock->package[i].dep);
	free(lock->package);
}

/* ---- judging ---- */

struct judge {
	const struct lock *lock;
	const struct lock_built *built;
	const char *path;
	struct live_finding *rows;
	size_t n, max;
};

static struct live_finding *found(struct judge *j, enum live_severity severity, const char *name)
{
	struct live_finding *f = j->n < j->max ? &j->rows[j->n++] : NULL;

	if (!f)
		return NULL;
	*f = (struct live_finding){ .severity = severity, .confidence = 0.9f };
	snprintf(f->subject_name, sizeof(f->subject_name), "%s", name);
	snprintf(f->location, sizeof(f->location), "%s", j->path);
	return f;
}

static __attribute__((format(printf, 2, 3))) void proof(struct live_finding *f, const char *text,
							...)
{
	struct live_evidence *e = &f->evidence[f->evidence_n];
	va_list args;

	if (f->evidence_n == sizeof(f->evidence) / sizeof(*f->evidence))
		return;
	va_start(args, text);
	vsnprintf(e->text, sizeof(e->text), text, args);
	va_end(args);
	e->value = 1;
	f->evidence_n++;
}

static const struct package *find(const struct lock *lock, const char *name,
				  const struct package *after)
{
	for (size_t i = after ? (size_t)(after - lock->package) + 1 : 0; i < lock->n; i++)
		if (!strcmp(lock->package[i].name, name))
			return &lock->package[i];
	return NULL;
}

static bool depends(const struct package *p, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < p->deps; i++)
		if (!strncmp(p->dep[i], name, n) && (!p->dep[i][n] || p->dep[i][n] == ' '))
			return true;
	return false;
}

/* A package of the workspace (or, with local false, of the others) that names the crate. */
static const struct package *who_depends(const struct lock *lock, const char *name, bool local)
{
	for (size_t i = 0; i < lock->n; i++)
		if (lock->package[i].local == local && depends(&lock->package[i], name))
			return &lock->package[i];
	return NULL;
}

/* What cargo takes for incompatible: the first number that isn't 0. */
static size_t major_length(const char *version)
{
	size_t n = strcspn(version, ".");

	return n == 1 && version[0] == '0' && version[n] ? n + 1 + strcspn(version + n + 1, ".")
							 : n;
}

static bool same_major(const char *a, const char *b)
{
	size_t n = major_length(a);

	return n == major_length(b) && !strncmp(a, b, n);
}

static void judge_versions(struct judge *j)
{
	for (size_t k = 0; k < LOCK_KINDS; k++) {
		const struct package *first = find(j->lock, kinds[k].crate, NULL), *other;
		struct live_finding *f;

		for (other = first; other && same_major(first->version, other->version);)
			other = find(j->lock, kinds[k].crate, other);
		if (!other)
			continue;
		f = found(j, LIVE_WARN, kinds[k].crate);
		if (!f)
			return;
		snprintf(f->cause, sizeof(f->cause), "%s %.16s and %.16s in one program",
			 kinds[k].kind, first->version, other->version);
		proof(f, "sockets and timers of one panic in tasks of the other");
		snprintf(
			f->advice, sizeof(f->advice),
			"See who brings the old one: cargo tree -i %s@%.16s; then update that crate.",
			kinds[k].crate, first->version);
	}
}

static void tell_kinds(struct judge *j, const char *const *who, bool direct)
{
	struct live_finding *f = found(j, direct ? LIVE_WARN : LIVE_INFO, "runtimes");
	size_t n = 0;

	if (!f)
		return;
	for (size_t k = 0; k < LOCK_KINDS; k++) {
		if (!who[k])
			continue;
		n += (size_t)snprintf(f->cause + n, sizeof(f->cause) - n, "%s%s", n ? " and " : "",
				      kinds[k].kind);
		proof(f, "%s is brought in by %s", kinds[k].kind, who[k]);
	}
	snprintf(f->cause + n, sizeof(f->cause) - n, " in one program");
	snprintf(
		f->advice, sizeof(f->advice), "%s",
		direct ? "Keep one runtime per program. Where a library needs the other: async-compat around its futures, "
			 "or a thread of its own with that runtime."
		       : "Harmless while only the library uses it; two reactors and two pools run. See cargo tree -i CRATE "
			 "for a feature that picks your runtime.");
}

/* What a package of the workspace names itself, or through others of the workspace: one program has these. */
static void own_kinds(const struct lock *lock, const struct package *p, int depth, bool *ret)
{
	for (size_t k = 0; k < LOCK_KINDS; k++)
		ret[k] |= depends(p, kinds[k].crate);
	for (size_t i = 0; i < p->deps && depth; i++) {
		const struct package *dep = find(lock, p->dep[i], NULL);

		if (dep && dep->local && dep != p)
			own_kinds(lock, dep, depth - 1, ret);
	}
}

static bool is_built(const struct judge *j, size_t k, bool otherwise)
{
	return j->built->known ? j->built->kind[k] : otherwise;
}

static void judge_program(struct judge *j, const struct package *program)
{
	bool own[LOCK_KINDS] = { false };
	const char *who[LOCK_KINDS] = { NULL };
	size_t n = 0, direct = 0;

	own_kinds(j->lock, program, WORKSPACE_DEPTH, own);
	for (size_t k = 0; k < LOCK_KINDS; k++) {
		const struct package *other = who_depends(j->lock, kinds[k].crate, false);

		if (!is_built(j, k, own[k]) || (!own[k] && !other))
			continue;
		who[k] = own[k] ? program->name : other->name;
		n++;
		direct += own[k];
	}
	if (n > 1 && direct)
		tell_kinds(j, who, direct > 1);
}

/* Each program of a workspace for itself; the first one that mixes is told. */
static void judge_kinds(struct judge *j)
{
	size_t before = j->n;

	for (size_t i = 0; i < j->lock->n && j->n == before; i++)
		if (j->lock->package[i].local)
			judge_program(j, &j->lock->package[i]);
}

static void judge_tokio_only(struct judge *j)
{
	const struct lock *lock = j->lock;
	const struct package *smol = who_depends(lock, "smol", true);
	const struct package *std = who_depends(lock, "async-std", true);

	if ((!smol && !std) || who_depends(lock, "tokio", true))
		return;
	for (size_t i = 0; i < sizeof(tokio_only) / sizeof(*tokio_only); i++) {
		struct live_finding *f;

		if (!who_depends(lock, tokio_only[i], true))
			continue;
		f = found(j, LIVE_WARN, tokio_only[i]);
		if (!f)
			return;
		snprintf(f->cause, sizeof(f->cause),
			 "%s works on Tokio only, the program runs on %s", tokio_only[i],
			 smol ? "smol" : "async-std");
		proof(f, "%s is a dependency of %s", tokio_only[i], (smol ? smol : std)->name);
		proof(f, "outside Tokio it panics: there is no reactor running");
		snprintf(f->advice, sizeof(f->advice),
			 "Wrap its futures in async_compat::Compat (cargo add async-compat), take a crate that runs on %s, "
			 "or run the program on Tokio.",
			 smol ? "smol" : "async-std");
	}
}

void lock_built_note(struct lock_built *built, const char *crate)
{
	built->known = true;
	for (size_t k = 0; k < LOCK_KINDS; k++)
		built->kind[k] |= !strcmp(crate, kinds[k].path);
}

int lockfile_judge(const char *path, const struct lock_built *built, struct live_finding *rows,
		   size_t max)
{
	auto_free char *text = NULL;
	struct lock lock = { NULL, 0 };
	struct judge j = { &lock, built, path, rows, 0, max };
	int rc = slurp(path, &text);

	if (!rc)
		rc = lock_read(text, &lock);
	if (!rc) {
		judge_versions(&j);
		judge_kinds(&j);
		judge_tokio_only(&j);
		rc = (int)j.n;
	}
	lock_done(&lock);
	return rc;
}
