/* journal - opening, locking and closing; see journal.h for the whole. */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "journal_private.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

enum { TABLES = 6, READERS = 256, FORMAT = 1, REOPEN_MS = 1000, KEPT_FREE_PERCENT = 10 };

static const char KEY_FORMAT[] = "format", KEY_ID[] = "id", KEY_TURN[] = "turn";

#define TRY_ROW(kind_, name_, max_, doc_)                                                          \
	{.name = #name_,                                                                           \
		.name_len = sizeof #name_ - 1,                                                     \
		.kind = FIELD_##kind_,                                                             \
		.offset = offsetof(struct journal_try, name_),                                     \
		.max = (max_),                                                                     \
		.doc = (doc_)},
static const struct frame_field try_fields[] = {TRY_FIELDS(TRY_ROW)};
const struct frame_schema try_schema = {"try", try_fields, sizeof try_fields / sizeof *try_fields};

enum journal_rc
journal_trouble(struct journal *j, int rc, const char *what, struct error *why)
{
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT) {
		error_set(why, "%s: %s", what,
			rc == MDB_MAP_FULL ? "journal full (journal.max_size)" : strerror(rc));
		j->turn |= rc == MDB_MAP_FULL;
		return JOURNAL_FULL;
	}
	error_set(why, "%s: %s", what, mdb_strerror(rc));
	j->broken = true;
	j->broken_at_ms = clock_mono_ms();
	return JOURNAL_FAILED;
}

uint64_t
journal_used(const struct journal *j, MDB_txn *txn)
{
	const MDB_dbi tables[TABLES] = {j->events, j->tries, j->due, j->seen, j->batches, j->meta};
	uint64_t bytes = 0;
	MDB_stat st;

	for (size_t i = 0; i < TABLES; i++)
		if (mdb_stat(txn, tables[i], &st) == 0)
			bytes += (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) *
				 (uint64_t)st.ms_psize;
	return bytes;
}

uint64_t
journal_last(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t last = 0;

	if (mdb_cursor_open(txn, dbi, &cursor) != 0)
		return 0;
	if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0)
		memcpy(&last, key.mv_data, sizeof last);
	mdb_cursor_close(cursor);
	return last;
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

static int
open_tables(struct journal *j, MDB_txn *txn)
{
	const unsigned make = j->use == JOURNAL_WATCH ? 0 : MDB_CREATE;
	const struct {
		const char *name;
		unsigned flags;
		MDB_dbi *dbi;
	} tables[TABLES] = {
		{"events", MDB_INTEGERKEY, &j->events},
		{"tries", MDB_INTEGERKEY, &j->tries},
		{"due", 0, &j->due},
		{"seen", MDB_INTEGERKEY, &j->seen},
		{"batches", MDB_INTEGERKEY, &j->batches},
		{"meta", 0, &j->meta},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < TABLES; i++)
		rc = mdb_dbi_open(txn, tables[i].name, tables[i].flags | make, tables[i].dbi);
	return rc ? rc : mdb_set_compare(txn, j->due, due_cmp);
}

/* Reads the id and the format, or writes them into a new journal. */
static int
identify(struct journal *j, MDB_txn *txn)
{
	MDB_val key = journal_val(KEY_ID, sizeof KEY_ID), value;
	uint64_t format = FORMAT;
	int rc = mdb_get(txn, j->meta, &key, &value);

	if (rc == MDB_NOTFOUND && j->use != JOURNAL_WATCH) {
		if (RAND_bytes((unsigned char *)&j->id, sizeof j->id) != 1)
			return EIO;
		value = journal_val(&j->id, sizeof j->id);
		rc = mdb_put(txn, j->meta, &key, &value, 0);
		key = journal_val(KEY_FORMAT, sizeof KEY_FORMAT);
		value = journal_val(&format, sizeof format);
		return rc ? rc : mdb_put(txn, j->meta, &key, &value, 0);
	}
	if (rc != 0)
		return rc;
	memcpy(&j->id, value.mv_data, sizeof j->id);
	key = journal_val(KEY_FORMAT, sizeof KEY_FORMAT);
	rc = mdb_get(txn, j->meta, &key, &value);
	if (rc == 0)
		memcpy(&format, value.mv_data, sizeof format);
	return rc == 0 && format != FORMAT ? MDB_VERSION_MISMATCH : rc;
}

