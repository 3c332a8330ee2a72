/* dlq - keeps events that were given up, for good, until an operator acts.
 *
 * In: dead frames from the retrier. Out: rows in the store; "buried" verdicts, which leave only
 * after the store's commit: then the retrier takes the event out of the journal. State: the store.
 * A kill before the answer leaves the letter in the journal as given up; it is handed over again.
 */
#include <stdlib.h>

#include "../proto/letters.h"
#include "../proto/log.h"
#include "../proto/stage.h"
#include "../proto/wire.h"

enum { GROUP_MAX = 64, COUNT_MS = 1000 };

struct dlq {
	struct stage *st;
	struct letters *store;
	zsock_t *dead, *verdicts;
	zmq_msg_t msgs[GROUP_MAX];
	struct dead letters[GROUP_MAX];
	size_t count;
	msgpack_zone zone;
};

static struct dlq *
dlq_new(struct stage *st)
{
	struct dlq *d = calloc(1, sizeof *d);
	struct error why = {"out of memory"};

	if (!d)
		stage_fail("cannot start", &why);
	d->st = st;
	msgpack_zone_init(&d->zone, 8192);
	for (size_t i = 0; i < GROUP_MAX; i++)
		zmq_msg_init(&d->msgs[i]);
	d->store = letters_open(st->cfg, LETTERS_KEEP, &why);
	if (!d->store)
		stage_fail("cannot open the store", &why);
	d->dead = wire_bind(st->cfg, WIRE_DEAD, ZMQ_PULL, NULL, 0, &why);
	d->verdicts = wire_connect(st->cfg, WIRE_VERDICTS, ZMQ_PUSH, NULL, 0, &why);
	if (!d->dead || !d->verdicts)
		stage_fail("cannot open sockets", &why);
	return d;
}

static void
dlq_destroy(struct dlq *d)
{
	for (size_t i = 0; i < GROUP_MAX; i++)
		zmq_msg_close(&d->msgs[i]);
	zsock_destroy(&d->dead);
	zsock_destroy(&d->verdicts);
	letters_close(&d->store);
	msgpack_zone_destroy(&d->zone);
	free(d);
}

static void
gather(struct dlq *d)
{
	struct error why;

	d->count = 0;
	msgpack_zone_clear(&d->zone);
	while (d->count < GROUP_MAX) {
		zmq_msg_t *msg = &d->msgs[d->count];

		if (zmq_msg_recv(msg, zsock_resolve(d->dead), ZMQ_DONTWAIT) < 0)
			return;
		if (frame_unpack(&dead_schema, zmq_msg_data(msg), zmq_msg_size(msg), &d->zone,
			    &d->letters[d->count], &why)) {
			d->count++;
			continue;
		}
		log_warn("bad frame", LF_TEXT("cause", why.text));
		++*metric(d->st->metrics, METRIC_FAMILY_BAD_FRAMES, "stage=\"dlq\"");
	}
}

static bool
store_all(struct dlq *d, struct error *why)
{
	if (!letters_begin(d->store, why))
		return false;
	for (size_t i = 0; i < d->count; i++) {
		const struct slice frame = {zmq_msg_data(&d->msgs[i]), zmq_msg_size(&d->msgs[i])};

		if (!letters_put(d->store, &d->letters[i], frame, why))
			return false;
	}
	return letters_commit(d->store, why);
}

static void
on_dead(void *arg)
{
	struct dlq *d = arg;
	struct error why;

	gather(d);
	if (d->count == 0)
		return;
	if (!store_all(d, &why)) {
		log_error("dead letters not stored; they stay in the journal",
			LF_UINT("count", d->count), LF_TEXT("cause", why.text));
		return;
	}
	for (size_t i = 0; i < d->count; i++) {
		const struct dead *letter = &d->letters[i];

		log_warn("dead letter", LF_UINT("seq", letter->seq),
			LF_SLICE("handler", letter->handler), LF_SLICE("reason", letter->reason));
		stage_send_verdict(d->verdicts, letter->journal, &letter->seq, 1, "buried",
			slice_of(""), d->st->name);
	}
}

static void
on_count(void *arg)
{
	struct dlq *d = arg;
	struct letters_stat st;

	if (letters_stat(d->store, &st))
		*metric(d->st->metrics, METRIC_FAMILY_DEAD, "") = (double)st.count;
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("dlq", CONFIG_NO_SECRETS, argc, argv);
	struct dlq *d = dlq_new(st);

	on_count(d);
	stage_on_read(st, d->dead, on_dead, d);
	stage_every(st, COUNT_MS, on_count, d);
	stage_run(st);
	on_dead(d);
	dlq_destroy(d);
	return stage_destroy(&st);
}
