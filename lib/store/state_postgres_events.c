/* state_postgres_events - which events are in: entered, known from other nodes, forgotten. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_postgres_private.h"

enum { FORGET_MS = 60000, FORGET_TIMES = 1000, JOURNAL_TRIES = 5 };

void
postgres_expect(struct state_db *db, const struct state_event_key *keys, size_t n)
{
	db->expected = keys;
	db->expected_n = n;
}

static struct pg_journal *
find_journal(struct state_db *db, struct slice name)
{
	for (size_t i = 0; i < db->journals_n; i++)
		if (slice_eq(name, (struct slice){db->journals[i].name, WIDTH_JOURNAL}))
			return &db->journals[i];
	return NULL;
}

static void
keep_journal(struct state_db *db, struct slice name, int64_t id)
{
	struct pg_journal *to;

	if (db->journals_n == PG_JOURNALS)
		db->journals_n = 0;
	to = &db->journals[db->journals_n++];
	memcpy(to->name, name.p, WIDTH_JOURNAL);
	to->id = id;
}

/* A journal's first event makes its row, which two nodes may do at once; by itself where the transaction
 * has not gone out yet, so that nobody waits for that one. */
static bool
learn_journal(struct state_db *db, struct slice name, struct error *why)
{
	const bool began = db->began;
	enum state_row row = STATE_NO_ROW;
	struct state_cell id;

	db->began = began && db->sent_begin;
	for (int left = JOURNAL_TRIES; row == STATE_NO_ROW && left > 0; left--)
		row = postgres_get(db, OWN(JOURNAL), STATE_VALUES(SV_TEXT(name)), &id, 1, why);
	db->began = began;
	if (row == STATE_ROW)
		keep_journal(db, name, id.number);
	return row == STATE_ROW ||
	       (row == STATE_NO_ROW &&
		       error_set(why, "state database: the row of a journal does not stay"));
}

static bool
journal_number(struct state_db *db, struct slice name, int64_t *id, struct error *why)
{
	if (name.n != WIDTH_JOURNAL)
		return error_set(why, "state database: a journal's id has 16 digits");
	if (!find_journal(db, name) && !learn_journal(db, name, why))
		return false;
	*id = find_journal(db, name)->id;
	return true;
}

static struct slice
same_of(const struct state_db *db, const struct state_event_key *key)
{
	return db->cfg->database.known_ids && key->same.n == WIDTH_KEY ? key->same
								       : (struct slice){NULL, 0};
}

/* *id: its journal's number. */
static bool
gather_entry(struct state_db *db, const struct state_event_key *key, uint64_t now_ms, int64_t *id,
	struct error *why)
{
	struct state_value values[7];

	if (!journal_number(db, key->journal, id, why))
		return false;
	values[0] = SV_INT(*id);
	values[1] = SV_INT(key->seq);
	values[2] = SV_INT(key->mark);
	values[3] = SV_INT(now_ms);
	values[4] = SV_TEXT(same_of(db, key));
	values[5] = SV_INT(key->received_ms);
	values[6] = SV_INT(key->window_ms);
	return pg_gather(db, OWN(ENTER), values, 7) || error_set(why, "out of memory");
}

/* Two of a group with what makes them the same: which of them is in the other's window is for each
 * apart to tell. */
static bool
has_twin(const struct state_event_key *keys, size_t n, size_t which)
{
	for (size_t i = 0; i < n; i++)
		if (i != which && keys[which].same.n && slice_eq(keys[i].same, keys[which].same))
			return true;
	return false;
}

/* One of that identity; n: there is none. Rows mostly come in the order of the keys. ids: the numbers of
 * their journals. */
static size_t
place_of(const struct state_event_key *keys, const int64_t *ids, size_t n, int64_t journal,
	uint64_t seq, size_t hint)
{
	for (size_t i = 0; i < n; i++) {
		const size_t at = (hint + i) % n;

		if (keys[at].seq == seq && ids[at] == journal)
			return at;
	}
	return n;
}

enum { FRESH = 1, TOLD = 2 };

static enum state_event
judge(const struct state_db *db, const struct state_event_key *keys, size_t n, size_t i,
	unsigned heard)
{
	if (!(heard & FRESH))
		return STATE_APPLIED;
	if (heard & TOLD || !same_of(db, &keys[i]).p)
		return STATE_NEW;
	return has_twin(keys, n, i) ? STATE_FAILED : STATE_KNOWN;
}

