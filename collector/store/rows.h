/* SPDX-License-Identifier: MIT */
/*
 * Rows on their way to the writer: a list of (statement, values) in one buffer, so that the engine thread
 * needs no SQLite and no allocation per row.
 */
#ifndef WEFT_ROWS_H
#define WEFT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/store/sqlite.h"

/*   X(ENUM, "SQL") */
#define STORE_STATEMENTS(X)                                                                                             \
	X(SESSION,                                                                                                      \
	  "INSERT INTO session(id,weft,boot_id,kernel,machine,level,start_realtime_ns,start_mono_ns)"                   \
	  " VALUES(1,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET boot_id=excluded.boot_id,kernel=excluded.kernel,"     \
	  "machine=excluded.machine,level=excluded.level,start_realtime_ns=excluded.start_realtime_ns,"                 \
	  "start_mono_ns=excluded.start_mono_ns")                                                                       \
	X(SESSION_END, "UPDATE session SET end_ns=?1, clean=?2")                                                        \
	X(PROCESS,                                                                                                      \
	  "INSERT OR REPLACE INTO process VALUES(?,?,?,?,?,?,?,NULL,NULL,NULL,?,?,?,?,?)")                              \
	X(PROCESS_EXIT,                                                                                                 \
	  "UPDATE process SET exit_ns=?2, exit_code=?3, exit_signal=?4 WHERE process=?1")                               \
	X(PROCESS_EXEC, "UPDATE process SET exe=?2 WHERE process=?1")                                                   \
	X(RUNTIME, "INSERT OR REPLACE INTO runtime VALUES(?,?,?,?,?,?,?,?)")                                            \
	X(LANE,                                                                                                         \
	  "INSERT INTO lane(process,lane,generation,role,runtime,worker,tid,ns_tid,name) VALUES(?,?,?,?,?,?,?,?,?)"     \
	  " ON CONFLICT DO UPDATE SET role=excluded.role,runtime=excluded.runtime,"                                     \
	  "worker=coalesce(excluded.worker,worker),tid=excluded.tid,ns_tid=excluded.ns_tid,name=excluded.name")         \
	X(LANE_SAMPLE,                                                                                                  \
	  "UPDATE lane SET state=?3,polls=?4,busy_ns=?5,poll_max_ns=?6,park_ns=?7,wakes=?8,self_wakes=?9,"              \
	  "steals=?10,stolen_tasks=?11,parks=?12,cpu_ns=?13,runq_ns=?14,estimated=max(coalesce(estimated,0),?15)"       \
	  " WHERE process=?1 AND lane=?2 AND generation="                                                               \
	  "(SELECT max(generation) FROM lane WHERE process=?1 AND lane=?2)")                                            \
	X(LOCATION, "INSERT OR REPLACE INTO location VALUES(?,?,?,?,?,?,?)")                                            \
	X(DEFINITION,                                                                                                   \
	  "INSERT INTO definition(chunk,pos,t_ns,kind,process,event) VALUES(?,?,?,?,?,?)")                              \
	X(CHUNK, "INSERT INTO chunk VALUES(?,?,?,?,?,?,?,?,?,?,?)")                                                     \
	X(ROLLUP_TASK,                                                                                                  \
	  "INSERT INTO rollup_task VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET polls=polls+excluded.polls,"       \
	  "busy_ns=busy_ns+excluded.busy_ns,poll_max_ns=max(poll_max_ns,excluded.poll_max_ns),"                         \
	  "wakes=wakes+excluded.wakes,blocked_ns=blocked_ns+excluded.blocked_ns,"                                       \
	  "runnable_ns=runnable_ns+excluded.runnable_ns")                                                               \
	X(ROLLUP_SITE,                                                                                                  \
	  "INSERT INTO rollup_site VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET polls=polls+excluded.polls," \
	  "busy_ns=busy_ns+excluded.busy_ns,poll_max_ns=max(poll_max_ns,excluded.poll_max_ns),"                         \
	  "wakes=wakes+excluded.wakes,blocked_ns=blocked_ns+excluded.blocked_ns,runnable_ns=runnable_ns+"               \
	  "excluded.runnable_ns,spawned=spawned+excluded.spawned,ended=ended+excluded.ended")                           \
	X(POLL_SUM, "INSERT INTO poll_sum VALUES(?,?,?,?,?,?,?,?,?,?)")                                                 \
	X(SHORT_TOTAL,                                                                                                  \
	  "INSERT INTO short_total VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET tasks=tasks+excluded.tasks," \
	  "polls=polls+excluded.polls,busy_ns=busy_ns+excluded.busy_ns,blocked_ns=blocked_ns+excluded.blocked_ns,"      \
	  "runnable_ns=runnable_ns+excluded.runnable_ns,wakes=wakes+excluded.wakes,"                                    \
	  "self_wakes=self_wakes+excluded.self_wakes,poll_max_ns=max(poll_max_ns,excluded.poll_max_ns),"                \
	  "life_ns=life_ns+excluded.life_ns")                                                                           \
	X(ACCOUNT, "INSERT OR REPLACE INTO account VALUES(?,?,?,?,?,?,?,?,?)")                                          \
	X(ACCOUNT_ERROR, "INSERT INTO accounting_error VALUES(?,?,?)")                                                  \
	X(GAP, "INSERT INTO gap VALUES(?,?,?,?,?,?)")                                                                   \
	X(CANNOT_SEE, "INSERT OR REPLACE INTO cannot_see VALUES(?,?,?)")                                                \
	X(TYPE, "INSERT OR REPLACE INTO type_row VALUES(?,?,?,?,?,?)")                                                  \
	X(TASK,                                                                                                         \
	  "INSERT OR REPLACE INTO task_row VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")                          \
	X(WAKE, "INSERT OR REPLACE INTO wake_row VALUES(?,?,?,?,?,?)")                                                  \
	X(TIMER, "INSERT INTO timer_row VALUES(?,?,?,?,?,?)")                                                           \
	X(FINDING, "INSERT OR REPLACE INTO finding_row VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")                        \
	X(MODULE, "INSERT OR REPLACE INTO module VALUES(?,?,?,?)")                                                      \
	X(FRAME, "INSERT OR REPLACE INTO frame VALUES(?,?,?,?,?,?,?)")                                                  \
	X(STACK, "INSERT INTO stack VALUES(?,?,?,?,?,?,?,?,?,?)")

enum store_statement {
#define X(name, sql) STORE_##name,
	STORE_STATEMENTS(X)
#undef X
		STORE_STATEMENTS_N
};

/* Embedded; zeroed = empty. */
struct rows {
	uint8_t *at;
	size_t used, room;
	bool failed; /* no memory: the row in hand and later ones are missing */
};

void rows_begin(struct rows *r, enum store_statement statement);
void rows_int(struct rows *r, int64_t v);
void rows_known(struct rows *r, uint64_t v); /* UINT64_MAX = NULL */
void rows_real(struct rows *r, double v);
void rows_text(struct rows *r,
	       const char *text); /* NULL = NULL; copied; what is not UTF-8 becomes '?' */
void rows_blob(struct rows *r, const void *at, size_t bytes);
void rows_null(struct rows *r);
void rows_done(struct rows *r);

/* Runs all rows over prepared statements; returns the first SQLite error, 0 = fine. */
int rows_run(const struct rows *r, sqlite3_stmt *const *statements);

#endif
