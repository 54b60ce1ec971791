/* SPDX-License-Identifier: MIT */
#include "collector/store/vtab.h"

int vtab_register(sqlite3 *db)
{
	int rc = vtab_events_register(db);

	if (!rc)
		rc = vtab_scans_register(db);
	return rc ? rc : task_of_register(db);
}
