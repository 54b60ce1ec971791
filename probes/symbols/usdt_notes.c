// SPDX-License-Identifier: MIT
/* Layout of a note: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation */
#include "probes/symbols/usdt_notes.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "probes/symbols/elf_file.h"

#define NOTE_TYPE      3 /* stapsdt version 3 */
#define MAX_NOTE_BYTES (64u << 20)

struct reader {
	Elf *elf;
	const char *provider;
	usdt_note_fn fn;
	void *ctx;
	uint64_t base; /* address of .stapsdt.base, 0 = absent */
	int count;
};

/* What is left of the section; every step checks against it. */
struct cursor {
	const char *p;
	size_t left;
};

static bool take(struct cursor *c, size_t n, const char **ret)
{
	size_t padded = (n + 3) & ~(size_t)3;

	if (n > c->left)
		return false;
	*ret = c->p;
	if (padded > c->left) /* the last note may lack its padding */
		padded = c->left;
	c->p += padded;
	c->left -= padded;
	return true;
}

static bool take_text(struct cursor *c, const char **ret)
{
	const char *end = memchr(c->p, '\0', c->left);

	if (!end)
		return false;
	*ret = c->p;
	c->left -= (size_t)(end + 1 - c->p);
	c->p = end + 1;
	return true;
}

/*
 * Prelink moves a file's addresses but not the notes: the distance that .stapsdt.base has moved is
 * added, to the semaphore too (as gdb does).
 */
static bool parse_desc(const struct reader *r, struct cursor c, struct usdt_note *note)
{
	uint64_t word[3]; /* pc, base, semaphore */

	if (c.left < sizeof(word))
		return false;
	memcpy(word, c.p, sizeof(word));
	c.p += sizeof(word);
	c.left -= sizeof(word);
	if (!take_text(&c, &note->provider) || !take_text(&c, &note->name))
		return false;
	if (!take_text(&c,
		       &note->args)) /* written without a terminator by some assemblers' macros */
		note->args = "";
	note->address = word[0];
	note->semaphore = word[2];
	if (r->base && word[1] && r->base != word[1]) {
		note->address += r->base - word[1];
		if (note->semaphore)
			note->semaphore += r->base - word[1];
	}
	return true;
}

/* A probe must be in the file's code, a semaphore in its initialised writable data. */
static bool place(const struct reader *r, struct usdt_note *note)
{
	note->semaphore_offset = 0;
	if (!elf_file_offset_of(r->elf, note->address, PF_X, &note->offset))
		return false;
	return !note->semaphore ||
	       elf_file_offset_of(r->elf, note->semaphore, PF_W, &note->semaphore_offset);
}

static int deliver(struct reader *r, const char *desc, size_t bytes)
{
	struct cursor c = { desc, bytes };
	struct usdt_note note;

	if (!parse_desc(r, c, &note) || (r->provider && strcmp(note.provider, r->provider) != 0) ||
	    !place(r, &note))
		return 0;
	if (r->count == INT_MAX)
		return -EOVERFLOW;
	r->count++;
	return r->fn(r->ctx, &note);
}

static int read_section(struct reader *r, struct cursor c)
{
	while (c.left > 0) {
		const char *head, *name, *desc;
		uint32_t field[3]; /* name bytes, descriptor bytes, type */
		int rc;

		if (!take(&c, sizeof(field), &head))
			break;
		memcpy(field, head, sizeof(field));
		if (!take(&c, field[0], &name) || !take(&c, field[1], &desc))
			break;
		if (field[2] != NOTE_TYPE || field[0] != 8 || memcmp(name, "stapsdt", 8) != 0)
			continue;
		rc = deliver(r, desc, field[1]);
		if (rc)
			return rc;
	}
	return 0;
}

int usdt_notes_read(int fd, const char *provider, usdt_note_fn fn, void *ctx)
{
	struct reader r = { .provider = provider, .fn = fn, .ctx = ctx };
	auto_elf Elf *elf = NULL;
	GElf_Shdr shdr;
	Elf_Scn *section;
	Elf_Data *data;
	int rc = elf_file_open(fd, &elf);

	if (rc < 0)
		return rc;
	r.elf = elf;
	section = elf_file_section(elf, ".stapsdt.base", &shdr);
	r.base = section ? shdr.sh_addr : 0;
	section = elf_file_section(elf, ".note.stapsdt", &shdr);
	if (!section)
		return 0;
	data = elf_file_data(section, MAX_NOTE_BYTES);
	if (!data)
		return shdr.sh_size == 0 ? 0 : -ENOEXEC;
	rc = read_section(&r, (struct cursor){ data->d_buf, data->d_size });
	return rc ? rc : r.count;
}
