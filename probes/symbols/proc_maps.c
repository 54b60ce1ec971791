// SPDX-License-Identifier: MIT
#include "probes/symbols/proc_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

#define MAX_TEXT (256u << 20)
#define MAX_MAPS (1u << 20)
#define DELETED  " (deleted)"

struct proc_maps {
	pid_t pid;
	size_t n, room;
	struct proc_map *map;
	char *text; /* a copy of the file that the paths point into */
};

static const struct {
	char letter;
	unsigned position, flag;
} letters[] = { { 'r', 0, PROC_MAP_READ },
		{ 'w', 1, PROC_MAP_WRITE },
		{ 'x', 2, PROC_MAP_EXEC },
		{ 's', 3, PROC_MAP_SHARED } };

/* The kernel escapes newlines and nothing else: a backslash of the file's own is left as it is. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (strncmp(s, "\\012", 4) == 0) {
			*out = '\n';
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

static void parse_path(char *s, struct proc_map *ret)
{
	size_t n = strlen(s), tail = sizeof(DELETED) - 1;

	if (n > tail && strcmp(s + n - tail, DELETED) == 0) {
		s[n - tail] = '\0';
		ret->flags |= PROC_MAP_DELETED;
	}
	unescape(s);
	ret->path = s;
}

static bool number(char **s, int base, char end, uint64_t *ret)
{
	char *stop;

	if (**s == '-' || **s == '+' || **s == ' ')
		return false;
	errno = 0;
	*ret = strtoull(*s, &stop, base);
	if (errno || stop == *s || *stop != end)
		return false;
	*s = stop + 1;
	return true;
}

/* "start-end rwxp offset major:minor inode   path"; a line without path may end right after the inode. */
static bool parse_line(char *s, struct proc_map *ret)
{
	uint64_t dev_major, dev_minor;
	char *stop;

	memset(ret, 0, sizeof(*ret));
	if (!number(&s, 16, '-', &ret->start) || !number(&s, 16, ' ', &ret->end) ||
	    ret->start >= ret->end || strlen(s) < 5 || s[4] != ' ')
		return false;
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
		if (s[letters[i].position] == letters[i].letter)
			ret->flags |= letters[i].flag;
	s += 5;
	if (!number(&s, 16, ' ', &ret->offset) || !number(&s, 16, ':', &dev_major) ||
	    !number(&s, 16, ' ', &dev_minor))
		return false;
	errno = 0;
	ret->inode = strtoull(s, &stop, 10);
	if (errno || stop == s || (*stop && *stop != ' '))
		return false;
	ret->dev_major = (uint32_t)dev_major;
	ret->dev_minor = (uint32_t)dev_minor;
	parse_path(stop + strspn(stop, " "), ret);
	return true;
}

static int append(struct proc_maps *m, const struct proc_map *map)
{
	size_t room = m->room ? m->room * 2 : 64;
	struct proc_map *grown;

	if (m->n > 0 && map->start < m->map[m->n - 1].end)
		return 0; /* out of order or overlapping: can't be, left out */
	if (m->n == MAX_MAPS)
		return -E2BIG;
	if (m->n == m->room) {
		grown = reallocarray(m->map, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		m->map = grown;
		m->room = room;
	}
	m->map[m->n++] = *map;
	return 0;
}

/* Owns `text`, which ends in NUL. */
static int parse(pid_t pid, char *text, size_t bytes, struct proc_maps **ret)
{
	struct proc_maps *m = calloc(1, sizeof(*m));
	char *end = text + bytes, *next;
	struct proc_map map;
	int rc = 0;

	if (!m) {
		free(text);
		return -ENOMEM;
	}
	m->pid = pid;
	m->text = text;
	for (char *line = text; line < end && rc == 0; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next : end;
		*next++ = '\0';
		if (parse_line(line, &map))
			rc = append(m, &map);
	}
	if (rc < 0)
		proc_maps_free(m);
	else
		*ret = m;
	return rc;
}

int proc_maps_parse(pid_t pid, const char *text, size_t bytes, struct proc_maps **ret)
{
	char *copy = malloc(bytes + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return parse(pid, copy, bytes, ret);
}

/* /proc gives at most a page per read, so the size is not known before the end. */
static int read_all(int fd, char **ret, size_t *ret_bytes)
{
	size_t n = 0, room = 0;
	auto_free char *text = NULL;
	ssize_t got;

	do {
		if (room - n < 8192) {
			char *grown = realloc(text, room ? room * 2 : 32768);

			if (!grown)
				return -ENOMEM;
			text = grown;
			room = room ? room * 2 : 32768;
		}
		got = read(fd, text + n, room - n - 1);
		if (got < 0 && errno != EINTR)
			return -errno;
		n += got > 0 ? (size_t)got : 0;
		if (n > MAX_TEXT)
			return -E2BIG;
	} while (got != 0);
	text[n] = '\0';
	*ret = text;
	*ret_bytes = n;
	text = NULL;
	return 0;
}

int proc_maps_read(pid_t pid, struct proc_maps **ret)
{
	auto_close int fd = -1;
	char path[64], *text = NULL;
	size_t bytes = 0;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	rc = read_all(fd, &text, &bytes);
	return rc < 0 ? rc : parse(pid, text, bytes, ret);
}

struct proc_maps *proc_maps_free(struct proc_maps *m)
{
	if (m) {
		free(m->map);
		free(m->text);
		free(m);
	}
	return NULL;
}

void proc_maps_done(struct proc_maps **m)
{
	proc_maps_free(*m);
}

size_t proc_maps_count(const struct proc_maps *m)
{
	return m->n;
}

const struct proc_map *proc_maps_at(const struct proc_maps *m, size_t i)
{
	return i < m->n ? &m->map[i] : NULL;
}

const struct proc_map *proc_maps_find(const struct proc_maps *m, uint64_t address)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address < m->map[mid].start)
			high = mid;
		else if (address >= m->map[mid].end)
			low = mid + 1;
		else
			return &m->map[mid];
	}
	return NULL;
}

