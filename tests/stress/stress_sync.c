/* SPDX-License-Identifier: MIT */
/*
 * Locks and channels under churn: stress_sync [SECONDS [SEED]], or WEFT_STRESS_SECONDS. Each round
 * makes a runtime of random flavour and size and a crowd of tasks that lock, send, receive and wait
 * with random time limits, while others abort them and foreign threads take part by the blocking_
 * and try_ calls.
 *
 * Checked: mutual exclusion; permits constant; messages accepted = messages received, by number and
 * sum; broadcast: seen + missed = sent; watch: never backwards and the last value is seen; once:
 * one success; barrier: one leader for each generation. A wake that is lost shows as a round that
 * doesn't end: the alarm then fails the run.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"
#include "tests/stress/sync_truth.h"

/* A task that does a bit of everything, and may be aborted anywhere. */
struct actor {
	WEFT_FRAME;
	uint32_t random, what, n;
	int i;
	uint64_t ns; /* time limit, 0 = none */
	struct weft_acquire acquire;
	struct weft_waiter wait;
	struct weft_sleep limit, sleep;
	struct weft_yield yield;
	struct channel *channel;
	struct weft_oneshot_rx *rx;
	uint64_t value;
};

#define TRY(operation) \
	weft_await(f, f->ns ? weft_timeout(cx, &f->limit, f->ns, (operation)) : (operation))

static void rc_check(int rc, const char *what)
{
	if (rc != 0 && rc != -ETIMEDOUT && rc != -ECANCELED)
		die(what, rc);
}

static weft_poll_t locks(struct weft_cx *cx, struct actor *f)
{
	weft_async_begin(f);
	switch (f->what % 4) {
	case 0:
		TRY(weft_mutex_lock(cx, &r->mutex, &f->acquire));
		rc_check(f->rc, "mutex");
		if (f->rc)
			break;
		mutex_enter();
		weft_await(f, weft_yield(cx, &f->yield));
		mutex_leave();
		break;
	case 1:
		TRY(weft_rwlock_read(cx, &r->rwlock, &f->acquire));
		rc_check(f->rc, "read");
		if (f->rc)
			break;
		read_enter();
		weft_await(f, weft_yield(cx, &f->yield));
		read_leave();
		break;
	case 2:
		TRY(weft_rwlock_write(cx, &r->rwlock, &f->acquire));
		rc_check(f->rc, "write");
		if (f->rc)
			break;
		write_enter();
		weft_await(f, weft_yield(cx, &f->yield));
		write_leave(f->random & 64);
		break;
	default:
		f->n = 1 + f->random % PERMITS;
		TRY(weft_semaphore_acquire_many(cx, &r->semaphore, f->n, &f->acquire));
		rc_check(f->rc, "semaphore");
		if (f->rc)
			break;
		permits_enter(f->n);
		weft_await(f, weft_yield(cx, &f->yield));
		permits_leave(f->n);
	}
	weft_async_end(f, 0);
}

/* Takes a while, and fails two times out of three. */
static weft_poll_t initialise(struct weft_cx *cx, struct actor *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, f->random % 50 * US));
	if (f->rc)
		return f->rc;
	add(&r->inits, 1);
	if (f->random % 3)
		return -EIO;
	must_be("initialised twice", add(&r->initialised, 1), 0);
	weft_async_end(f, 0);
}

static weft_poll_t answer(struct weft_cx *cx, struct weft_oneshot_tx **tx)
{
	uint64_t value = 77;

	(void)cx;
	if (weft_oneshot_send(*tx, &value) == 0)
		add(&r->oneshots, 1);
	return 0;
}

static void ask(struct actor *f)
{
	struct weft_oneshot_tx *tx;

	if (weft_oneshot_new(sizeof(f->value), &tx, &f->rx))
		die("oneshot", 0);
	if (f->random % 4 == 0 || weft_spawn(NULL, answer, tx))
		weft_oneshot_tx_free(tx);
}