static int
open_env(struct journal *j)
{
	const unsigned watch = j->use == JOURNAL_WATCH ? MDB_RDONLY : 0;
	MDB_txn *txn = NULL;
	int rc = mdb_env_create(&j->env);

	if (rc != 0)
		return rc;
	mdb_env_set_maxdbs(j->env, TABLES);
	mdb_env_set_maxreaders(j->env, READERS);
	mdb_env_set_mapsize(j->env, j->max_bytes);
	rc = mdb_env_open(j->env, j->dir, MDB_NOTLS | MDB_NORDAHEAD | watch, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(j->env, NULL, watch, &txn);
	if (rc != 0)
		return rc;
	rc = open_tables(j, txn);
	if (rc == 0)
		rc = identify(j, txn);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static void
close_env(struct journal *j)
{
	journal_abort(j);
	if (j->read)
		mdb_txn_abort(j->read);
	j->read = NULL;
	dedup_close(&j->dedup);
	if (j->env)
		mdb_env_close(j->env);
	j->env = NULL;
}

static bool
open_all(struct journal *j, struct error *why)
{
	MDB_envinfo info;
	int rc = open_env(j);

	if (rc != 0) {
		close_env(j);
		return error_set(
			why, "cannot open the journal in %s: %s", j->dir, mdb_strerror(rc));
	}
	mdb_env_info(j->env, &info);
	j->limit_bytes = info.me_mapsize / 100 * (100 - KEPT_FREE_PERCENT);
	snprintf(j->id_text, sizeof j->id_text, "%016llx", (unsigned long long)j->id);
	mdb_reader_check(j->env, NULL);
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
	j->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	j->digest = EVP_MD_CTX_new();
	if (!j->sha256 || !j->digest)
		return error_set(why, "cannot get SHA-256 from OpenSSL");
	if ((size_t)snprintf(j->dir, sizeof j->dir, "%s/journal", cfg->data_dir) >= sizeof j->dir)
		return error_set(why, "data_dir is too long");
	snprintf(j->dedup_path, sizeof j->dedup_path, "%s/dedup.idx", j->dir);
	return j->use == JOURNAL_WATCH || file_make_folder(j->dir, why);
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

bool
journal_mend(struct journal *j, struct error *why)
{
	if (j->env && !j->broken)
		return true;
	if (clock_mono_ms() - j->broken_at_ms < REOPEN_MS)
		return error_set(why, "the journal is in trouble; it is opened anew every second");
	close_env(j);
	j->broken_at_ms = clock_mono_ms();
	return open_all(j, why);
}

/* What the newest transaction has freed can be taken only after one more has been committed. One
 * that found no room is none, and would find none for ever; so a small one goes first. */
static void
take_turn(struct journal *j)
{
	const uint64_t now_ms = clock_wall_ms();
	MDB_val key = journal_val(KEY_TURN, sizeof KEY_TURN);
	MDB_val value = journal_val(&now_ms, sizeof now_ms);
	MDB_txn *txn;

	j->turn = false;
	if (mdb_txn_begin(j->env, NULL, 0, &txn) != 0)
		return;
	if (mdb_put(txn, j->meta, &key, &value, 0) == 0)
		mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
}

enum journal_rc
journal_lock(struct journal *j, unsigned flags, struct error *why)
{
	int rc;

	if (!journal_mend(j, why))
		return JOURNAL_FAILED;
	if (j->turn)
		take_turn(j);
	rc = mdb_txn_begin(j->env, NULL, flags, &j->write);
	if (rc == 0)
		return JOURNAL_OK;
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
