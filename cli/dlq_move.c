/* dlq_move - the actions of `trotline dlq` that take letters out of the store: replay and drop.
 *
 * Which letters are meant is found first and asked about; then they go in groups, each whole. A
 * letter that has gone meanwhile is passed over. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "dlq.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/config/advice.h"
#include "lib/ops/moving.h"
#include "lib/stage/stages.h"
#include "lib/stage/wire.h"
#include "progress.h"

enum { GROUPS_A_SECOND = 10 };

struct move {
	const struct call *call;
	const struct dlq_request *rq;
	const char *done_word; /* "replayed" */
	struct moving moving;
};

/* ---- asking ---- */

/* Does the operator want it? Where nobody can answer, no. */
static bool
confirmed(const struct move *m)
{
	const size_t n = m->moving.n;
	const bool is_named = n == 1 && m->rq->meant.filter.ids_count == 1;
	char answer[16] = "";

	if (m->rq->yes || is_named)
		return true;
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "trotline dlq: %zu letter%s meant; nothing is done without --yes\n",
			n, n == 1 ? " is" : "s are");
		return false;
	}
	fprintf(stderr, "%s %zu letter%s? [y/N] ", m->call->action.name, n, n == 1 ? "" : "s");
	return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

/* ---- telling ---- */

static void
print_object(const struct move *m)
{
	const struct moving *moving = &m->moving;
	msgpack_object object;
	msgpack_zone zone;
	struct map map;

	msgpack_zone_init(&zone, 1024);
	map = map_in(&zone);
	map_text(&map, "action", slice_of(m->call->action.name));
	map_bool(&map, "dry_run", m->rq->dry_run);
	map_uint(&map, "meant", moving->n + moving->strangers);
	map_uint(&map, m->done_word, moving->done);
	map_uint(&map, "gone_meanwhile", moving->gone);
	map_uint(&map, "unreadable", moving->unreadable);
	map_uint(&map, "of_other_journals", moving->strangers);
	object = map_object(&map);
	object_print(&object);
	msgpack_zone_destroy(&zone);
}

static void
print_left(const struct move *m)
{
	const struct moving *moving = &m->moving;
	char first[ADVICE_BYTES], then[ADVICE_BYTES];

	if (moving->strangers)
		fprintf(stderr,
			"%llu letters belong to another journal (%s) than the one of %s (%.*s), "
			"where their numbers mean other events: not replayed.\n"
			"To send them again: %s, "
			"then %s to a source of provider trotline whose max_age they pass.\n",
			(unsigned long long)moving->strangers, moving->stranger,
			m->call->cfg->data_dir, SLICE_ARG(journal_id(moving->journal)),
			advice(ADVICE_LETTERS_EXPORT_EVENTS, NULL, cli_config, first),
			advice(ADVICE_LETTERS_SEND, NULL, cli_config, then));
	if (moving->unreadable)
		fprintf(stderr,
			"%llu letters cannot be read as events and stay; %s gives their bytes\n",
			(unsigned long long)moving->unreadable,
			advice(ADVICE_LETTERS_EXPORT, NULL, cli_config, first));
}

static void
print_end(const struct move *m)
{
	const struct moving *moving = &m->moving;

	print_left(m);
	if (m->rq->json) {
		print_object(m);
		return;
	}
	if (m->rq->dry_run) {
		printf("would %s %zu letter%s\n", m->call->action.name, moving->n,
			moving->n == 1 ? "" : "s");
		return;
	}
	printf("%s %llu letter%s\n", m->done_word, (unsigned long long)moving->done,
		moving->done == 1 ? "" : "s");
	if (moving->journal && moving->done && !moving->advice)
		fputs("the pipeline is down; they are handled once it is up\n", stderr);
}

/* ---- doing ---- */

static void
wait_turn(uint64_t start_ms, uint64_t done, uint64_t rate)
{
	const uint64_t due_ms = start_ms + done * 1000 / rate, now_ms = clock_mono_ms();

	if (due_ms > now_ms)
		nanosleep(&(struct timespec){(time_t)((due_ms - now_ms) / 1000),
				  (long)((due_ms - now_ms) % 1000) * 1000000},
			NULL);
}

/* A drop goes as fast as it can. */
static bool
move_all(struct move *m, struct error *why)
{
	struct moving *moving = &m->moving;
	struct progress progress = progress_begin(m->done_word, moving->n);
	const uint64_t start_ms = clock_mono_ms(), rate = m->rq->rate;
	const size_t group = rate < GROUPS_A_SECOND ? 1 : rate / GROUPS_A_SECOND;
	bool good = true;

	while (good && moving->at < moving->n) {
		if (moving->journal) {
			wait_turn(start_ms, moving->at, rate);
			good = moving_replay(moving, group, why);
		} else {
			good = moving_drop(moving, MOVING_GROUP, why);
		}
		progress_show(&progress, moving->done);
	}
	progress_end(&progress);
	return good;
}

static int
finish(struct move *m)
{
	struct moving *moving = &m->moving;
	struct error why = {""};
	bool good = true;

	if (moving->n + moving->strangers == 0) {
		if (m->rq->json)
			print_object(m);
		return dlq_nothing(m->call);
	}
	if (!m->rq->dry_run && moving->n > 0) {
		if (!confirmed(m))
			return CLI_FAILED;
		good = move_all(m, &why);
	}
	print_end(m);
	if (!good)
		return cli_failed(m->call->verb, &why);
	return moving->strangers || moving->unreadable ? CLI_FAILED : CLI_DONE;
}

/* ---- the two ---- */

static int
move(struct move *m)
{
	struct error why = {""};
	bool complete;
	int status;

	if (moving_find(&m->moving, &m->rq->meant, &complete, &why)) {
		if (m->moving.journal)
			moving_part_from_strangers(&m->moving);
		status = finish(m);
	} else {
		status = cli_failed(m->call->verb, &why);
	}
	moving_clear(&m->moving);
	return status;
}

int
dlq_drop(struct call *call)
{
	struct move m = {
		.call = call,
		.rq = call->options,
		.done_word = "dropped",
		.moving = {.letters = call->letters},
	};

	return move(&m);
}

int
dlq_replay(struct call *call)
{
	struct move m = {
		.call = call,
		.rq = call->options,
		.done_word = "replayed",
		.moving = {.letters = call->letters, .journal = call->journal},
	};
	struct error why = {""};
	int status;

	zsys_handler_set(NULL);
	if (!m.rq->dry_run && stages_holder(call->cfg, "retrier.0")) {
		m.moving.advice = wire_connect(call->cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &why);
		if (!m.moving.advice)
			return cli_failed(call->verb, &why);
	}
	status = move(&m);
	zsock_destroy(&m.moving.advice);
	return status;
}
