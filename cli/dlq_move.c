/* dlq_move - the actions of `trotline dlq` that take letters out of the store: replay and drop.
 *
 * Which letters are meant is found first and asked about; then they go in groups, each whole. A
 * letter that has gone meanwhile is passed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dlq.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/ops/moving.h"
#include "lib/stage/wire.h"
#include "progress.h"
#include "stages.h"

enum { GROUPS_A_SECOND = 10, JOURNAL_LEN = 16 };

struct place {
	char journal[JOURNAL_LEN];
	uint64_t seq;
};

struct move {
	const struct dlq_request *rq;
	const char *verb; /* "replay" */
	const char *done_word;
	struct letters *letters;
	struct place *places;
	size_t n, room;
	bool short_of_memory;
	/* of a replay */
	struct journal *journal;
	zsock_t *advice; /* NULL: the pipeline is down */
	/* what came of it */
	uint64_t done, gone, unreadable, strangers;
	char stranger[JOURNAL_LEN + 1]; /* one of their journals */
};

static struct slice
journal_of(const struct place *place)
{
	return (struct slice){place->journal, strnlen(place->journal, JOURNAL_LEN)};
}

static bool
note_place(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct move *m = arg;
	const size_t more = m->room ? 2 * m->room : 1024;
	struct place *places = m->places;

	(void)zone;
	if (m->n == m->room) {
		places = reallocarray(m->places, more, sizeof *places);
		m->short_of_memory = !places;
		if (!places)
			return false;
		m->places = places;
		m->room = more;
	}
	places[m->n] = (struct place){.seq = letter->dead->seq};
	memcpy(places[m->n++].journal, letter->dead->journal.p,
		letter->dead->journal.n < JOURNAL_LEN ? letter->dead->journal.n : JOURNAL_LEN);
	return true;
}

static bool
find_places(struct move *m, struct error *why)
{
	return dlq_each(m->rq, m->letters, false, note_place, m, why) &&
	       (!m->short_of_memory || error_set(why, "out of memory"));
}

/* Letters of other journals are counted and taken from the list. */
static void
set_strangers_aside(struct move *m)
{
	const struct slice own = journal_id(m->journal);
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (slice_eq(journal_of(&m->places[i]), own)) {
			m->places[kept++] = m->places[i];
			continue;
		}
		m->strangers++;
		snprintf(m->stranger, sizeof m->stranger, "%.*s",
			SLICE_ARG(journal_of(&m->places[i])));
	}
	m->n = kept;
}

/* ---- asking ---- */

static bool
is_named(const struct move *m)
{
	return m->n == 1 && m->rq->filter.ids_count == 1;
}

/* Does the operator want it? Where nobody can answer, no. */
static bool
confirmed(struct move *m)
{
	char answer[16] = "";

	if (m->rq->yes || is_named(m))
		return true;
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "trotline dlq: %zu letter%s meant; nothing is done without --yes\n",
			m->n, m->n == 1 ? " is" : "s are");
		return false;
	}
	fprintf(stderr, "%s %zu letter%s? [y/N] ", m->verb, m->n, m->n == 1 ? "" : "s");
	return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

/* ---- telling ---- */

static void
print_object(const struct move *m, uint64_t meant)
{
	msgpack_object object;
	msgpack_zone zone;
	struct map map;

	msgpack_zone_init(&zone, 1024);
	map = map_in(&zone);
	map_text(&map, "action", slice_of(m->verb));
	map_bool(&map, "dry_run", m->rq->dry_run);
	map_uint(&map, "meant", meant);
	map_uint(&map, m->done_word, m->done);
	map_uint(&map, "gone_meanwhile", m->gone);
	map_uint(&map, "unreadable", m->unreadable);
	map_uint(&map, "of_other_journals", m->strangers);
	object = map_object(&map);
	object_print(&object);
	msgpack_zone_destroy(&zone);
}

static void
print_strangers(const struct move *m)
{
	if (m->strangers)
		fprintf(stderr,
			"%llu letters belong to another journal (%s) than the one of %s (%.*s), "
			"where their numbers mean other events: not replayed.\n"
			"To send them again: `trotline dlq export --events --output FILE ...`, "
			"then `trotline send --batch FILE` to a source of provider trotline "
			"whose max_age they pass.\n",
			(unsigned long long)m->strangers, m->stranger, m->rq->call->cfg->data_dir,
			SLICE_ARG(journal_id(m->journal)));
	if (m->unreadable)
		fprintf(stderr,
			"%llu letters cannot be read as events and stay; `trotline dlq export` "
			"gives their bytes\n",
			(unsigned long long)m->unreadable);
}

