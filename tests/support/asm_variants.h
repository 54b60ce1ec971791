/* SPDX-License-Identifier: MIT */
/*
 * One assembler source, built once for each of several symbols that it asks for by .ifdef, for tests of the analyser of
 * Rust files. Included by a test, once.
 */
#ifndef WEFT_TEST_ASM_VARIANTS_H
#define WEFT_TEST_ASM_VARIANTS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "probes/base/cleanup.h"
#include "probes/rust/plan_internal.h"

#define ASM_VARIANTS_MACROS                                                                                   \
	".macro fn name\n.globl \"\\name\"\n.type \"\\name\",@function\n\"\\name\":\n.cfi_startproc\n.endm\n" \
	".macro end\n.cfi_endproc\n.balign 16\n.endm\n"

static char asm_variants_dir[] = "/tmp/weft-asm-variants-XXXXXX";

/* In a setup: a file for each of `kinds`, named as it. */
static int asm_variants_build(const char *source, const char *const *kinds, size_t n)
{
	char line[512];
	FILE *f;

	if (!mkdtemp(asm_variants_dir))
		return -1;
	snprintf(line, sizeof(line), "%s/a.s", asm_variants_dir);
	f = fopen(line, "w");
	if (!f)
		return -1;
	fputs(source, f);
	fclose(f);
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof(line),
			 "cd %s && cc -Wa,--defsym,%s=1 -Wl,-z,notext a.s -pie -o %s",
			 asm_variants_dir, kinds[i], kinds[i]);
		if (system(line) != 0)
			return -1;
	}
	return 0;
}

static int asm_variants_cleanup(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf %s", asm_variants_dir);
	return system(line);
}

static struct rust_plan *asm_variants_plan(const char *kind, uint32_t types)
{
	char path[128];
	struct rust_plan *plan = NULL;

	snprintf(path, sizeof(path), "%s/%s", asm_variants_dir, kind);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(rust_plan_new(fd, &plan), 0);
	assert_int_equal(plan->n_types, types);
	return plan;
}

/* By the symbol table, as `nm` reads it. */
static uint64_t asm_variants_label(const char *kind, const char *name)
{
	char line[256], text[128];
	unsigned long long value = 0;

	snprintf(line, sizeof(line), "nm %s/%s | awk '$3 == \"%s\" { print $1 }'", asm_variants_dir,
		 kind, name);
	FILE *f = popen(line, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	sscanf(text, "%llx", &value);
	assert_true(value != 0);
	return value;
}

#endif
