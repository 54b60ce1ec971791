/* SPDX-License-Identifier: MIT */
/*
 * A small program built by the system's compiler, started, and stopped for a moment by ptrace to copy its
 * registers and its stack: what a task iterator gives the unwinder in production.
 */
#ifndef TESTS_SLEEPER_H
#define TESTS_SLEEPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/symbols/resolver.h"

#define SLEEPER_STACK (64u << 10)

struct sleeper {
	pid_t pid, tid;
	struct unwind_regs regs;
	char stack[SLEEPER_STACK];
	size_t bytes;
};

static char sleeper_dir[] = "/tmp/weft-sleeper-XXXXXX";

/* Lines are told apart by the LINE_x marks. Mode by argv[1]: s sleep, f futex in a thread, g signal handler. */
static const char sleeper_source[] =
	"#include <pthread.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <time.h>\n#include <unistd.h>\n"
	"#define NOINLINE __attribute__((noinline, noclone))\n"
	"volatile int sink;\n"
	"static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;\n"
	"static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;\n"
	"static inline __attribute__((always_inline)) void innermost_inline(char mode)\n"
	"{\n"
	"	if (mode == 'f')\n"
	"		while (!sink) pthread_cond_wait(&cond, &lock); /* LINE_FUTEX */\n"
	"	else if (mode == 'g')\n"
	"		raise(SIGUSR1); /* LINE_RAISE */\n"
	"	else\n"
	"		nanosleep(&(struct timespec){ 1000, 0 }, NULL); /* LINE_SLEEP */\n"
	"	sink++;\n"
	"}\n"
	"NOINLINE int leaf_function(char mode, int x)\n"
	"{\n"
	"	char pad[200];\n"
	"	for (int i = 0; i < 200; i++) pad[i] = (char)(x + i);\n"
	"	innermost_inline(mode); /* LINE_INLINE */\n"
	"	sink += pad[x & 127];\n"
	"	return x + 1;\n"
	"}\n"
	"NOINLINE int middle_function(char mode, int x) { int r = leaf_function(mode, x * 3); sink++; return r + x; } /* LINE_MIDDLE */\n"
	"NOINLINE int recursive_function(char mode, int n)\n"
	"{\n"
	"	int r = n ? recursive_function(mode, n - 1) : middle_function(mode, 7);\n"
	"	sink += r;\n"
	"	return r * 2;\n"
	"}\n"
	"static void handler(int s) { (void)s; pause(); sink++; }\n"
	"static void *thread_function(void *arg)\n"
	"{\n"
	"	pthread_mutex_lock(&lock);\n"
	"	sink = 0;\n"
	"	recursive_function(*(char *)arg, 5);\n"
	"	return arg;\n"
	"}\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"	pthread_t t;\n"
	"	char mode = argc > 1 ? argv[1][0] : 's';\n"
	"	signal(SIGUSR1, handler);\n"
	"	if (mode == 'f') { pthread_create(&t, NULL, thread_function, &mode); pthread_join(t, NULL); }\n"
	"	return recursive_function(mode, 5) & 1;\n"
	"}\n";

/* Line of the program on which a mark stands. */
static inline uint32_t sleeper_line(const char *mark)
{
	const char *at = strstr(sleeper_source, mark);
	uint32_t line = 1;

	assert_non_null(at);
	for (const char *s = sleeper_source; s < at; s++)
		line += *s == '\n';
	return line;
}

static inline int sleeper_command(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && %s", sleeper_dir, command);
	return system(line);
}

static inline int sleeper_setup(void **state)
{
	char path[64];
	FILE *f;

	(void)state;
	if (!mkdtemp(sleeper_dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sleeper.c", sleeper_dir);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs(sleeper_source, f);
	fclose(f);
#define SLEEPER_CC "cc -O2 -g -fomit-frame-pointer -fno-optimize-sibling-calls sleeper.c -pthread "
	return sleeper_command(
		SLEEPER_CC
		"-pie -fPIE -o pie && " SLEEPER_CC "-no-pie -o nopie && cp pie stripped && "
		"strip stripped && cp pie split && objcopy --only-keep-debug split split.debug && "
		"strip split && objcopy --add-gnu-debuglink=split.debug split");
}

static inline int sleeper_teardown(void **state)
{
	(void)state;
	return sleeper_command("rm -rf \"$PWD\"");
}

static inline void sleeper_wait_blocked(const struct sleeper *s)
{
	char path[64], text[256];
	long number;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)s->pid, (int)s->tid);
	for (int i = 0; i < 5000; i++) {
		FILE *f = fopen(path, "re");
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

		if (f)
			fclose(f);
		text[n] = '\0';
		/* nanosleep, clock_nanosleep, futex, pause: the calls the program blocks in for good */
		number = strtol(text, NULL, 10);
		if (number == 35 || number == 230 || number == 202 || number == 34)
			return;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	fail_msg("the program never blocked");
}

static inline void sleeper_capture(struct sleeper *s)
{
	struct user_regs_struct u;
	int status;

	assert_int_equal(ptrace(PTRACE_SEIZE, s->tid, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, s->tid, NULL, NULL), 0);
	assert_int_equal(waitpid(s->tid, &status, __WALL), s->tid);
	assert_int_equal(ptrace(PTRACE_GETREGS, s->tid, NULL, &u), 0);
	s->regs = (struct unwind_regs){ { u.rax, u.rdx, u.rcx, u.rbx, u.rsi, u.rdi, u.rbp, u.rsp,
					  u.r8, u.r9, u.r10, u.r11, u.r12, u.r13, u.r14, u.r15,
					  u.rip } };
	s->bytes = 0;
	for (size_t n = SLEEPER_STACK; n >= 256 && s->bytes == 0; n -= 256) {
		struct iovec to = { s->stack, n }, from = { (void *)(uintptr_t)u.rsp, n };
		ssize_t got = process_vm_readv(s->pid, &to, 1, &from, 1, 0);

		s->bytes = got == (ssize_t)n ? n : 0;
	}
	ptrace(PTRACE_DETACH, s->tid, NULL, NULL);
	assert_true(s->bytes > 0);
}

static inline pid_t sleeper_thread(pid_t pid)
{
	char path[64];

	for (int i = 0; i < 5000; i++) {
		for (pid_t tid = pid + 1; tid < pid + 64; tid++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, (int)tid);
			if (access(path, F_OK) == 0)
				return tid;
		}
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return 0;
}

/* Starts sleeper_dir/name in a mode and captures it where it blocks. */
static inline void sleeper_start(struct sleeper *s, const char *name, const char *mode)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", sleeper_dir, name);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		execl(path, path, mode, (char *)NULL);
		_exit(127);
	}
	s->tid = mode[0] == 'f' ? sleeper_thread(s->pid) : s->pid;
	sleeper_wait_blocked(s);
	sleeper_capture(s);
}

static inline void sleeper_stop(const struct sleeper *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

#endif
