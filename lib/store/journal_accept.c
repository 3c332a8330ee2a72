/* journal_accept - the validator's side: deduplicate and append a group, then commit it.
 *
 * In: keys and event frames. Out: rows in `events` and `seen`, slots in the dedup index. A kill
 * before the commit leaves nothing but slots that point at no such hash; after it, everything. */
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "journal_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { TRIM_PER_EVENT = 2, TRIM_MORE = 16, TRIM_FULL = 1024 };
enum { RESERVE_FROM = 1 << 20, RESERVE_LEAST = 2 << 20 };
enum { BLOCK_BYTES = 64 << 10, BLOCKS = 4, RESERVE_STEP = BLOCK_BYTES * BLOCKS };

static bool
hash_at(void *arg, uint64_t seq, struct hash128 *hash)
{
	struct journal *j = arg;
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (mdb_cursor_get(j->seen_cursor, &key, &value, MDB_SET) != 0)
		return false;
	memcpy(hash, value.mv_data, sizeof *hash);
	return true;
}

static bool
walk_seen(void *arg, struct dedup *dedup)
{
	struct journal *j = arg;
	struct hash128 hash;
	MDB_val key, value;
	uint64_t seq;
	int rc = mdb_cursor_get(j->seen_cursor, &key, &value, MDB_FIRST);

	while (rc == 0) {
		memcpy(&seq, key.mv_data, sizeof seq);
		memcpy(&hash, value.mv_data, sizeof hash);
		dedup_add(dedup, hash, seq);
		rc = mdb_cursor_get(j->seen_cursor, &key, &value, MDB_NEXT);
	}
	lmdb_let_go(j->env);
	return rc == MDB_NOTFOUND;
}

static struct dedup_truth
truth_of(struct journal *j)
{
	struct dedup_truth truth = {hash_at, walk_seen, j, 1, 0};
	MDB_val key, value;
	MDB_stat st;

	if (mdb_stat(j->write, j->seen, &st) == 0)
		truth.count = st.ms_entries;
	if (mdb_cursor_get(j->seen_cursor, &key, &value, MDB_FIRST) == 0)
		memcpy(&truth.oldest, key.mv_data, sizeof truth.oldest);
	return truth;
}

struct hash128
journal_hash(struct journal *j, struct slice source, struct slice key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct hash128 hash = {0, 0};

	EVP_DigestInit_ex2(j->digest, j->sha256, NULL);
	EVP_DigestUpdate(j->digest, source.p, source.n);
	EVP_DigestUpdate(j->digest, "", 1);
	EVP_DigestUpdate(j->digest, key.p, key.n);
	if (EVP_DigestFinal_ex(j->digest, digest, NULL) == 1)
		memcpy(&hash, digest, sizeof hash);
	return hash;
}

static bool
open_dedup(struct journal *j, struct error *why)
{
	j->truth = truth_of(j);
	if (j->dedup && (dedup_replaced(j->dedup) || !dedup_sound(j->dedup)))
		dedup_close(&j->dedup);
	if (j->dedup)
		return true;
	j->dedup = dedup_open(j->dedup_path, j->id, &j->truth, why);
	if (j->dedup && dedup_was_damaged(j->dedup))
		log_warn("dedup index was damaged; it is built anew from the seen log",
			LF_TEXT("file", j->dedup_path), LF_UINT("ids", j->truth.count));
	return j->dedup != NULL;
}

static bool seen_row_at(struct journal *j, uint64_t seq, struct seen_row *row);

/* What time it is, for windows. */
static void
look_at_clock(struct journal *j)
{
	const struct elapsed_note now = elapsed_read();
	const uint64_t last = j->next_seq - 1;
	struct seen_row row;

	elapsed_look(&j->elapsed, j->write, j->clock, &now);
	if (j->elapsed.rebooted && seen_row_at(j, last, &row))
		elapsed_not_before(&j->elapsed, elapsed_at(&j->elapsed, last, row.at_ms));
}

enum store_rc
journal_begin(struct journal *j, struct error *why)
{
	enum store_rc status = journal_lock(j, 0, why);
	int rc;

	if (status != STORE_OK)
		return status;
	rc = mdb_cursor_open(j->write, j->seen, &j->seen_cursor);
	if (rc != 0 || !open_dedup(j, why)) {
		if (rc != 0)
			journal_trouble(j, rc, "cannot read the seen log", why);
		journal_abort(j);
		return STORE_FAILED;
	}
	j->next_seq = lmdb_last(j->write, j->seen) + 1;
	j->next_batch = lmdb_last(j->write, j->batches) + 1;
	j->used_bytes = journal_used(j, j->write);
	j->group = j->group_batches = 0;
	j->first_seq = j->next_seq;
	look_at_clock(j);
	return STORE_OK;
}

