/* SPDX-License-Identifier: MIT */
/*
 * Descriptors 0 to 2 are a process's standard streams. Where it has closed one, the next that is opened gets its
 * number: what is ours is moved out of the way.
 */
#ifndef WEFT_RUNTIME_STD_FD_H
#define WEFT_RUNTIME_STD_FD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* fd, or another for the same, above 2 and close-on-exec; -1 and errno: fd is closed. */
static inline int weft_fd_above_std(int fd)
{
	int above, error;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	error = errno;
	close(fd);
	errno = error;
	return above;
}

#endif