static void
print_end(const struct move *m, uint64_t meant)
{
	print_strangers(m);
	if (m->rq->json) {
		print_object(m, meant);
		return;
	}
	if (m->rq->dry_run) {
		printf("would %s %zu letter%s\n", m->verb, m->n, m->n == 1 ? "" : "s");
		return;
	}
	printf("%s %llu letter%s\n", m->done_word, (unsigned long long)m->done,
		m->done == 1 ? "" : "s");
	if (m->journal && m->done && !m->advice)
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

static bool
replay_some(
	struct move *m, struct replay *r, const struct place *places, size_t n, struct error *why)
{
	uint64_t seqs[REPLAY_GROUP];
	size_t n_back;
	bool good;

	for (size_t i = 0; i < n; i++)
		seqs[i] = places[i].seq;
	good = replay_group(r, seqs, n, &n_back, why);
	if (m->advice)
		replay_tell(m->advice, journal_id(m->journal), seqs, n_back);
	return good;
}

static bool
replay_all(struct move *m, struct progress *progress, struct error *why)
{
	const uint64_t rate = m->rq->rate;
	const uint64_t start_ms = clock_mono_ms();
	size_t group = rate / GROUPS_A_SECOND;
	struct replay r = {.letters = m->letters, .journal = m->journal};
	bool good = true;

	group = group > REPLAY_GROUP ? REPLAY_GROUP : group < 1 ? 1 : group;
	for (size_t at = 0; good && at < m->n; at += group) {
		const size_t n = m->n - at < group ? m->n - at : group;

		wait_turn(start_ms, at, rate);
		good = replay_some(m, &r, m->places + at, n, why);
		progress_show(progress, r.done);
	}
	m->done = r.done;
	m->gone = r.gone;
	m->unreadable = r.unreadable;
	return good;
}

static bool
drop_some(struct move *m, const struct place *places, size_t n, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();
	struct dead letter;
	uint64_t dropped = 0;

	if (!letters_begin(m->letters, why))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct slice journal = journal_of(&places[i]);

		dropped += letters_find(m->letters, journal, places[i].seq, &letter);
		if (!letters_drop(m->letters, journal, places[i].seq, now_ms, why))
			return false;
	}
	if (!letters_commit(m->letters, why))
		return false;
	m->done += dropped;
	m->gone += n - dropped;
	return true;
}

/* A store that is full to the brim has room for changes of one letter at a time. */
static bool
drop_group(struct move *m, const struct place *places, size_t n, struct error *why)
{
	bool good = drop_some(m, places, n, why);

	if (good || !letters_full(m->letters))
		return good;
	for (size_t i = 0; i < n; i++)
		if (!drop_some(m, &places[i], 1, why))
			return false;
	return true;
}

static bool
drop_all(struct move *m, struct progress *progress, struct error *why)
{
	for (size_t at = 0; at < m->n; at += REPLAY_GROUP) {
		const size_t n = m->n - at < REPLAY_GROUP ? m->n - at : REPLAY_GROUP;

		if (!drop_group(m, m->places + at, n, why))
			return false;
		progress_show(progress, m->done);
	}
	return true;
}

typedef bool do_all(struct move *m, struct progress *progress, struct error *why);

static int
finish(struct move *m, do_all *fn)
{
	const uint64_t meant = m->n + m->strangers;
	struct error why = {""};
	struct progress progress;
	bool good = true;

	if (meant == 0 && m->rq->json)
		print_object(m, 0);
	if (meant == 0)
		return dlq_nothing(m->rq);
	if (!m->rq->dry_run && m->n > 0) {
		if (!confirmed(m))
			return CLI_FAILED;
		progress = progress_begin(m->done_word, m->n);
		good = fn(m, &progress, &why);
		progress_end(&progress);
	}
	print_end(m, meant);
	if (!good)
		return cli_failed(m->rq->call->verb, &why);
	return m->strangers || m->unreadable ? CLI_FAILED : CLI_DONE;
}

int
dlq_drop(struct call *call)
{
	struct move m = {
		.rq = call->options,
		.letters = call->letters,
		.verb = "drop",
		.done_word = "dropped",
	};
	struct error why = {""};
	int status = find_places(&m, &why) ? finish(&m, drop_all) : cli_failed(call->verb, &why);

	free(m.places);
	return status;
}

/* The socket to the retrier, where it runs. */
static bool
open_advice(struct move *m, const struct config *cfg, struct error *why)
{
	if (m->rq->dry_run || !stages_holder(cfg, "retrier.0"))
		return true;
	m->advice = wire_connect(cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, why);
	return m->advice != NULL;
}

int
dlq_replay(struct call *call)
{
	struct move m = {
		.rq = call->options,
		.letters = call->letters,
		.journal = call->journal,
		.verb = "replay",
		.done_word = "replayed",
	};
	struct error why = {""};
	int status;

	zsys_handler_set(NULL);
	if (find_places(&m, &why) && open_advice(&m, call->cfg, &why)) {
		set_strangers_aside(&m);
		status = finish(&m, replay_all);
	} else {
		status = cli_failed(call->verb, &why);
	}
	zsock_destroy(&m.advice);
	free(m.places);
	return status;
}
