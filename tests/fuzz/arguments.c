// SPDX-License-Identifier: MIT
/* Command lines, one word per line, the first is the command: options, the TARGET grammar, numbers. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/commands/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_WORDS 64

/* What is complained about, and --help, goes nowhere. */
static void quiet(void)
{
	static int done;
	int fd;

	if (done++)
		return;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(fd, STDOUT_FILENO);
	fflush(stderr);
	stderr = fdopen(fd, "w");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *word[MAX_WORDS + 1];
	const struct command *c;
	void *args;
	int n = 0;

	if (!text)
		abort();
	quiet();
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *p = text; p && n < MAX_WORDS; n++) {
		word[n] = p;
		p = strchr(p, '\n');
		if (p)
			*p++ = '\0';
	}
	word[n] = NULL;
	c = commands_find(word[0]);
	args = c ? calloc(1, c->args_size) : NULL;
	if (args) {
		if (c->init)
			c->init(args);
		command_parse(c, n, word, args);
	}
	free(args);
	free(text);
	return 0;
}
