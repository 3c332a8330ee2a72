/* seed - fills a journal as if so many events had come, without a pipeline.
 *
 * usage: bench-seed CONFIG remembered COUNT       accepted and done: their ids are remembered
 *        bench-seed CONFIG waiting COUNT TYPE     accepted, without an end: events of TYPE
 *
 * In: the configuration. Out: rows in the journal's tables, through its own functions, in large
 * transactions. Event ids hold a random number. Nothing else may run on that journal. */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/config/config.h"
#include "lib/store/journal.h"
#include "proto/frame.h"

enum { GROUP = 250000, PADDING = 300 };

struct seed {
	struct journal *journal;
	const char *source, *type; /* type NULL: no frames, and all is done at once */
	uint64_t run;
	msgpack_sbuffer frame;
	struct journal_change *changes;
};

/* An event's frame, about as large as a real one's. */
static struct slice
frame_of(struct seed *s, uint64_t seq, struct slice id, uint64_t now_ms)
{
	static char padding[PADDING];
	msgpack_object_kv pair = {{.type = MSGPACK_OBJECT_STR, .via.str = {5, "trace"}},
		{.type = MSGPACK_OBJECT_STR, .via.str = {PADDING, padding}}};
	const struct event ev = {.seq = seq,
		.journal = journal_id(s->journal),
		.source = slice_of(s->source),
		.type = slice_of(s->type),
		.id = id,
		.email = slice_of("user@example.com"),
		.ts = now_ms,
		.received = now_ms,
		.data = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}}};

	memset(padding, '0', sizeof padding);
	msgpack_sbuffer_clear(&s->frame);
	if (!frame_pack(&event_schema, &ev, &s->frame))
		return (struct slice){NULL, 0};
	return (struct slice){s->frame.data, s->frame.size};
}

static bool
append(struct seed *s, uint64_t number, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms(), seq = journal_next(s->journal);
	char text[64];
	struct slice id = {text, (size_t)snprintf(text, sizeof text, "seed-%016llx-%llu",
					 (unsigned long long)s->run, (unsigned long long)number)};
	const struct journal_key key = {
		.hash = journal_hash(s->journal, slice_of(s->source), id), .now_ms = now_ms};
	const struct slice frame = s->type ? frame_of(s, seq, id, now_ms) : (struct slice){"", 0};

	return journal_append(s->journal, &key, frame, now_ms, why) == STORE_OK;
}

static bool
finish(struct seed *s, uint64_t first, uint64_t count, struct error *why)
{
	bool good = true;

	for (unsigned taker = 0; good && taker < TAKERS; taker++) {
		for (uint64_t i = 0; i < count; i++)
			s->changes[i] = (struct journal_change){
				.delivery = delivery_of(first + i, taker), .move = MOVE_DONE};
		good = journal_settle(s->journal, s->changes, count, why) == STORE_OK;
	}
	return good;
}

static bool
group(struct seed *s, uint64_t from, uint64_t count, struct error *why)
{
	uint64_t first;

	if (journal_begin(s->journal, why) != STORE_OK)
		return false;
	first = journal_next(s->journal);
	for (uint64_t i = 0; i < count; i++)
		if (!append(s, from + i, why))
			return false;
	if (journal_commit(s->journal, why) != STORE_OK)
		return false;
	return s->type || finish(s, first, count, why);
}

static bool
fill(struct seed *s, const struct config *cfg, uint64_t count, struct error *why)
{
	bool good = true;

	s->journal = journal_open(cfg, JOURNAL_ACCEPT, why);
	for (uint64_t done = 0; s->journal && good && done < count; done += GROUP)
		good = group(s, done, count - done < GROUP ? count - done : GROUP, why);
	good = good && s->journal;
	journal_close(&s->journal);
	return good;
}

int
main(int argc, char **argv)
{
	const bool waiting = argc == 5 && strcmp(argv[2], "waiting") == 0;
	struct seed s = {.type = waiting ? argv[4] : NULL};
	struct config *cfg = NULL;
	struct error why = {""};

	if (!waiting && !(argc == 4 && strcmp(argv[2], "remembered") == 0)) {
		fprintf(stderr, "usage: bench-seed CONFIG remembered COUNT\n"
				"       bench-seed CONFIG waiting COUNT TYPE\n");
		return 1;
	}
	msgpack_sbuffer_init(&s.frame);
	s.changes = calloc(GROUP, sizeof *s.changes);
	cfg = config_load(argv[1], CONFIG_LOOK, &why);
	if (s.changes && cfg && RAND_bytes((unsigned char *)&s.run, sizeof s.run) == 1) {
		s.source = cfg->sources[0].name;
		if (fill(&s, cfg, strtoull(argv[3], NULL, 10), &why))
			return 0;
	}
	fprintf(stderr, "bench-seed: %s\n", why.text);
	return 1;
}