bool
journal_prepare(struct journal *j, struct error *why)
{
	if (journal_begin(j, why) != STORE_OK)
		return false;
	journal_abort(j);
	return true;
}

bool
journal_full(const struct journal *j, uint64_t bytes)
{
	return j->used_bytes + bytes > j->limit_bytes;
}

/* Half full: rows that are out of every window go although nothing new comes in, for if they filled
 * the journal, nothing could. */
static bool
crowded(const struct journal *j)
{
	return j->used_bytes > j->limit_bytes / 2;
}

uint64_t
journal_next(const struct journal *j)
{
	return j->next_seq;
}

static bool
seen_row_at(struct journal *j, uint64_t seq, struct seen_row *row)
{
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (mdb_cursor_get(j->seen_cursor, &key, &value, MDB_SET) != 0)
		return false;
	memcpy(row, value.mv_data, sizeof *row);
	return true;
}

static uint64_t
left_ms(const struct journal *j, const struct journal_key *key, uint64_t seq,
	const struct seen_row *row)
{
	const uint64_t now_ms = key->now_ms - (uint64_t)j->elapsed.note.ahead_ms;
	const uint64_t end_ms = elapsed_at(&j->elapsed, seq, row->at_ms) + key->window_ms;

	return end_ms > now_ms ? end_ms - now_ms : 0;
}

enum journal_seen
journal_seen(struct journal *j, const struct journal_key *key, uint64_t *seq)
{
	struct seen_row row;

	*seq = dedup_find(j->dedup, key->hash, &j->truth);
	if (!*seq || !seen_row_at(j, *seq, &row))
		return SEEN_NEW;
	if (row.request == key->request)
		return SEEN_SAME;
	return left_ms(j, key, *seq, &row) > 0 ? SEEN_DUPLICATE : SEEN_NEW;
}

uint64_t
journal_left_ms(struct journal *j, const struct journal_key *key, uint64_t seq)
{
	struct seen_row row;

	return seen_row_at(j, seq, &row) ? left_ms(j, key, seq, &row) : 0;
}

static int
put_event(struct journal *j, uint64_t seq, struct slice frame, uint64_t received_ms)
{
	MDB_val key = lmdb_val(&seq, sizeof seq);
	MDB_val value = {sizeof received_ms + frame.n, NULL};
	int rc = mdb_put(j->write, j->events, &key, &value, MDB_APPEND | MDB_RESERVE);

	if (rc != 0)
		return rc;
	memcpy(value.mv_data, &received_ms, sizeof received_ms);
	memcpy((char *)value.mv_data + sizeof received_ms, frame.p, frame.n);
	return 0;
}

static int
put_seen(struct journal *j, uint64_t seq, const struct journal_key *key)
{
	const struct seen_row row = {key->hash, key->now_ms, key->request};
	MDB_val k = lmdb_val(&seq, sizeof seq), value = lmdb_val(&row, sizeof row);

	return mdb_put(j->write, j->seen, &k, &value, MDB_APPEND);
}

enum store_rc
journal_append(struct journal *j, const struct journal_key *key, struct slice frame,
	uint64_t received_ms, struct error *why)
{
	const uint64_t seq = j->next_seq;
	int rc = put_event(j, seq, frame, received_ms);

	if (rc == 0)
		rc = put_seen(j, seq, key);
	if (rc != 0)
		return journal_trouble(j, rc, "cannot append to the journal", why);
	j->truth.count++;
	if (!dedup_insert(j->dedup, key->hash, seq, &j->truth, why))
		return STORE_FULL;
	j->next_seq++;
	j->group++;
	j->used_bytes = journal_used(j, j->write);
	return STORE_OK;
}

/* How many rows are forgotten with this transaction: a few for each one appended, so that the work
 * is spread; more when they stand in the way of new ones. */
static uint64_t
trim_share(const struct journal *j, uint64_t appended)
{
	return appended * TRIM_PER_EVENT + (crowded(j) ? TRIM_FULL : TRIM_MORE);
}

/* Forgets the oldest rows of `seen` that no window covers; never the newest row, which holds the
 * next sequence number. */
