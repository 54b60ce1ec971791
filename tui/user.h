/* SPDX-License-Identifier: MIT */
/* Who called: under sudo the user behind it, to whom commands and files belong. */
#ifndef WEFT_USER_H
#define WEFT_USER_H

#include <stdbool.h>
#include <sys/types.h>

/* False = nobody behind root, or not root at all. */
bool user_invoking(uid_t *ret_uid, gid_t *ret_gid);
/* Where that user's own files are: static or of the environment; NULL = not known. */
const char *user_home(void);
/* All folders above the last '/' of an absolute path, mode 0700, where there are none. */
void user_make_folders(const char *path);
/* Hands a file that root has made over to the invoking user, mode 0600. Links are not followed. */
void user_own_file(const char *path);
/* For the time of opening a file that the user named: act as the user. user_done goes back. */
void user_begin(void);
void user_done(void);
/* The same beside a session's threads, which need their rights: files only, and this thread only. */
void user_files_begin(void);
void user_files_done(void);

#endif
