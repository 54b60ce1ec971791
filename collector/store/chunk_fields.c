/* SPDX-License-Identifier: MIT */
#include "collector/store/chunk.h"

#define N CHUNK_NONE
#define S CHUNK_SHAPE
#define U CHUNK_UINT
#define T CHUNK_TASK
#define W CHUNK_WHEN
#define D CHUNK_DELAY

const uint8_t chunk_fields[WEFT_EV_KINDS][4] = {
	[WEFT_K_RUNTIME_START] = { S, S, S, N }, [WEFT_K_RUNTIME_STOP] = { S, S, S, N },
	[WEFT_K_WORKER_START] = { S, S, S, N },  [WEFT_K_WORKER_STOP] = { S, S, S, N },
	[WEFT_K_WORKER_PARK] = { S, S, S, N },   [WEFT_K_WORKER_UNPARK] = { S, S, U, N },
	[WEFT_K_TASK_SPAWN] = { T, S, S, S },    [WEFT_K_TASK_NAME] = { N, N, N, N },
	[WEFT_K_TASK_POLL] = { U, D, S, U },     [WEFT_K_TASK_WAKE] = { T, S, S, N },
	[WEFT_K_TASK_END] = { T, S, N, N },      [WEFT_K_HANDLE_DROP] = { T, S, N, N },
	[WEFT_K_STEAL] = { S, S, U, S },         [WEFT_K_QUEUE_DEPTH] = { U, U, S, S },
	[WEFT_K_TIMER_ARM] = { U, W, N, N },     [WEFT_K_TIMER_FIRE] = { U, W, N, N },
	[WEFT_K_TIMER_CANCEL] = { U, W, N, N },  [WEFT_K_JOB_START] = { U, U, N, N },
	[WEFT_K_JOB_END] = { U, U, N, N },       [WEFT_K_IO_READY] = { U, S, N, N },
	[WEFT_K_DRIVER_TURN] = { U, U, U, N },   [WEFT_K_LOCK_WAIT] = { U, S, N, N },
	[WEFT_K_MISUSE] = { S, S, N, N },        [WEFT_K_LEVEL] = { S, N, N, N },
	[WEFT_K_LABEL] = { N, N, N, N },         [WEFT_EV_OFFCPU] = { U, U, S, U },
};

bool chunk_is_column(unsigned kind)
{
	return (kind && kind <= WEFT_K_LABEL) || kind == WEFT_EV_OFFCPU;
}

bool chunk_has_text(unsigned kind)
{
	return kind == WEFT_K_TASK_NAME || kind == WEFT_K_LABEL;
}
