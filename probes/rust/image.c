// SPDX-License-Identifier: MIT
#include "probes/rust/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/rust/relocations.h"

#define MAX_LOADED (1u << 30)
#define MAX_PHDRS  512

static int read_all(int fd, uint8_t *to, uint64_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t n = pread(fd, to, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOEXEC; /* shorter than its headers say */
		to += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

static int add_segment(struct rust_image *image, int fd, const GElf_Phdr *p)
{
	struct rust_segment *s = &image->segment[image->n];

	if (image->n == RUST_IMAGE_SEGMENTS)
		return -ENOEXEC;
	*s = (struct rust_segment){ p->p_vaddr, p->p_filesz, p->p_offset, p->p_flags, NULL, NULL };
	s->data = malloc(s->bytes);
	if (!s->data)
		return -ENOMEM;
	image->n++;
	return read_all(fd, s->data, s->bytes, s->offset);
}

static int load(struct rust_image *image, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t total = 0;
	size_t n = 0;
	int rc;

	if (size < 0 || elf_getphdrnum(image->elf, &n) < 0)
		return -ENOEXEC;
	for (size_t i = 0; i < n && i < MAX_PHDRS; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(image->elf, (int)i, &p) || p.p_type != PT_LOAD || p.p_filesz == 0)
			continue;
		if (p.p_offset > (uint64_t)size || p.p_filesz > (uint64_t)size - p.p_offset ||
		    p.p_vaddr + p.p_filesz < p.p_vaddr)
			return -ENOEXEC;
		total += p.p_filesz;
		if (total > MAX_LOADED)
			return -EFBIG;
		rc = add_segment(image, fd, &p);
		if (rc < 0)
			return rc;
	}
	return image->n > 0 ? 0 : -ENOEXEC;
}

/* Without section headers: the executable segment, which may hold constants too. */
static void find_code(struct rust_image *image)
{
	GElf_Shdr text, got;

	if (elf_file_section(image->elf, ".got", &got) && got.sh_addr + got.sh_size > got.sh_addr) {
		image->got = got.sh_addr;
		image->got_end = got.sh_addr + got.sh_size;
	}
	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		if (!(s->flags & PF_X) || image->code_end - image->code >= s->bytes)
			continue;
		image->code = s->address;
		image->code_end = s->address + s->bytes;
	}
	if (elf_file_section(image->elf, ".text", &text) && text.sh_addr >= image->code &&
	    text.sh_addr < image->code_end && text.sh_size <= image->code_end - text.sh_addr) {
		image->code = text.sh_addr;
		image->code_end = text.sh_addr + text.sh_size;
	}
}

static int describe(struct rust_image *image)
{
	GElf_Ehdr ehdr;
	GElf_Shdr shdr;
	int rc = eh_frame_new(image->elf, &image->cfi);

	if (rc == -ENOMEM)
		return rc;
	if (!gelf_getehdr(image->elf, &ehdr))
		return -ENOEXEC;
	image->fixed = ehdr.e_type == ET_EXEC;
	image->has_symbols = elf_file_section(image->elf, ".symtab", &shdr) &&
			     shdr.sh_type == SHT_SYMTAB;
	image->has_lines = elf_file_section(image->elf, ".debug_line", &shdr) ||
			   elf_file_section(image->elf, ".zdebug_line", &shdr);
	elf_file_build_id(image->elf, image->build_id);
	return symbol_table_new_all(image->elf, &image->symbols);
}

int rust_image_new(int fd, struct rust_image **ret)
{
	struct rust_image *image = calloc(1, sizeof(*image));
	int rc;

	if (!image)
		return -ENOMEM;
	rc = elf_file_open(fd, &image->elf);
	if (rc == 0)
		rc = load(image, fd);
	if (rc == 0)
		rc = describe(image);
	if (rc == 0) {
		find_code(image);
		rc = rust_relocations_apply(image);
	}
	if (rc < 0) {
		rust_image_free(image);
		return rc;
	}
	*ret = image;
	return 0;
}

struct rust_image *rust_image_free(struct rust_image *image)
{
	if (!image)
		return NULL;
	for (size_t i = 0; i < image->n; i++) {
		free(image->segment[i].data);
		free(image->segment[i].pointers);
	}
	symbol_table_free(image->symbols);
	eh_frame_free(image->cfi);
	elf_file_done(&image->elf);
	free(image);
	return NULL;
}

static const struct rust_segment *segment_at(const struct rust_image *image, uint64_t address,
					     uint64_t bytes)
{
	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		if (address >= s->address && address - s->address < s->bytes &&
		    bytes <= s->bytes - (address - s->address))
			return s;
	}
	return NULL;
}

const uint8_t *rust_image_bytes(const struct rust_image *image, uint64_t address, uint64_t bytes)
{
	const struct rust_segment *s = segment_at(image, address, bytes);

	return s ? s->data + (address - s->address) : NULL;
}

uint64_t rust_image_text(const struct rust_image *image, const char *text, uint64_t from)
{
	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];
		uint64_t skip = from > s->address ? from - s->address : 0;
		const uint8_t *at;

		if (s->flags & PF_W || skip >= s->bytes)
			continue;
		at = memmem(s->data + skip, s->bytes - skip, text, strlen(text));
		if (at)
			return s->address + (uint64_t)(at - s->data);
	}
	return 0;
}

bool rust_image_word(const struct rust_image *image, uint64_t address, uint64_t *ret)
{
	const uint8_t *bytes = rust_image_bytes(image, address, 8);

	if (bytes)
		memcpy(ret, bytes, 8);
	return bytes;
}

bool rust_image_pointer(const struct rust_image *image, uint64_t address, uint64_t *ret)
{
	const struct rust_segment *s = address % 8 ? NULL : segment_at(image, address, 8);
	uint64_t at = s ? address - s->address : 0, value;

	if (!s || (!image->fixed && (!s->pointers || !(s->pointers[at / 64] >> (at / 8 % 8) & 1))))
		return false;
	memcpy(&value, s->data + at, 8);
	*ret = value;
	return segment_at(image, value, 1);
}

bool rust_image_code_pointer(const struct rust_image *image, uint64_t address, uint64_t *ret)
{
	uint64_t value;

	if (!rust_image_pointer(image, address, &value) || !rust_image_is_code(image, value))
		return false;
	*ret = value;
	return true;
}

bool rust_image_offset(const struct rust_image *image, uint64_t address, uint64_t *ret)
{
	const struct rust_segment *s = segment_at(image, address, 1);

	if (s)
		*ret = s->offset + (address - s->address);
	return s;
}

bool rust_image_function(const struct rust_image *image, uint64_t address, uint64_t *ret_low,
			 uint64_t *ret_high)
{
	return image->cfi && eh_frame_find(image->cfi, address, ret_low, ret_high);
}

bool rust_image_begins(const struct rust_image *image, uint64_t address)
{
	uint64_t low, high;

	return !image->cfi || (rust_image_function(image, address, &low, &high) && low == address);
}
