/* SPDX-License-Identifier: MIT */
/* SQLite's calls: the library's own, or inside the loadable extension those of the program that loads it. */
#ifndef WEFT_SQLITE_H
#define WEFT_SQLITE_H

#ifdef WEFT_SQLITE_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#define STORE_APPLICATION_ID 0x57656674 /* "Weft" */
#define STORE_USER_VERSION   3

#endif
