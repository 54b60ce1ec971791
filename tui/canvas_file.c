/* SPDX-License-Identifier: MIT */
#include "tui/canvas_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The file is new and belongs to whoever runs this. */
void canvas_save(const struct canvas *c, char *ret_said, size_t size)
{
	char name[64], stamp[24];
	time_t now = time(NULL);
	struct tm tm;
	FILE *f;
	int fd;

	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
	snprintf(name, sizeof(name), "weft-screen-%s.txt", stamp);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		snprintf(ret_said, size, "can't write %s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	canvas_write(c, f);
	if (fflush(f) == 0 && !ferror(f)) {
		snprintf(ret_said, size, "written to %s", name);
	} else {
		snprintf(ret_said, size, "can't write %s: %s", name, strerror(errno));
		unlink(name);
	}
	fclose(f);
}
