// SPDX-License-Identifier: MIT
#include "probes/symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define MAX_SYMBOL \
	2048 /* longer ones are shown as they are: libiberty's work area grows with the symbol */
#define MAX_RUST (64u << 10)

/* One name may nest its parts exponentially, so the output is left by a jump as soon as it is full.
 * That leaks nothing: the callback forms of libiberty keep all their state on the stack. */
struct output {
	char *text;
	size_t n, size;
	jmp_buf full;
};

static void add(const char *piece, size_t bytes, void *ctx)
{
	struct output *out = ctx;
	size_t room = out->size - 1 - out->n;
	size_t take = bytes < room ? bytes : room;

	if (take > 0) /* piece may be NULL then */
		memcpy(out->text + out->n, piece, take);
	out->n += take;
	if (take < bytes)
		longjmp(out->full, 1);
}

static void mark_cut(char *text, size_t n)
{
	if (n > 3)
		memcpy(text + n - 3, "...", 3);
}

static void copy(const char *symbol, char *ret, size_t size)
{
	size_t n = strlen(symbol), take = n < size - 1 ? n : size - 1;

	memcpy(ret, symbol, take);
	ret[take] = '\0';
	if (take < n)
		mark_cut(ret, take);
}

/* Rust first: its legacy form is valid C++ too, with the hash as last name. */
static bool run(const char *symbol, struct output *out)
{
	if (setjmp(out->full)) {
		mark_cut(out->text, out->n);
		out->text[out->n] = '\0';
		return true;
	}
	if (!rust_demangle_callback(symbol, 0, add, out)) {
		out->n = 0;
		if (!cplus_demangle_v3_callback(symbol, DMGL_PARAMS | DMGL_ANSI, add, out))
			return false;
	}
	out->text[out->n] = '\0';
	return out->n > 0;
}

bool demangle(const char *symbol, char *ret, size_t size)
{
	struct output out = { .text = ret, .size = size };
	const char *suffix = strstr(symbol, ".llvm.");
	size_t n = suffix ? (size_t)(suffix - symbol) : strlen(symbol);
	char plain[MAX_SYMBOL];

	if (size == 0)
		return false;
	/* Rust's v0 names grow with the generics, and their reader's work area does not. */
	if (symbol[0] == '_' && symbol[1] == 'R' && n < MAX_RUST && run(symbol, &out))
		return true;
	if (symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R') && n < sizeof(plain)) {
		memcpy(plain, symbol, n);
		plain[n] = '\0';
		if (run(plain, &out))
			return true;
	}
	copy(symbol, ret, size);
	return false;
}
