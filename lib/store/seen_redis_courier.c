/* seen_redis_courier - see seen_redis_courier.h. */
#include "seen_redis_courier.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"

enum { PIECE = 1024, LEAST_MS = 1000, LEFT_STEP_MS = 1000, END_S = 1 };

enum step { STEP_NONE, STEP_ASKED, STEP_ENDED };

/* Of one server. The thread alone touches rows, and all that it puts out, between asked and ended. */
struct errands {
	enum step connect, send;
	bool rest;
	uint64_t connect_ms, send_ms;
	struct redis_wire *wire; /* made, for the loop */
	struct redis_found found;
	struct redis_wire *road; /* of the rows */
	struct courier_row *rows;
	size_t n;
	bool sent;
	struct error why;
	struct redis_form form; /* SET of a row that is remembered for so long still */
	uint64_t form_ms;
};

struct courier {
	const struct redis_way *ways;
	const char *value;
	size_t count;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	bool stop;
	struct errands list[];
};

/* ---- the thread's side ---- */

/* The time left is rounded up to a second, so that one form is good for many rows. */
static bool
make_form(struct courier *c, struct errands *e, uint64_t left_ms)
{
	const uint64_t ms = (left_ms + LEFT_STEP_MS - 1) / LEFT_STEP_MS * LEFT_STEP_MS;
	char hash[sizeof(struct hash128)] = {0}, text[24];
	const struct slice words[] = {slice_of("SET"), {hash, sizeof hash}, slice_of(c->value),
		slice_of("PX"), {text, 0}};
	struct slice last[5];

	if (e->form.text && e->form_ms == ms)
		return true;
	memcpy(last, words, sizeof last);
	last[4].n = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)ms);
	free(e->form.text);
	e->form_ms = ms;
	return redis_form_make(&e->form, last, 5, 1);
}

static void
hear_row(void *arg, size_t i, const redisReply *reply)
{
	(void)i;
	redis_link_is_error(reply, arg);
}

static bool
send_piece(struct courier *c, struct errands *e, const struct courier_row *rows, size_t n)
{
	const uint64_t most_ms = e->send_ms > LEAST_MS ? e->send_ms : LEAST_MS;
	struct redis_reading reading = {CAUSE_NONE, {""}};

	for (size_t i = 0; i < n; i++)
		if (!make_form(c, e, rows[i].left_ms) ||
			!redis_wire_put_form(e->road, &e->form, &rows[i].hash))
			return error_set(&e->why, "out of memory");
	if (!redis_wire_trip(
		    e->road, clock_mono_us() + most_ms * 1000, hear_row, &reading, &e->why))
		return false;
	e->why = reading.why;
	return reading.cause == CAUSE_NONE;
}

static bool
send_rows(struct courier *c, struct errands *e, const struct redis_way *way)
{
	struct redis_found found = {.cause = CAUSE_NONE};

	if (!e->road)
		e->road = redis_link_open(way, e->send_ms, &found);
	if (!e->road) {
		e->why = found.why;
		return false;
	}
	for (size_t at = 0; at < e->n; at += PIECE)
		if (!send_piece(c, e, e->rows + at, e->n - at < PIECE ? e->n - at : PIECE)) {
			redis_wire_close(&e->road);
			return false;
		}
	return true;
}

static bool
is_asked(const struct errands *e)
{
	return e->connect == STEP_ASKED || e->send == STEP_ASKED || e->rest;
}

/* Waits for a server with an errand; NULL when it is time to end. */
static struct errands *
next_errand(struct courier *c)
{
	struct errands *found = NULL;

	while (!c->stop && !found) {
		for (size_t i = 0; i < c->count && !found; i++)
			if (is_asked(&c->list[i]))
				found = &c->list[i];
		if (!found)
			pthread_cond_wait(&c->work, &c->mutex);
	}
	return c->stop ? NULL : found;
}

static void
end_rows(struct errands *e)
{
	redis_wire_close(&e->road);
	free(e->rows);
	e->rows = NULL;
}

