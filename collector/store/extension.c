/* SPDX-License-Identifier: MIT */
/* Loadable extension for the stock shell: `.load build/weft_events`, then `events` and the table-valued functions are there. */
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include "collector/store/vtab.h"

__attribute__((visibility("default"))) int sqlite3_weftevents_init(sqlite3 *db, char **error,
								   const sqlite3_api_routines *api);

int sqlite3_weftevents_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
	SQLITE_EXTENSION_INIT2(api);
	(void)error;
	return vtab_register(db);
}