static bool
hear(struct state_db *db, const PGresult *res, const struct state_event_key *keys,
	const int64_t *ids, size_t n, enum state_event *entered)
{
	unsigned char *heard = calloc(n + 1, 1);
	const bool good = heard != NULL;
	size_t at = 0;

	for (int row = 0; good && row < PQntuples(res); row++) {
		at = place_of(keys, ids, n, pg_number(res, row, 1),
			(uint64_t)pg_number(res, row, 2), at < n ? at + 1 : 0);
		heard[at] |= pg_number(res, row, 0) == 0 ? FRESH : TOLD;
	}
	for (size_t i = 0; good && i < n; i++)
		entered[i] = judge(db, keys, n, i, heard[i]);
	free(heard);
	return good;
}

static bool
enter(struct state_db *db, const struct state_event_key *keys, int64_t *ids, size_t n,
	uint64_t now_ms, enum state_event *entered, struct error *why)
{
	PGresult *res = NULL;
	bool good = true;

	for (size_t i = 0; good && i < n; i++)
		good = gather_entry(db, &keys[i], now_ms, &ids[i], why);
	if (!good || !pg_need_begin(db, why) || !pg_send_rows(db, OWN(ENTER), why) ||
		!pg_sync(db, &res, why))
		return false;
	good = hear(db, res, keys, ids, n, entered) || error_set(why, "out of memory");
	PQclear(res);
	return good;
}

bool
postgres_enter(struct state_db *db, const struct state_event_key *keys, size_t n, uint64_t now_ms,
	enum state_event *entered, struct error *why)
{
	int64_t *ids = calloc(n + 1, sizeof *ids);
	const bool good = ids ? enter(db, keys, ids, n, now_ms, entered, why)
			      : error_set(why, "out of memory");

	free(ids);
	return good;
}

bool
postgres_event_keep(struct state_db *db, struct error *why)
{
	return pg_send_gathered(db, why) && pg_send_plain(db, OWN(EVENT_KEEP), why) &&
	       pg_sync(db, NULL, why);
}

void
postgres_event_undo(struct state_db *db)
{
	bool blamed;

	pg_forget_gathered(db);
	if (!db->conn)
		return;
	pg_sync(db, NULL, NULL); /* what the event has asked for may fail only now */
	blamed = db->failure == STATE_BLAMED;
	if (!db->conn || !pg_send_plain(db, OWN(EVENT_UNDO), NULL) ||
		!pg_send_plain(db, OWN(EVENT_KEEP), NULL) || !pg_sync(db, NULL, NULL))
		pg_drop(db);
	else if (blamed)
		db->failure = STATE_NO_FAILURE;
	db->turns_taken = false;
	db->journals_n = 0;
}

enum state_event
postgres_event_begin(
	struct state_db *db, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	enum state_event entered = STATE_FAILED;
	int64_t id;

	if (!journal_number(db, key->journal, &id, why) || !pg_need_begin(db, why) ||
		!pg_send_plain(db, OWN(EVENT_BEGIN), why))
		return STATE_FAILED;
	if (!postgres_enter(db, key, 1, now_ms, &entered, why)) {
		postgres_event_undo(db);
		return STATE_FAILED;
	}
	if (entered != STATE_NEW && !postgres_event_keep(db, why))
		return STATE_FAILED;
	return entered;
}

static bool
use_indexes(struct state_db *db, const char *seqscan, struct error *why)
{
	return pg_send(db, OWN(BY_INDEX), &(struct pg_param){.p = seqscan}, 1, why);
}

/* Ids more seldom, and so more of them: they are found by their time alone. */
static bool
forget_known(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why)
{
	const struct state_value values[] = {SV_INT(before_ms), SV_INT(FORGET_TIMES * limit)};
	const uint64_t now_ms = clock_mono_ms();

	if (db->forgot_ms && now_ms - db->forgot_ms < FORGET_MS)
		return true;
	db->forgot_ms = now_ms;
	return use_indexes(db, "off", why) &&
	       pg_send_values(db, OWN(KNOWN_FORGET), values, 2, why) && use_indexes(db, "on", why);
}

/* "{1,2}" of the journals that were met. */
static struct slice
list_journals(const struct state_db *db, char text[PG_JOURNALS * PG_NUMBER_BYTES])
{
	size_t n = 0;

	text[n++] = '{';
	for (size_t i = 0; i < db->journals_n; i++)
		n += (size_t)sprintf(text + n, i ? ",%" PRId64 : "%" PRId64, db->journals[i].id);
	text[n++] = '}';
	return (struct slice){text, n};
}

bool
postgres_forget(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why)
{
	char journals[PG_JOURNALS * PG_NUMBER_BYTES];
	const struct state_value values[] = {
		SV_INT(before_ms), SV_INT(limit), SV_TEXT(list_journals(db, journals))};

	return pg_need_begin(db, why) && pg_send_values(db, OWN(APPLIED_FORGET), values, 3, why) &&
	       forget_known(db, before_ms, limit, why);
}
