/* journal - opening, locking and closing; see journal.h for the whole. */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "journal_private.h"
#include "lib/base/clock.h"

enum { TABLES = 12, READERS = 256, FORMAT = 1, REOPEN_MS = 1000, ENDED_SHARE = 64 };
enum { GIVEN_AWAY = -20100 }; /* beside LMDB's statuses; the cause is said */

static const char KEY_FORMAT[] = "format", KEY_ID[] = "id", KEY_TURN[] = "turn";

#define TRY_ROW(kind_, name_, max_, doc_)                                                          \
	{.name = #name_,                                                                           \
		.name_len = sizeof #name_ - 1,                                                     \
		.kind = FIELD_##kind_,                                                             \
		.offset = offsetof(struct journal_try, name_),                                     \
		.max = (max_),                                                                     \
		.doc = (doc_)},
static const struct frame_field try_fields[] = {TRY_FIELDS(TRY_ROW)};
const struct frame_schema try_schema = {
	"try", try_fields, sizeof try_fields / sizeof *try_fields, FRAME_VERSION};

enum store_rc
journal_trouble(struct journal *j, int rc, const char *what, struct error *why)
{
	j->turn |= rc == MDB_MAP_FULL;
	if (lmdb_result(rc) == STORE_FAILED) {
		j->broken = true;
		j->broken_at_ms = clock_mono_ms();
	}
	lmdb_trouble(rc, what, "journal full (journal.max_size)", &j->why);
	j->cause = lmdb_cause(rc);
	j->lost |= rc == LMDB_REMOVED || rc == LMDB_REPLACED || rc == LMDB_CUT;
	if (why)
		*why = j->why;
	return lmdb_result(rc);
}

enum store_cause
journal_cause(const struct journal *j, struct error *why)
{
	*why = j->why;
	return j->cause;
}

bool
journal_renewed(struct journal *j)
{
	const bool renewed = j->careful && j->lost && j->env && !j->broken;

	j->careful = true;
	if (renewed)
		j->lost = false;
	return renewed;
}

