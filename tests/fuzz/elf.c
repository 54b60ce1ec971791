// SPDX-License-Identifier: MIT
/* An ELF file as a target may bring it: notes of its probe points, symbols, call frame information, lines. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probes/symbols/debug_info.h"
#include "probes/symbols/eh_frame.h"
#include "probes/symbols/elf_file.h"
#include "probes/symbols/symbol_table.h"
#include "probes/symbols/usdt_notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DEBUG (1u << 20)

static int on_note(void *ctx, const struct usdt_note *note)
{
	size_t *letters = ctx;

	*letters += strlen(note->provider) + strlen(note->name) + strlen(note->args);
	return 0;
}

static void look_up(Elf *elf, const uint64_t *address, size_t n)
{
	struct symbol_table *symbols = NULL;
	struct debug_info *debug = NULL;
	struct eh_frame *eh = NULL;
	struct debug_frame frame[8];
	struct eh_row row;
	uint64_t start;

	if (symbol_table_new(elf, NULL, &symbols))
		symbols = NULL;
	if (debug_info_new(elf, MAX_DEBUG, &debug))
		debug = NULL;
	if (eh_frame_new(elf, &eh))
		eh = NULL;
	for (size_t i = 0; i < n; i++) {
		if (symbols)
			symbol_table_find(symbols, address[i], &start);
		if (debug)
			debug_info_find(debug, address[i], frame, 8);
		if (eh)
			eh_frame_row(eh, address[i], &row);
	}
	eh_frame_free(eh);
	debug_info_free(debug);
	symbol_table_free(symbols);
}

/* Addresses in and around what the file says is mapped. */
static size_t addresses(Elf *elf, uint64_t *to, size_t max)
{
	size_t n = 0, segments = 0;
	GElf_Phdr phdr;

	elf_getphdrnum(elf, &segments);
	for (size_t i = 0; i < segments && i < 8; i++) {
		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_LOAD)
			continue;
		for (uint64_t k = 0; k < 32 && n < max; k++)
			to[n++] = phdr.p_vaddr + phdr.p_filesz / 32 * k;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	uint64_t address[128];
	size_t letters = 0;
	Elf *elf;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	usdt_notes_read(fd, "weft", on_note, &letters);
	if (elf_file_open(fd, &elf) == 0) {
		elf_file_build_id(elf, build_id);
		look_up(elf, address, addresses(elf, address, 128));
		elf_file_done(&elf);
	}
	close(fd);
	return 0;
}
