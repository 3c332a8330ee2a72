/* forward - forward.db: opening, transactions; see forward.h.
 *
 * A kill costs the transaction that is open. After a commit that failed it may stand in the log all the same, and
 * be found after a kill: what it says is true, so that does no harm. */
#include "forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forward_private.h"
#include "lib/base/file.h"

/* An operator waits longer than the stage, whose commits come soon again. */
enum { BUSY_MS = 2000, BUSY_OPERATOR_MS = 10000 };

#define WORD(name, word) word,
const char *const forward_state_words[FORWARD_STATES_COUNT] = {FORWARD_STATES(WORD)};
const char *const forward_job_words[FORWARD_JOB_STATES_COUNT] = {FORWARD_JOB_STATES(WORD)};

static bool
take_lock(struct forward *f, const char *data_dir, struct error *why)
{
	char path[PATH_ROOM + 16];

	snprintf(path, sizeof path, "%s/forward.lock", data_dir);
	f->lock = file_open(path, why);
	if (f->lock < 0 || file_lock(f->lock))
		return f->lock >= 0;
	return error_set(why, "another process delivers (it holds %s)", path);
}

/* What others must not make, they find or not. */
static bool
is_there(const struct forward *f, struct error *why)
{
	struct stat st;

	return stat(f->path, &st) == 0 || error_set(why, "%s: %s", f->path, strerror(errno));
}

static bool
open_file(struct forward *f, enum forward_use use, bool *exists, struct error *why)
{
	if (use != FORWARD_DELIVER && !(*exists = is_there(f, why)))
		return false;
	f->db = sql_open(f->path, use == FORWARD_LOOK ? SQL_WATCH : SQL_SHARE, why);
	if (!f->db)
		return false;
	sqlite3_busy_timeout(f->db, use == FORWARD_DELIVER ? BUSY_MS : BUSY_OPERATOR_MS);
	f->file = guard_at(f->path, NULL);
	return forward_schema(f->db, use == FORWARD_DELIVER, exists, why) &&
	       (*exists || error_set(why, "%s is not made yet", f->path));
}

struct forward *
forward_open(const char *data_dir, enum forward_use use, bool *exists, struct error *why)
{
	struct forward *f = calloc(1, sizeof *f);

	*exists = true;
	if (!f) {
		error_set(why, "out of memory");
		return NULL;
	}
	f->lock = -1;
	if ((size_t)snprintf(f->path, sizeof f->path, "%s/forward.db", data_dir) >= sizeof f->path)
		error_set(why, "data_dir is too long");
	else if ((use != FORWARD_DELIVER || take_lock(f, data_dir, why)) &&
		 open_file(f, use, exists, why))
		return f;
	forward_close(&f);
	return NULL;
}

void
forward_close(struct forward **f)
{
	struct forward *it = *f;

	if (!it)
		return;
	forward_rollback(it);
	for (size_t i = 0; i < FORWARD_STATEMENTS; i++)
		sqlite3_finalize(it->kept[i].stmt);
	sqlite3_close(it->db);
	if (it->lock >= 0)
		close(it->lock);
	free(it);
	*f = NULL;
}

uint64_t
forward_version(struct forward *f)
{
	uint64_t version;

	forward_ask_number(f, "PRAGMA data_version", NULL, 0, &version, NULL, NULL);
	return version;
}

bool
forward_is_replaced(const struct forward *f)
{
	return guard_look(f->file, guard_at(f->path, NULL)) != CAUSE_NONE;
}

bool
forward_begin(struct forward *f, struct error *why)
{
	f->trouble = STORE_OK;
	f->began = forward_run(f, "BEGIN IMMEDIATE", NULL, 0, NULL, why);
	return f->began;
}

/* One of which a statement failed is not committed: the caller cannot mean half of it. */
enum store_rc
forward_commit(struct forward *f, struct error *why)
{
	enum store_rc rc;

	if (f->trouble == STORE_OK && f->began && forward_run(f, "COMMIT", NULL, 0, NULL, why)) {
		f->began = false;
		return STORE_OK;
	}
	rc = f->trouble == STORE_OK ? STORE_FAILED : f->trouble;
	if (!f->began)
		error_set(why, "forward.db: there is no transaction");
	forward_rollback(f);
	return rc;
}

void
forward_rollback(struct forward *f)
{
	if (f->began && !sqlite3_get_autocommit(f->db))
		forward_run(f, "ROLLBACK", NULL, 0, NULL, NULL);
	f->began = false;
	f->trouble = STORE_OK;
}