#define OWING(taker)                                                                               \
	j->owing[TAKER_##taker].tries, j->owing[TAKER_##taker].due, j->owing[TAKER_##taker].settled

uint64_t
journal_used(const struct journal *j, MDB_txn *txn)
{
	const MDB_dbi tables[TABLES] = {j->events, j->seen, j->batches, j->proofs, j->clock,
		j->meta, OWING(HANDLER), OWING(HISTORY)};
	uint64_t bytes = 0;

	for (size_t i = 0; i < TABLES; i++)
		bytes += lmdb_used(txn, tables[i]);
	return bytes;
}

static int
due_cmp(const MDB_val *a, const MDB_val *b)
{
	struct due_key x, y;

	memcpy(&x, a->mv_data, sizeof x);
	memcpy(&y, b->mv_data, sizeof y);
	if (x.due_ms != y.due_ms)
		return x.due_ms < y.due_ms ? -1 : 1;
	return x.seq < y.seq ? -1 : x.seq > y.seq;
}

/* Reads the id and the format, or writes them into a new journal. */
static int
identify(struct journal *j, MDB_txn *txn)
{
	MDB_val key = lmdb_val(KEY_ID, sizeof KEY_ID), value;
	uint64_t format = FORMAT;
	int rc = mdb_get(txn, j->meta, &key, &value);

	if (rc == MDB_NOTFOUND && j->use != JOURNAL_WATCH) {
		if (RAND_bytes((unsigned char *)&j->id, sizeof j->id) != 1)
			return EIO;
		value = lmdb_val(&j->id, sizeof j->id);
		rc = mdb_put(txn, j->meta, &key, &value, 0);
		key = lmdb_val(KEY_FORMAT, sizeof KEY_FORMAT);
		value = lmdb_val(&format, sizeof format);
		return rc ? rc : mdb_put(txn, j->meta, &key, &value, 0);
	}
	if (rc != 0)
		return rc;
	memcpy(&j->id, value.mv_data, sizeof j->id);
	key = lmdb_val(KEY_FORMAT, sizeof KEY_FORMAT);
	rc = mdb_get(txn, j->meta, &key, &value);
	if (rc == 0)
		memcpy(&format, value.mv_data, sizeof format);
	return rc == 0 && format != FORMAT ? MDB_VERSION_MISMATCH : rc;
}

static int
open_env(struct journal *j)
{
	struct owing *handler = &j->owing[TAKER_HANDLER], *history = &j->owing[TAKER_HISTORY];
	const struct lmdb_table tables[TABLES] = {
		{"events", MDB_INTEGERKEY, &j->events, NULL},
		{"tries", MDB_INTEGERKEY, &handler->tries, NULL},
		{"due", 0, &handler->due, due_cmp},
		{"settled", MDB_INTEGERKEY | LMDB_LATER, &handler->settled, NULL},
		{"history-tries", MDB_INTEGERKEY | LMDB_LATER, &history->tries, NULL},
		{"history-due", LMDB_LATER, &history->due, due_cmp},
		{"history-settled", MDB_INTEGERKEY | LMDB_LATER, &history->settled, NULL},
		{"seen", MDB_INTEGERKEY, &j->seen, NULL},
		{"batches", MDB_INTEGERKEY, &j->batches, NULL},
		{"proofs", LMDB_LATER, &j->proofs, NULL},
		{"clock", MDB_INTEGERKEY | LMDB_LATER, &j->clock, NULL},
		{"meta", 0, &j->meta, NULL},
	};
	const bool watch = j->use == JOURNAL_WATCH;
	const struct lmdb_plan plan = {j->dir, j->max_bytes, READERS, watch, tables, TABLES};
	MDB_txn *txn;
	int rc = lmdb_open(&plan, &j->env);

	if (rc == 0)
		rc = lmdb_begin(j->env, watch ? MDB_RDONLY : 0, &txn);
	if (rc != 0)
		return rc;
	rc = identify(j, txn);
	if (rc == 0 && (j->use == JOURNAL_ACCEPT || j->use == JOURNAL_SETTLE) &&
		!journal_may_work(j, txn, &j->why))
		rc = GIVEN_AWAY;
	if (rc == 0)
		return lmdb_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static void
close_env(struct journal *j)
{
	journal_abort(j);
	if (j->read)
		mdb_txn_abort(j->read);
	j->read = NULL;
	dedup_close(&j->dedup);
	lmdb_close(&j->env);
}

static bool
is_damage(int rc)
{
	return lmdb_cause(rc) == CAUSE_CUT || lmdb_cause(rc) == CAUSE_MALFORMED;
}

static bool
open_all(struct journal *j, struct error *why)
{
	MDB_envinfo info;
	int rc = open_env(j);

	if (rc != 0) {
		close_env(j);
		j->cause = lmdb_cause(rc);
		if (rc == GIVEN_AWAY)
			return error_set(why, "%s", j->why.text);
		error_set(&j->why, "cannot open the journal in %s: %s%s", j->dir, lmdb_words(rc),
			!is_damage(rc) ? ""
			: j->use == JOURNAL_WATCH
				? "; `trotline fsck --salvage FILE` saves the events that can be read"
				: "; `trotline fsck` tells what is left");
		return error_set(why, "%s", j->why.text);
	}
	j->disowned = false;
	mdb_env_info(j->env, &info);
	j->limit_bytes = lmdb_limit(info.me_mapsize);
	snprintf(j->id_text, sizeof j->id_text, "%016llx", (unsigned long long)j->id);
	j->broken = false;
	return true;
}

void
journal_set_windows(struct journal *j, const struct config *cfg)
{
	j->window_ms = 0;
	for (size_t i = 0; i < cfg->sources_count; i++)
		if (cfg->sources[i].dedup_window_ms > j->window_ms)
			j->window_ms = cfg->sources[i].dedup_window_ms;
}

static bool
prepare(struct journal *j, const struct config *cfg, struct error *why)
{
	j->max_bytes = cfg->journal.max_bytes & ~(uint64_t)0xffff;
	journal_set_windows(j, cfg);
	j->owed = config_owed(cfg);
	j->node = (unsigned)cfg->node.number;
	j->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	j->digest = EVP_MD_CTX_new();
	if (!j->sha256 || !j->digest)
		return error_set(why, "cannot get SHA-256 from OpenSSL");
	if ((size_t)snprintf(j->dir, sizeof j->dir, "%s/journal", cfg->data_dir) >= sizeof j->dir)
		return error_set(why, "data_dir is too long");
	snprintf(j->dedup_path, sizeof j->dedup_path, "%s/dedup.idx", j->dir);
	if (j->use == JOURNAL_SETTLE)
		j->ended = ended_new(j->dir, j->max_bytes / ENDED_SHARE);
	return true;
}

struct journal *
journal_open(const struct config *cfg, enum journal_use use, struct error *why)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j) {
		error_set(why, "out of memory");
		return NULL;
	}
	j->use = use;
	msgpack_zone_init(&j->zone, 1024);
	msgpack_sbuffer_init(&j->out);
	msgpack_sbuffer_init(&j->ids);
	if (!prepare(j, cfg, why) || !open_all(j, why))
		journal_close(&j);
	return j;
}

