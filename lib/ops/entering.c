/* entering - see entering.h. A kill before the commit leaves nothing, after it everything. */
#include "entering.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/stage/verdicts.h"

enum { OVERHEAD = 160 };

static enum store_rc
enter(struct journal *journal, const struct config *cfg, struct entering *e, uint64_t mark,
	msgpack_sbuffer *frame, struct error *why)
{
	const struct config_source *source = config_source_find(cfg, e->event.source);
	const struct journal_key key = {
		.hash = journal_hash(journal, e->event.source, e->key),
		.request = mark,
		.now_ms = clock_wall_ms(),
		.window_ms = source ? source->dedup_window_ms : 0,
	};
	uint64_t seq;

	e->known = journal_seen(journal, &key, &seq) != SEEN_NEW;
	if (e->known)
		return STORE_OK;
	e->event.journal = journal_id(journal);
	e->event.seq = journal_next(journal);
	msgpack_sbuffer_clear(frame);
	if (!frame_pack(&event_schema, &e->event, frame)) {
		error_set(why, "out of memory for an event");
		return STORE_FAILED;
	}
	if (frame->size > 3 * cfg->limits.event_bytes) {
		error_set(why, "an event in it is larger than limits.event_size allows");
		return STORE_FAILED;
	}
	if (journal_full(journal, frame->size + OVERHEAD)) {
		error_set(why, "journal full");
		return STORE_FULL;
	}
	return journal_append(
		journal, &key, (struct slice){frame->data, frame->size}, e->event.received, why);
}

bool
entering_go(struct journal *journal, const struct config *cfg, struct entering *events, size_t n,
	uint64_t mark, struct error *why)
{
	enum store_rc rc = journal_begin(journal, why);
	msgpack_sbuffer frame;

	if (rc != STORE_OK)
		return false;
	msgpack_sbuffer_init(&frame);
	for (size_t i = 0; rc == STORE_OK && i < n; i++)
		rc = enter(journal, cfg, &events[i], mark + i, &frame, why);
	msgpack_sbuffer_destroy(&frame);
	if (rc == STORE_OK)
		return journal_commit(journal, why) == STORE_OK;
	journal_abort(journal);
	return false;
}

void
entering_tell(zsock_t *advice, struct journal *journal, const struct entering *events, size_t n)
{
	uint64_t *seqs = calloc(n + 1, sizeof *seqs);
	struct advice returned = {
		.journal = journal_id(journal),
		.advice = slice_of("returned"),
		.who = slice_of("retry"),
	};

	for (size_t i = 0; seqs && i < n; i++)
		if (!events[i].known)
			seqs[returned.seqs.n++] = events[i].event.seq;
	returned.seqs.list = seqs;
	if (advice && returned.seqs.n)
		stage_send_advice(advice, &returned);
	free(seqs);
}
