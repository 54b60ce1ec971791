/* SPDX-License-Identifier: MIT */
/* Scope-bound release for `__attribute__((cleanup))`: auto_free, auto_close, auto_closedir, auto_fclose. */
#ifndef WEFT_CLEANUP_H
#define WEFT_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define auto_free     __attribute__((cleanup(cleanup_free)))
#define auto_close    __attribute__((cleanup(cleanup_close)))
#define auto_closedir __attribute__((cleanup(cleanup_closedir)))
#define auto_fclose   __attribute__((cleanup(cleanup_fclose)))

/* Takes the address of any pointer; memcpy instead of a cast keeps it free of aliasing trouble. */
static inline void cleanup_free(void *address)
{
	void *p;

	__builtin_memcpy(&p, address, sizeof(p));
	free(p);
}

/* Negative = nothing to close. */
static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Hand a descriptor over to the caller: the scope forgets it. */
static inline int cleanup_keep_fd(int *fd)
{
	int keep = *fd;

	*fd = -1;
	return keep;
}

#endif