void
journal_close(struct journal **j_p)
{
	struct journal *j = *j_p;

	if (!j)
		return;
	close_env(j);
	msgpack_zone_destroy(&j->zone);
	msgpack_sbuffer_destroy(&j->out);
	msgpack_sbuffer_destroy(&j->ids);
	ended_destroy(&j->ended);
	EVP_MD_CTX_free(j->digest);
	EVP_MD_free(j->sha256);
	free(j);
	*j_p = NULL;
}

struct slice
journal_id(const struct journal *j)
{
	return (struct slice){j->id_text, 16};
}

/* Who is careful must be told first that it is another. */
static bool
is_known(const struct journal *j, struct error *why)
{
	return !(j->careful && j->lost) ||
	       error_set(why, "the journal was %s: what is in it is read anew",
		       cause_table[j->cause].word);
}

bool
journal_mend(struct journal *j, struct error *why)
{
	if (j->env && !j->broken)
		return is_known(j, why);
	if (clock_mono_ms() - j->broken_at_ms < REOPEN_MS)
		return error_set(why, "the journal is in trouble; it is opened anew every second");
	close_env(j);
	j->broken_at_ms = clock_mono_ms();
	return open_all(j, why) && is_known(j, why);
}

int
journal_put_turn(struct journal *j, MDB_txn *txn)
{
	const uint64_t now_ms = clock_wall_ms();
	MDB_val key = lmdb_val(KEY_TURN, sizeof KEY_TURN);
	MDB_val value = lmdb_val(&now_ms, sizeof now_ms);

	return mdb_put(txn, j->meta, &key, &value, 0);
}

/* What the newest transaction has freed can be taken only after one more has been committed. One
 * that found no room is none, and would find none for ever; so a small one goes first. */
static void
take_turn(struct journal *j)
{
	MDB_txn *txn;

	j->turn = false;
	if (lmdb_begin(j->env, 0, &txn) != 0)
		return;
	if (journal_put_turn(j, txn) == 0)
		lmdb_commit(txn);
	else
		mdb_txn_abort(txn);
}

enum store_rc
journal_lock(struct journal *j, unsigned flags, struct error *why)
{
	int rc;

	if (!journal_mend(j, why))
		return STORE_FAILED;
	if (j->turn)
		take_turn(j);
	rc = lmdb_begin(j->env, flags, &j->write);
	if (rc == 0)
		return STORE_OK;
	j->write = NULL;
	return journal_trouble(j, rc, "cannot lock the journal", why);
}

void
journal_abort(struct journal *j)
{
	if (j->seen_cursor)
		mdb_cursor_close(j->seen_cursor);
	j->seen_cursor = NULL;
	if (j->write)
		mdb_txn_abort(j->write);
	j->write = NULL;
}
