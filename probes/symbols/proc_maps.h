/* SPDX-License-Identifier: MIT */
/*
 * Mappings of a process as /proc/PID/maps tells them, and ways to open the mapped files from our own
 * mount namespace: /proc/PID/map_files (needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, finds deleted
 * files and memfds), /proc/PID/exe, /proc/PID/root. A list is a snapshot; the process may change at once.
 */
#ifndef WEFT_PROC_MAPS_H
#define WEFT_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum proc_map_flag {
	PROC_MAP_READ = 1,
	PROC_MAP_WRITE = 2,
	PROC_MAP_EXEC = 4,
	PROC_MAP_SHARED = 8,
	PROC_MAP_DELETED = 16, /* the path ended in " (deleted)", which is cut off */
};

struct proc_map {
	uint64_t start, end, offset;
	uint64_t inode; /* 0 = no file */
	uint32_t dev_major, dev_minor;
	uint32_t flags; /* enum proc_map_flag */
	const char *
		path; /* as the process sees it, newlines unescaped; "" = anonymous, "[stack]" and so on as they are */
};

struct proc_maps;
#define auto_proc_maps __attribute__((cleanup(proc_maps_done)))

/* -ESRCH gone, -EACCES no right to look, -ENOMEM, -E2BIG more mappings than any kernel is set to allow. */
int proc_maps_read(pid_t pid, struct proc_maps **ret);
/* The same from text; pid is used by the opening functions only. Lines that make no sense are left out. */
int proc_maps_parse(pid_t pid, const char *text, size_t bytes, struct proc_maps **ret);
struct proc_maps *proc_maps_free(struct proc_maps *m);
void proc_maps_done(struct proc_maps **m);

size_t proc_maps_count(const struct proc_maps *m);
const struct proc_map *proc_maps_at(const struct proc_maps *m, size_t i); /* in order of address */
const struct proc_map *proc_maps_find(const struct proc_maps *m,
				      uint64_t address); /* NULL = unmapped */
const struct proc_map *proc_maps_find_path(const struct proc_maps *m,
					   const char *path); /* first with exactly that path */
const struct proc_map *proc_maps_find_memfd(const struct proc_maps *m, const char *name);

/* Opens the mapped file itself for reading, regular files only. -ENOENT no longer reachable, -EPERM (deleted and no right). */
int proc_maps_open(const struct proc_maps *m, const struct proc_map *map);

/* A path that opens the mapped file from here, as long as the process lives. -ENOENT, -ENAMETOOLONG. */
int proc_maps_path(const struct proc_maps *m, const struct proc_map *map, char *ret, size_t size);

#endif