/* The mutex is held but while it works; connecting comes first, for groups wait for that. */
static void
do_errand(struct courier *c, struct errands *e)
{
	const struct redis_way *way = &c->ways[e - c->list];
	const bool connect = e->connect == STEP_ASKED, send = !connect && e->send == STEP_ASKED;

	pthread_mutex_unlock(&c->mutex);
	if (connect)
		e->wire = redis_link_open(way, e->connect_ms, &e->found);
	else if (send)
		e->sent = send_rows(c, e, way);
	else
		end_rows(e);
	pthread_mutex_lock(&c->mutex);
	if (connect)
		e->connect = STEP_ENDED;
	else if (send)
		e->send = STEP_ENDED;
	else
		e->rest = false;
}

static void *
run(void *arg)
{
	struct courier *c = arg;
	struct errands *e;

	pthread_mutex_lock(&c->mutex);
	while ((e = next_errand(c)))
		do_errand(c, e);
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

/* ---- the loop's side ---- */

static void
free_courier(struct courier *c)
{
	for (size_t i = 0; i < c->count; i++) {
		redis_wire_close(&c->list[i].wire);
		redis_wire_close(&c->list[i].road);
		free(c->list[i].rows);
		free(c->list[i].form.text);
	}
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

struct courier *
courier_new(const struct redis_way *ways, size_t count, const char *value)
{
	struct courier *c = calloc(1, sizeof *c + count * sizeof c->list[0]);

	if (!c)
		return NULL;
	c->ways = ways;
	c->count = count;
	c->value = value;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->work, NULL);
	if (pthread_create(&c->thread, NULL, run, c) == 0)
		return c;
	free_courier(c);
	return NULL;
}

bool
courier_destroy(struct courier **courier)
{
	struct courier *c = *courier;
	struct timespec end;

	*courier = NULL;
	if (!c)
		return true;
	pthread_mutex_lock(&c->mutex);
	c->stop = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->mutex);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += END_S;
	if (pthread_timedjoin_np(c->thread, NULL, &end) != 0) {
		pthread_detach(c->thread);
		return false;
	}
	free_courier(c);
	return true;
}

void
courier_connect(struct courier *c, size_t server, uint64_t timeout_ms)
{
	struct errands *e = &c->list[server];

	pthread_mutex_lock(&c->mutex);
	if (e->connect == STEP_NONE) {
		e->connect = STEP_ASKED;
		e->connect_ms = timeout_ms;
		pthread_cond_signal(&c->work);
	}
	pthread_mutex_unlock(&c->mutex);
}

bool
courier_connected(
	struct courier *c, size_t server, struct redis_wire **wire, struct redis_found *found)
{
	struct errands *e = &c->list[server];
	bool ended;

	pthread_mutex_lock(&c->mutex);
	ended = e->connect == STEP_ENDED;
	if (ended) {
		e->connect = STEP_NONE;
		*wire = e->wire;
		*found = e->found;
		e->wire = NULL;
	}
	pthread_mutex_unlock(&c->mutex);
	return ended;
}

enum courier_state
courier_look(struct courier *c, size_t server, struct error *why)
{
	struct errands *e = &c->list[server];
	enum courier_state state = COURIER_IDLE;

	pthread_mutex_lock(&c->mutex);
	if (e->send == STEP_ENDED && !e->sent)
		state = COURIER_FAILED;
	else if (e->send == STEP_ASKED || e->rest)
		state = COURIER_AT_WORK;
	if (e->send == STEP_ENDED)
		e->send = STEP_NONE;
	if (state == COURIER_FAILED)
		*why = e->why;
	pthread_mutex_unlock(&c->mutex);
	return state;
}

struct courier_row *
courier_room(struct courier *c, size_t server)
{
	struct errands *e = &c->list[server];

	if (!e->rows)
		e->rows = malloc(COURIER_ROWS * sizeof *e->rows);
	return e->rows;
}

void
courier_send(struct courier *c, size_t server, size_t n, uint64_t timeout_ms)
{
	struct errands *e = &c->list[server];

	pthread_mutex_lock(&c->mutex);
	e->n = n;
	e->send_ms = timeout_ms;
	e->send = STEP_ASKED;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->mutex);
}

void
courier_rest(struct courier *c, size_t server)
{
	pthread_mutex_lock(&c->mutex);
	c->list[server].rest = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->mutex);
}
