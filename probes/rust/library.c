// SPDX-License-Identifier: MIT
#include "probes/rust/library.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/elf_file.h"

#define MAX_TOKEN   64
#define LIBRARIES   16u
#define PIECE       (4u << 20)
#define OVERLAP     128
#define APART       0x1000 /* more than headers */
#define MAX_GLANCED (128u << 20)

/*
 * A crate, and a file of it that tells a copy without a version in its path from another folder of that name.
 * `needed`: without that file the crate is there, but not what matters of it.
 */
static const struct known {
	const char *crate;
	uint8_t family;
	const char *file;
	bool needed;
} known[] = {
	{ "tokio", RUST_TOKIO, "runtime/", true },
	{ "async-task", RUST_ASYNC_TASK, "raw.rs", false },
	{ "async-std", 0, "task/", false },
	{ "smol", 0, "spawn.rs", false },
	{ "async-executor", 0, "lib.rs", false },
	{ "async-global-executor", 0, "executor.rs", false },
	{ "async-io", 0, "reactor.rs", false },
	{ "blocking", 0, "lib.rs", false },
	{ "mio", 0, "sys/", false },
};

static size_t version_bytes(const char *at, size_t n)
{
	size_t i = 0;
	int dots = 0;

	if (n == 0 || !isdigit((unsigned char)at[0]))
		return 0;
	for (; i < n && (isalnum((unsigned char)at[i]) || strchr(".+-", at[i])); i++)
		dots += at[i] == '.';
	return i == n && dots >= 2 ? i : 0;
}

static void add(const struct known *k, const char *version, size_t bytes, struct rust_library *ret,
		uint32_t max, uint32_t *n)
{
	struct rust_library new = { .family = k->family };

	if (bytes >= sizeof(new.version))
		bytes = 0;
	strcpy(new.crate, k->crate);
	memcpy(new.version, version, bytes);
	for (uint32_t i = 0; i < *n; i++)
		if (strcmp(ret[i].crate, new.crate) == 0 &&
		    strcmp(ret[i].version, new.version) == 0)
			return;
	if (*n < max)
		ret[(*n)++] = new;
}

/* `token`: the folder before "/src/", `rest`: what follows it. */
static void look(const char *token, size_t n_token, const char *rest, size_t n_rest,
		 struct rust_library *ret, uint32_t max, uint32_t *n)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct known *k = &known[i];
		size_t name = strlen(k->crate), file = strlen(k->file), version;
		bool has_file = n_rest >= file && memcmp(rest, k->file, file) == 0;

		if (n_token < name || memcmp(token, k->crate, name) != 0)
			continue;
		if (n_token == name && has_file)
			add(k, "", 0, ret, max, n);
		if (n_token <= name + 1 || token[name] != '-' || (k->needed && !has_file))
			continue;
		version = version_bytes(token + name + 1, n_token - name - 1);
		if (version > 0)
			add(k, token + name + 1, version, ret, max, n);
	}
}

void rust_library_find(const void *bytes, size_t n_bytes, struct rust_library *ret, uint32_t max,
		       uint32_t *n)
{
	static const char mark[] = "/src/";
	const char *at = bytes, *end = at + n_bytes, *start = at;

	while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1))) {
		const char *token = at;

		while (token > start && at - token < MAX_TOKEN && token[-1] != '/' &&
		       isgraph((unsigned char)token[-1]))
			token--;
		look(token, (size_t)(at - token), at + sizeof(mark) - 1,
		     (size_t)(end - at) - (sizeof(mark) - 1), ret, max, n);
		at += sizeof(mark) - 1;
	}
}

int rust_library_compare(const char *a, const char *b)
{
	while (*a || *b) {
		char *end_a, *end_b;
		unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);

		if (x != y)
			return x < y ? -1 : 1;
		if (*end_a != '.' || *end_b != '.')
			return (*end_a == '.') - (*end_b == '.');
		a = end_a + 1;
		b = end_b + 1;
	}
	return 0;
}

static int glance_at(int fd, const GElf_Phdr *p, char *piece, struct rust_library *ret,
		     uint32_t max, uint32_t *n)
{
	uint64_t bytes = p->p_filesz < MAX_GLANCED ? p->p_filesz : MAX_GLANCED;

	for (uint64_t at = 0; at < bytes;) {
		uint64_t want = bytes - at < PIECE ? bytes - at : PIECE;
		ssize_t got = pread(fd, piece, want, (off_t)(p->p_offset + at));

		if (got <= 0)
			return got < 0 ? -errno : 0;
		rust_library_find(piece, (size_t)got, ret, max, n);
		if ((uint64_t)got <= OVERLAP || at + (uint64_t)got >= bytes)
			return 0;
		at += (uint64_t)got - OVERLAP;
	}
	return 0;
}

/* Constants are in the segments that are only read; a file linked the old way has them beside its code. */
int rust_plan_glance(int fd, struct rust_library *ret, uint32_t max, uint32_t *ret_n)
{
	auto_free char *piece = malloc(PIECE);
	auto_elf Elf *elf = NULL;
	uint32_t found = 0;
	bool apart = false; /* constants have segments of their own */
	size_t n = 0;
	int rc = piece ? elf_file_open(fd, &elf) : -ENOMEM;

	if (rc < 0)
		return rc;
	if (elf_getphdrnum(elf, &n) < 0)
		return -ENOEXEC;
	for (int with_code = 0; with_code < 2 && found == 0 && !apart; with_code++) {
		for (size_t i = 0; i < n && i < 64; i++) {
			GElf_Phdr p;

			if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD ||
			    (p.p_flags & PF_W) || ((p.p_flags & PF_X) != 0) != with_code)
				continue;
			apart |= p.p_filesz > APART;
			rc = glance_at(fd, &p, piece, ret, max, &found);
			if (rc < 0)
				return rc;
		}
	}
	*ret_n = found;
	return found > 0 ? 0 : -ENOENT;
}

bool rust_plan_has_runtime(int fd)
{
	struct rust_library library[LIBRARIES];
	uint32_t n = 0;

	if (rust_plan_glance(fd, library, LIBRARIES, &n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (library[i].family)
			return true;
	return false;
}