static weft_poll_t signals(struct weft_cx *cx, struct actor *f, struct actor *inner)
{
	weft_async_begin(f);
	switch (f->what % 4) {
	case 0:
		add(&r->work, 1);
		weft_notify_one(&r->bell);
		break;
	case 1: /* never without a limit: the others may be gone */
		f->ns = 1 + f->random % 200 * US;
		TRY(weft_barrier_wait(cx, &r->barrier, &f->wait));
		if (f->rc == 1)
			add(&r->generations, 1);
		else if (f->rc == 0)
			add(&r->passes, 1);
		else
			rc_check(f->rc, "barrier");
		break;
	case 2:
		inner->random = f->random;
		TRY(weft_once(cx, &r->once, &f->wait, initialise(cx, inner)));
		if (f->rc != -EIO)
			rc_check(f->rc, "once");
		if (f->rc == 0)
			must_be("once", get(&r->initialised), 1);
		break;
	default:
		ask(f);
		TRY(weft_oneshot_recv(cx, f->rx, &f->wait, &f->value));
		if (f->rc != -EPIPE)
			rc_check(f->rc, "oneshot");
		if (f->rc == 0)
			must_be("answer", f->value, 77);
		add(&r->answers, f->rc == 0);
		weft_oneshot_rx_free(f->rx);
	}
	weft_async_end(f, 0);
}

static void publish(uint32_t random)
{
	if (random % 2) {
		if (weft_mutex_blocking_lock(&r->mutex)) /* keeps the two in step */
			die("blocking_lock", 0);
		mutex_enter();
		if (weft_broadcast_send(r->broadcast, &r->broadcasts) < 0)
			die("broadcast", 0);
		r->broadcasts++;
		r->values++;
		if (weft_watch_send(r->watch, &r->values) < 0)
			die("watch", 0);
		mutex_leave();
	}
}

/* The actor and the frames of what it calls. */
struct crowd {
	WEFT_FRAME;
	uint32_t random, what;
	int i;
	uint64_t ns, value;
	struct weft_waiter wait;
	struct weft_sleep limit;
	struct channel *channel;
	struct actor parts[2];
};

static weft_poll_t crowd(struct weft_cx *cx, struct crowd *f)
{
	static const uint64_t spans[] = { 0, 0, 20 * US, 200 * US };

	weft_async_begin(f);
	for (f->i = 0; f->i < STEPS && !cx->cancelled; f->i++) {
		next_random(&f->random);
		f->ns = spans[f->random % 4];
		f->what = f->random / 4 % 3;
		f->parts[0].random = f->parts[0].what = f->random / 16;
		f->parts[0].ns = f->ns;
		if (f->what == 0) {
			weft_await(f, locks(cx, &f->parts[0]));
		} else if (f->what == 1) {
			weft_await(f, signals(cx, &f->parts[0], &f->parts[1]));
		} else {
			f->channel = &r->channel[f->random / 16 % CHANNELS];
			f->value = f->random;
			TRY(weft_mpsc_send(cx, f->channel->tx, &f->wait, &f->value));
			sent(f->channel, f->rc, f->value);
		}
		add(&operations, 1);
	}
	for (f->i = 0; f->i < CHANNELS; f->i++)
		weft_mpsc_tx_unref(r->channel[f->i].tx);
	weft_async_end(f, 0);
}

/* Receives to the end, with random limits. Some close the channel early: what is in it is left. */
static weft_poll_t receiver(struct weft_cx *cx, struct actor *f)
{
	weft_async_begin(f);
	for (;;) {
		f->ns = next_random(&f->random) % 3 ? 0 : f->random % 100 * US + 1;
		TRY(weft_mpsc_recv(cx, f->channel->rx, &f->wait, &f->value));
		if (f->rc == -EPIPE)
			break;
		rc_check(f->rc, "recv");
		if (f->rc == 0)
			received(f->channel, f->value);
		if (f->what && ++f->n > f->what)
			weft_mpsc_close(f->channel->rx);
	}
	weft_mpsc_rx_free(f->channel->rx);
	weft_async_end(f, 0);
}

/* Does one unit of work for each that was announced; one bell may stand for many. */
static weft_poll_t bellman(struct weft_cx *cx, struct actor *f)
{
	weft_async_begin(f);
	for (;;) {
		while (get(&r->worked) < get(&r->work))
			add(&r->worked, 1);
		if (__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE) && get(&r->worked) == get(&r->work))
			break;
		f->ns = next_random(&f->random) % 4 ? 0 : f->random % 100 * US + 1;
		TRY(weft_notify_wait(cx, &r->bell, &f->wait));
		rc_check(f->rc, "notify");
	}
	weft_async_end(f, 0);
}

struct listener {
	struct actor self;
	struct weft_broadcast_rx *rx;
	struct weft_watch_rx *watch;
	uint64_t next, missed;
};

