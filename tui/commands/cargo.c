/* SPDX-License-Identifier: MIT */
/*
 * weft cargo build|check|test|...: cargo as it is, and beneath each of rustc's messages that is one of ours what to do. rustc's
 * text comes as JSON from cargo's stdout and is printed unchanged; what else is there is a program's own output.
 */
#include "collector/cargo/cargo.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "tui/commands/commands.h"
#include "tui/format.h"

static const char *const builds[] = { "build", "check", "test", "clippy", "bench",
				      "doc",   "b",     "c",    "t",      NULL };

static bool is_build(const char *word)
{
	for (size_t i = 0; builds[i]; i++)
		if (!strcmp(builds[i], word))
			return true;
	return false;
}

/* ---- what is printed ---- */

static void line(const char *label, const char *text)
{
	char clean[480];

	format_clean(clean, sizeof(clean), text);
	fprintf(stderr, "  %-9s %s\n", label, clean);
}

static void tell(const struct live_finding *f)
{
	char head[200];

	snprintf(head, sizeof(head), "%s: %s", f->id, f->cause);
	line("weft:", head);
	for (uint32_t i = 0; i < f->evidence_n; i++)
		line("", f->evidence[i].text);
	line("advice", f->advice);
	fputc('\n', stderr);
}

/* Findings that no message of rustc led to: those of Cargo.lock. */
static void tell_rest(struct cargo_run *run)
{
	const struct live_finding *f;

	cargo_run_end(run);
	for (size_t i = 0; (f = cargo_run_finding(run, i)); i++)
		if (!strcmp(f->id, "mixed-runtimes") && f->severity > LIVE_INFO)
			tell(f);
}

/* Cargo's last word; what tests print comes after it. */
static bool ends_build(const char *line)
{
	static const char last[] = "{\"reason\":\"build-finished\"";

	return !strncmp(line, last, sizeof(last) - 1);
}

static void relay(struct cargo_run *run, FILE *from)
{
	struct cargo_told told;
	auto_free char *text = NULL;
	bool built = false;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, from)) > 0) {
		if (built || cargo_run_line(run, text, (size_t)n, &told) == CARGO_OTHER) {
			fwrite(text, 1, (size_t)n, stdout);
			fflush(stdout);
			continue;
		}
		built = ends_build(text);
		if (told.rendered)
			fputs(told.rendered, stderr);
		if (told.finding)
			tell(told.finding);
	}
	tell_rest(run);
}

/* ---- cargo ---- */

static void exec_cargo(char **argv, int out)
{
	const char *cargo = getenv("CARGO");

	cargo = cargo && *cargo ? cargo : "cargo";
	if (out >= 0 && dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	execvp(cargo, argv);
	fprintf(stderr, "weft cargo: %s can't be run: %s: install cargo, or set CARGO\n", cargo,
		strerror(errno));
	_exit(127);
}

/* cargo SUBCOMMAND --message-format=... ARGS; colours where cargo itself would show them. */
static char **cargo_argv(int argc, char **argv)
{
	char **to = calloc((size_t)argc + 2, sizeof(*to));
	const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
	bool colour = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") && !(none && *none);
	static char plain[] = "--message-format=json";
	static char ansi[] = "--message-format=json-diagnostic-rendered-ansi";

	if (!to)
		return NULL;
	to[0] = argv[0];
	to[1] = argv[1];
	to[2] = colour ? ansi : plain;
	for (int i = 2; i < argc; i++)
		to[i + 1] = argv[i];
	return to;
}

static int wait_for(const struct command *self, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return command_error(self, "cargo can't be waited for: %s",
					     strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_cargo(const struct command *self, char **argv, struct cargo_run *run)
{
	int fd[2];
	pid_t pid;
	FILE *from;

	if (pipe(fd) != 0)
		return command_error(self, "no pipe to cargo: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		exec_cargo(argv, fd[1]);
	}
	close(fd[1]);
	from = pid > 0 ? fdopen(fd[0], "r") : NULL;
	if (!from) {
		close(fd[0]);
		return command_error(self, "cargo can't be started: %s", strerror(errno));
	}
	/* Ctrl-C is for cargo; this one ends when cargo does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	relay(run, from);
	fclose(from);
	return wait_for(self, pid);
}

static bool has_format(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strncmp(argv[i], "--message-format", 16))
			return true;
	return false;
}

static int raw(const struct command *self, int argc, char **argv)
{
	struct cargo_options o = { .with_lock = true };
	struct cargo_run *run = NULL;
	auto_free char **args = NULL;
	char error[160];
	int rc;

	if (argc < 2 || !is_build(argv[1]))
		return command_error(
			self,
			"give a command of cargo that builds: build, check, test, clippy, bench, doc");
	if (has_format(argc, argv))
		return command_error(
			self,
			"--message-format is taken: use cargo ... | weft diagnose --cargo - instead");
	args = cargo_argv(argc, argv);
	rc = args ? cargo_run_new(&o, &run, error, sizeof(error)) : -ENOMEM;
	if (rc)
		return command_error(self, "out of memory");
	rc = run_cargo(self, args, run);
	cargo_run_free(run);
	return rc;
}

const struct command cargo_command = {
	.name = "cargo",
	.summary = "Build with cargo, with advice beneath the errors that are about async",
	.usage = "build|check|test|clippy|bench|doc [ARGS of cargo]",
	.about =
		"Runs cargo and prints what it prints. Beneath a message of rustc that is one of the\n"
		"symptoms stands what is wrong and what to do. The exit code is cargo's. Installed as\n"
		"cargo-weft too, so that `cargo weft build` does the same.",
	.examples = "weft cargo check\n"
		    "cargo weft test -- --nocapture",
	.raw = raw,
};
