/* SPDX-License-Identifier: MIT */
#include "tui/names.h"

#define NAME(list, i) ((size_t)(i) < sizeof(list) / sizeof(*(list)) && (list)[i] ? (list)[i] : "?")

const char *names_runtime(uint32_t kind)
{
	static const char *const list[] = { [WEFT_RT_WEFT] = "weft",
					    [WEFT_RT_TOKIO] = "tokio",
					    [WEFT_RT_ASYNC_STD] = "async-std",
					    [WEFT_RT_SMOL] = "smol" };
	return NAME(list, kind);
}

const char *names_flavour(uint32_t flavour)
{
	static const char *const list[] = { [WEFT_F_MULTI_THREAD] = "multi_thread",
					    [WEFT_F_CURRENT_THREAD] = "current_thread",
					    [WEFT_F_REACTOR_POOL] = "reactor_pool",
					    [WEFT_F_EXECUTOR] = "executor" };
	return NAME(list, flavour);
}

const char *names_flavour_short(uint32_t flavour)
{
	static const char *const list[] = { [WEFT_F_MULTI_THREAD] = "multi",
					    [WEFT_F_CURRENT_THREAD] = "current",
					    [WEFT_F_REACTOR_POOL] = "reactor",
					    [WEFT_F_EXECUTOR] = "executor" };
	return NAME(list, flavour);
}

const char *names_task_state(enum live_task_state state)
{
	static const char *const list[] = {
		[LIVE_IDLE] = "idle",       [LIVE_READY] = "ready", [LIVE_RUNNING] = "running",
		[LIVE_BLOCKED] = "blocked", [LIVE_DONE] = "done",   [LIVE_CANCELLED] = "cancelled",
		[LIVE_FAILED] = "failed"
	};
	return NAME(list, state);
}

const char *names_worker_state(uint32_t state)
{
	static const char *const list[] = { [WEFT_WS_STOPPED] = "stopped",
					    [WEFT_WS_RUNNING] = "running",
					    [WEFT_WS_SEARCHING] = "search",
					    [WEFT_WS_PARKED_DRIVER] = "driver",
					    [WEFT_WS_PARKED_FUTEX] = "parked" };
	return NAME(list, state);
}

const char *names_waker(uint32_t kind)
{
	static const char *const list[] = {
		[WEFT_W_TASK] = "task",       [WEFT_W_TIMER] = "timer", [WEFT_W_IO] = "io",
		[WEFT_W_FOREIGN] = "foreign", [WEFT_W_JOB] = "job",     [WEFT_W_SPAWN] = "spawn",
		[WEFT_W_RUNTIME] = "runtime"
	};
	return NAME(list, kind);
}

const char *names_level(uint32_t level)
{
	static const char *const list[] = { [WEFT_LEVEL_OFF] = "auto",
					    [WEFT_LEVEL_LIGHT] = "light",
					    [WEFT_LEVEL_NORMAL] = "normal",
					    [WEFT_LEVEL_FULL] = "full" };
	return NAME(list, level);
}

const char *names_severity(enum live_severity severity)
{
	static const char *const list[] = {
		[LIVE_INFO] = "info", [LIVE_WARN] = "warn", [LIVE_CRIT] = "crit"
	};
	return NAME(list, severity);
}