static int
trim(struct journal *j, uint64_t now_ms)
{
	uint64_t left = trim_share(j, j->group), seq;
	struct seen_row row;
	MDB_val key, value;
	int rc = 0;

	while (rc == 0 && left-- > 0) {
		rc = mdb_cursor_get(j->seen_cursor, &key, &value, MDB_FIRST);
		if (rc != 0)
			return lmdb_unless_missing(rc);
		memcpy(&seq, key.mv_data, sizeof seq);
		memcpy(&row, value.mv_data, sizeof row);
		if (elapsed_at(&j->elapsed, seq, row.at_ms) + j->window_ms > now_ms ||
			seq + 1 >= j->next_seq)
			return elapsed_trim(&j->elapsed, seq);
		dedup_remove(j->dedup, row.hash, seq, &j->truth);
		key = lmdb_val(&seq, sizeof seq);
		rc = mdb_cursor_get(j->seen_cursor, &key, &value, MDB_SET);
		if (rc == 0)
			rc = mdb_cursor_del(j->seen_cursor, 0);
	}
	return rc;
}

/* A row that cannot be read goes too. */
static bool
is_remembered(struct journal *j, const MDB_val *value, uint64_t now_ms)
{
	struct journal_batch batch;

	msgpack_zone_clear(&j->zone);
	return frame_unpack(
		       &batch_schema, value->mv_data, value->mv_size, &j->zone, &batch, NULL) &&
	       elapsed_at(&j->elapsed, batch.first, batch.at) + j->window_ms > now_ms;
}

/* The same for batches; the newest row holds the next batch's number. */
static int
trim_batches(struct journal *j, uint64_t now_ms)
{
	uint64_t left = trim_share(j, j->group_batches), number;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(j->write, j->batches, &cursor);

	if (rc != 0)
		return rc;
	while (rc == 0 && left-- > 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc != 0)
			break;
		memcpy(&number, key.mv_data, sizeof number);
		if (number + 1 >= j->next_batch || is_remembered(j, &value, now_ms))
			break;
		rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc);
}

/* No room is no trouble. */
static void
write_zeros(int fd, off_t at)
{
	static const char zeros[BLOCK_BYTES];
	struct iovec blocks[BLOCKS];

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = (struct iovec){(void *)(uintptr_t)zeros, sizeof zeros};
	(void)!pwritev(fd, blocks, BLOCKS, at);
}

/* Writes zeros behind the end of the file, for pages that are yet to come: a flush that makes the
 * file longer costs about twice one that does not. A little each time, for everybody waits for it.
 * Nobody else writes to the file meanwhile, for the write lock is held, and LMDB does not ask how
 * long it is. */
static void
reserve(struct journal *j)
{
	MDB_envinfo info;
	MDB_stat pages;
	struct stat file;
	uint64_t used;
	int fd;

	mdb_env_info(j->env, &info);
	mdb_env_stat(j->env, &pages);
	used = (info.me_last_pgno + 1) * pages.ms_psize;
	if (used < RESERVE_FROM || mdb_env_get_fd(j->env, &fd) != 0 || fstat(fd, &file) != 0)
		return;
	if ((uint64_t)file.st_size < used + RESERVE_LEAST &&
		(uint64_t)file.st_size + RESERVE_STEP <= j->max_bytes)
		write_zeros(fd, file.st_size);
}

enum store_rc
journal_commit(struct journal *j, struct error *why)
{
	const uint64_t now_ms = j->elapsed.now_ms, wall_ms = clock_wall_ms();
	int rc = elapsed_write(&j->elapsed, j->first_seq);

	if (rc == 0 && (j->group > 0 || j->group_batches > 0 || crowded(j))) {
		rc = trim(j, now_ms);
		if (rc == 0)
			rc = trim_batches(j, now_ms);
		if (rc == 0)
			rc = journal_trim_proofs(
				j, now_ms < wall_ms ? now_ms : wall_ms, trim_share(j, j->group));
	}
	mdb_cursor_close(j->seen_cursor);
	j->seen_cursor = NULL;
	if (rc == 0) {
		reserve(j);
		rc = lmdb_commit(j->write);
		j->write = NULL;
	}
	journal_abort(j);
	if (rc == 0)
		j->cause = CAUSE_NONE;
	return rc == 0 ? STORE_OK : journal_trouble(j, rc, "cannot commit to the journal", why);
}

enum store_rc
journal_try(struct journal *j, struct error *why)
{
	enum store_rc status = journal_begin(j, why);
	int rc;

	if (status != STORE_OK)
		return status;
	rc = journal_put_turn(j, j->write);
	if (rc == 0)
		return journal_commit(j, why);
	journal_abort(j);
	return journal_trouble(j, rc, "cannot write to the journal", why);
}
