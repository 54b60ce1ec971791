// SPDX-License-Identifier: MIT
#include "tests/support/asm_image.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool run(const char *command, const char *dir, const char *more)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && %s %s", dir, command, more);
	return system(line) == 0;
}

static bool write_source(const char *dir, const char *source)
{
	char path[64];
	bool written;
	FILE *f;

	snprintf(path, sizeof(path), "%s/a.s", dir);
	f = fopen(path, "w");
	if (!f)
		return false;
	written = fputs(source, f) >= 0;
	return fclose(f) == 0 && written;
}

bool asm_image_open(struct asm_image *a, const char *source, bool fixed)
{
	const char *how = fixed ? "-no-pie -static -Wl,-e,0" : "-shared -Wl,-Bsymbolic,-z,notext";
	char path[64];

	*a = (struct asm_image){ .dir = "/tmp/weft-asm-XXXXXX", .fd = -1 };
	if (!mkdtemp(a->dir))
		return false;
	snprintf(path, sizeof(path), "%s/out", a->dir);
	if (write_source(a->dir, source) && run("cc -nostdlib a.s -o out", a->dir, how))
		a->fd = open(path, O_RDONLY | O_CLOEXEC);
	run("rm -rf", "/", a->dir);
	return a->fd >= 0 && rust_image_new(a->fd, &a->image) == 0;
}

void asm_image_close(struct asm_image *a)
{
	a->image = rust_image_free(a->image);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

uint64_t asm_image_label(const struct asm_image *a, const char *name)
{
	GElf_Shdr shdr;
	GElf_Sym sym;

	for (Elf_Scn *scn = elf_nextscn(a->image->elf, NULL); scn;
	     scn = elf_nextscn(a->image->elf, scn)) {
		Elf_Data *data = elf_getdata(scn, NULL);

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_SYMTAB)
			continue;
		for (int i = 0; gelf_getsym(data, i, &sym); i++) {
			const char *text = elf_strptr(a->image->elf, shdr.sh_link, sym.st_name);

			if (text && strcmp(text, name) == 0)
				return sym.st_value;
		}
	}
	return 0;
}