static weft_poll_t listen_all(struct weft_cx *cx, struct listener *l)
{
	struct actor *f = &l->self;

	weft_async_begin(f);
	for (;;) {
		f->ns = next_random(&f->random) % 4 ? 0 : f->random % 100 * US + 1;
		TRY(weft_broadcast_recv(cx, l->rx, &f->wait, &f->value, &l->missed));
		if (f->rc == -EPIPE)
			break;
		if (f->rc == -EOVERFLOW) {
			l->next += l->missed;
			continue;
		}
		rc_check(f->rc, "broadcast recv");
		if (f->rc == 0)
			must_be("broadcast order", f->value, l->next++);
	}
	must_be("broadcast seen + missed", l->next, r->broadcasts);
	weft_broadcast_rx_free(l->rx);
	weft_async_end(f, 0);
}

static weft_poll_t follow(struct weft_cx *cx, struct listener *l)
{
	struct actor *f = &l->self;

	weft_async_begin(f);
	for (;;) {
		f->ns = next_random(&f->random) % 4 ? 0 : f->random % 100 * US + 1;
		TRY(weft_watch_changed(cx, l->watch, &f->wait));
		if (f->rc == -EPIPE)
			break;
		rc_check(f->rc, "watch");
		weft_watch_get(l->watch, &f->value);
		if (f->value < l->next)
			die("watch goes back", (long long)f->value);
		l->next = f->value;
	}
	must_be("last value", l->next, r->values);
	weft_watch_rx_free(l->watch);
	weft_async_end(f, 0);
}

struct foreign {
	pthread_t thread;
	uint32_t random;
};

static void foreign_step(uint32_t random)
{
	struct channel *c = &r->channel[random / 8 % CHANNELS];
	uint64_t value = random;

	switch (random % 8) {
	case 0:
		if (weft_mutex_blocking_lock(&r->mutex))
			die("blocking_lock", 0);
		mutex_enter();
		mutex_leave();
		break;
	case 1:
		if (weft_mutex_try_lock(&r->mutex)) {
			mutex_enter();
			mutex_leave();
		}
		break;
	case 2:
		if (weft_rwlock_blocking_read(&r->rwlock))
			die("blocking_read", 0);
		read_enter();
		read_leave();
		break;
	case 3:
		if (weft_rwlock_blocking_write(&r->rwlock))
			die("blocking_write", 0);
		write_enter();
		write_leave(false);
		break;
	case 4:
		if (weft_semaphore_try(&r->semaphore)) {
			permits_enter(1);
			permits_leave(1);
		}
		weft_notify_waiters(&r->bell);
		break;
	case 5:
		sent(c, weft_mpsc_try_send(c->tx, &value), value);
		break;
	case 6:
		sent(c, weft_mpsc_blocking_send(c->tx, &value), value);
		break;
	default:
		publish(random / 8);
	}
}

static void *foreign_main(void *arg)
{
	struct foreign *f = arg;

	for (int i = 0; i < 60; i++) {
		foreign_step(next_random(&f->random));
		if (f->random % 5 == 0)
			usleep(f->random % 200);
	}
	for (int i = 0; i < CHANNELS; i++)
		weft_mpsc_tx_unref(r->channel[i].tx);
	return NULL;
}

static void open_all(uint32_t random)
{
	static const uint32_t capacity[CHANNELS] = { 1, 16, 0 };
	uint64_t zero = 0;
	struct weft_watch_rx *rx;

	r = calloc(1, sizeof(*r));
	if (!r || weft_semaphore_init(&r->semaphore, PERMITS) ||
	    weft_broadcast_new(sizeof(uint64_t), 8, &r->broadcast) ||
	    weft_watch_new(sizeof(uint64_t), &zero, &r->watch, &rx))
		die("open", 0);
	weft_barrier_init(&r->barrier, PARTIES);
	for (int i = 0; i < CHANNELS; i++) {
		struct channel *c = &r->channel[i];
		struct actor f = { .random = next_random(&random),
				   .channel = c,
				   .what = random % 4 ? 0 : 1 + random % 30 };

		if (weft_mpsc_new(sizeof(uint64_t), capacity[i], &c->tx, &c->rx) ||
		    weft_spawn(rt, receiver, f))
			die("channel", i);
		for (int k = 0; k < ACTORS + FOREIGN; k++)
			weft_mpsc_tx_ref(c->tx);
	}
	for (uint32_t i = 0; i < LISTENERS; i++) {
		struct listener l = { .self.random = random + i + 1 };

		if (weft_broadcast_subscribe(r->broadcast, &l.rx) ||
		    weft_watch_subscribe(r->watch, &l.watch) || weft_spawn(rt, listen_all, l) ||
		    weft_spawn(rt, follow, l))
			die("listener", (long long)i);
	}
	weft_watch_rx_free(rx);
	if (weft_spawn(rt, bellman, ((struct actor){ .random = random | 1 })))
		die("bellman", 0);
}