const struct proc_map *proc_maps_find_path(const struct proc_maps *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->map[i].path, path) == 0)
			return &m->map[i];
	return NULL;
}

const struct proc_map *proc_maps_find_memfd(const struct proc_maps *m, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "/memfd:%s", name);
	return proc_maps_find_path(m, path);
}

/* Same file? Devices are not compared: overlayfs and btrfs show another one in maps than in stat. */
static bool is_file(const char *path, const struct proc_map *map)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == map->inode;
}

typedef int (*path_way)(const struct proc_maps *, const struct proc_map *, char *, size_t);

static int way_map_files(const struct proc_maps *m, const struct proc_map *map, char *ret,
			 size_t size)
{
	int n = snprintf(ret, size, "/proc/%d/map_files/%llx-%llx", (int)m->pid,
			 (unsigned long long)map->start, (unsigned long long)map->end);
	struct stat st;

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (stat(ret, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -ENOENT;
}

static int way_exe(const struct proc_maps *m, const struct proc_map *map, char *ret, size_t size)
{
	int n = snprintf(ret, size, "/proc/%d/exe", (int)m->pid);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return is_file(ret, map) ? 0 : -ENOENT;
}

/*
 * A file that was replaced has another inode; overlayfs shows other inodes too, so a path not marked
 * deleted is believed. A name that really ends in " (deleted)" is tried with the inode as proof.
 */
static int way_root(const struct proc_maps *m, const struct proc_map *map, char *ret, size_t size)
{
	bool deleted = map->flags & PROC_MAP_DELETED;
	int n = snprintf(ret, size, "/proc/%d/root%s%s", (int)m->pid, map->path,
			 deleted ? DELETED : "");
	struct stat st;

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	if (deleted)
		return is_file(ret, map) ? 0 : -ENOENT;
	if (stat(ret, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -ENOENT;
}

int proc_maps_path(const struct proc_maps *m, const struct proc_map *map, char *ret, size_t size)
{
	static const path_way ways[] = { way_exe, way_map_files, way_root };
	int rc = -ENOENT, denied = 0;

	if (map->inode == 0 || map->path[0] != '/')
		return -ENOENT;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		rc = ways[i](m, map, ret, size);
		if (rc == 0)
			return 0;
		if (rc == -EPERM || rc == -EACCES)
			denied = -EPERM;
	}
	return denied ? denied : rc;
}

/* The file may change between stat and open: O_NONBLOCK and the second look keep FIFOs and devices out. */
int proc_maps_open(const struct proc_maps *m, const struct proc_map *map)
{
	auto_close int fd = -1;
	char path[4200];
	struct stat st;
	int rc = proc_maps_path(m, map, path, sizeof(path));

	if (rc < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == EACCES ? -EPERM : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	return cleanup_keep_fd(&fd);
}