static void check_all(void)
{
	must_be("guarded", r->guarded, r->lock_count);
	must_be("permits", weft_semaphore_permits(&r->semaphore), PERMITS);
	must_be("work", r->worked, r->work);
	if (r->passes > r->generations * (PARTIES - 1))
		die("leaders", (long long)r->generations);
	if (r->answers > r->oneshots)
		die("answers", (long long)r->answers);
	for (int i = 0; i < CHANNELS; i++) {
		must_be("messages", r->channel[i].received, r->channel[i].accepted);
		must_be("their sum", r->channel[i].received_sum, r->channel[i].accepted_sum);
	}
	if (weft_mutex_done(&r->mutex) || weft_rwlock_done(&r->rwlock) ||
	    weft_semaphore_done(&r->semaphore) || weft_notify_done(&r->bell) ||
	    weft_barrier_done(&r->barrier))
		die("in use", 0);
	free(r);
}

static void spawn_crowd(uint32_t random)
{
	struct weft_join *join[ACTORS];

	for (int i = 0; i < ACTORS; i++)
		if (weft_spawn(rt, crowd, ((struct crowd){ .random = next_random(&random) }),
			       .join = &join[i]))
			die("spawn", i);
	for (int i = 0; i < ACTORS; i++) {
		if (next_random(&random) % 3 == 0) {
			usleep(random % 100);
			weft_join_abort(join[i]);
		}
	}
	for (int i = 0; i < ACTORS; i++) {
		while (!weft_join_done(join[i]))
			usleep(200);
		weft_join_detach(join[i]);
	}
}

/* Until only the drivers' own tasks are left. */
static void wait_until_idle(void)
{
	struct weft_runtime_stats stats;

	do {
		usleep(300);
		weft_runtime_stats(rt, &stats);
	} while (stats.alive != DRIVERS);
}

/* Drives the flavours that have no threads of their own; on the others it merely waits. */
static void *drive(void *arg)
{
	int rc = weft_runtime_run(rt);

	(void)arg;
	if (rc && rc != -ESHUTDOWN)
		die("run", rc);
	return NULL;
}

static void run_round(uint32_t random)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = WEFT_MULTI_THREAD + random / 8 % 4,
				      .workers = 1 + random % 4 };
	struct foreign foreign[FOREIGN];
	pthread_t drivers[DRIVERS];

	if (weft_runtime_new(&config, &rt))
		die("start", 0);
	for (int i = 0; i < DRIVERS; i++)
		pthread_create(&drivers[i], NULL, drive, NULL);
	wait_until_idle();
	open_all(random);
	for (int i = 0; i < FOREIGN; i++) {
		foreign[i].random = next_random(&random);
		pthread_create(&foreign[i].thread, NULL, foreign_main, &foreign[i]);
	}
	spawn_crowd(random);
	for (int i = 0; i < FOREIGN; i++)
		pthread_join(foreign[i].thread, NULL);
	for (int i = 0; i < CHANNELS; i++)
		weft_mpsc_tx_unref(r->channel[i].tx);
	weft_broadcast_tx_unref(r->broadcast);
	weft_watch_tx_unref(r->watch);
	while (get(&r->worked) != get(&r->work)) /* the bells rung so far must do */
		usleep(200);
	__atomic_store_n(&r->stop, true, __ATOMIC_RELEASE);
	weft_notify_one(&r->bell);
	wait_until_idle();
	if (weft_runtime_shutdown(rt, 20000 * MS))
		die("shutdown", 0);
	for (int i = 0; i < DRIVERS; i++)
		pthread_join(drivers[i], NULL);
	weft_runtime_free(rt);
	check_all();
}

int main(int argc, char **argv)
{
	const char *env = getenv("WEFT_STRESS_SECONDS");
	const char *seconds = argc > 1 ? argv[1] : env ? env : "10";
	uint64_t until = weft_now() + (uint64_t)atoi(seconds) * 1000 * MS;
	uint32_t random, rounds = 0;

	seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : (uint32_t)weft_now() | 1;
	random = seed;
	do {
		alarm(ROUND_LIMIT_S);
		run_round(next_random(&random));
		rounds++;
	} while (weft_now() < until);
	printf("stress_sync: seed %u: %u rounds, %llu operations\n", seed, rounds,
	       (unsigned long long)operations);
	return 0;
}
