/* history - the one who writes: opening, recovery, appending; see history.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_private.h"
#include "lib/base/file.h"

bool
history_waits(const struct history *h, size_t i)
{
	return !h->list[i].name.last && !h->list[i].damaged &&
	       !((h->open || h->doubtful) && i + 1 == h->n);
}

static bool
add_segment(struct history *h, const struct segment_name *name, const struct facts *facts,
	uint32_t mark)
{
	struct known_segment *grown;

	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 64;
		grown = realloc(h->list, h->room * sizeof *grown);
		if (!grown)
			return false;
		h->list = grown;
	}
	h->list[h->n++] = (struct known_segment){.name = *name,
		.mark = mark,
		.facts = *facts,
		.file_bytes = name_bytes(h->folder, name)};
	return true;
}

bool
history_replace(struct history *h, const struct segment_name *from, size_t n,
	const struct segment_name *name, const struct facts *facts)
{
	size_t i = 0;

	while (i < h->n && h->list[i].name.first != from->first)
		i++;
	if (i == h->n)
		return false;
	for (size_t k = 0; k < n; k++)
		name_unlink(h->folder, &from[k]);
	if (!name) {
		memmove(&h->list[i], &h->list[i + n], (h->n - i - n) * sizeof *h->list);
		h->n -= n;
		return true;
	}
	h->list[i] = (struct known_segment){.name = *name,
		.mark = h->list[i].mark,
		.facts = *facts,
		.file_bytes = name_bytes(h->folder, name)};
	memmove(&h->list[i + 1], &h->list[i + n], (h->n - i - n) * sizeof *h->list);
	h->n -= n - 1;
	return true;
}

/* ---- a new open segment ---- */

/* Whole, or not at all: so a reader never meets one without its tables. */
static bool
make_file(struct history *h, const struct segment_name *name, struct error *why)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[PATH_ROOM], tmp[PATH_ROOM + 8], stray[PATH_ROOM + 16];
	sqlite3 *db;
	bool made;

	snprintf(tmp, sizeof tmp, "%s.tmp", name_path(h->folder, name, path));
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(stray, sizeof stray, "%s%s", tmp, ends[i]);
		unlink(stray);
	}
	db = sql_open(tmp, SQL_WRITE, why);
	made = db && segment_make_tables(db, hasher_mark(h->hasher), why);
	h->made = db ? sql_result(db) : errno == ENOSPC ? STORE_FULL : STORE_FAILED;
	made &= sqlite3_close(db) == SQLITE_OK;
	if (made && (rename(tmp, path) != 0 || !file_flush_folder(h->folder)))
		made = error_set(why, "cannot make %s: %s", path, strerror(errno));
	return made;
}

static bool
start_segment(struct history *h, uint64_t first, struct error *why)
{
	const struct segment_name name = {.first = first};
	const struct facts none = {.first = first, .last = first - 1};

	if (!make_file(h, &name, why) ||
		!(h->open = segment_open(h->folder, &name, SQL_WRITE, why)))
		return false;
	h->open->facts = none;
	if (add_segment(h, &name, &none, h->open->mark))
		return true;
	segment_close(&h->open);
	return error_set(why, "out of memory");
}

/* What is in its log stays there: who seals it writes it back. */
static void
leave_open_one(struct history *h)
{
	h->list[h->n - 1].facts = h->open->facts;
	sqlite3_db_config(h->open->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	segment_close(&h->open);
}

/* Writes all of the log into the file, and empties it: of a log that is not whole on the disk a power
 * cut would leave older pages than the file has. */
static bool
write_back(struct segment *s, struct error *why)
{
	return sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
		       SQLITE_OK ||
	       sql_fail(s->db, "writing back its log", why);
}

/* After a commit that failed its group may stand in the log all the same, and be found again when the
 * log is next read: whole, but perhaps not on the disk, for a flush that failed is not made good by
 * the next. So the log is read now, and all of it written once more. */
static enum store_rc
settle(struct history *h, struct error *why)
{
	struct segment *s;

	if (h->open)
		leave_open_one(h);
	known_forget(h->known);
	s = segment_open(h->folder, &h->list[h->n - 1].name, SQL_WRITE, why);
	if (!s || !segment_measure(s, why) || !write_back(s, why)) {
		h->made = s ? sql_result(s->db) : errno == ENOSPC ? STORE_FULL : STORE_FAILED;
		segment_close(&s);
		return h->made;
	}
	h->open = s;
	h->doubtful = false;
	return STORE_OK;
}

static uint64_t
segment_most(const struct history *h)
{
	const uint64_t most = h->limits.segment_events;

	return most && most < HISTORY_SEGMENT_EVENTS ? most : HISTORY_SEGMENT_EVENTS;
}

enum store_rc
history_make_place(struct history *h, size_t n, uint64_t now_ms, struct error *why)
{
	const uint32_t day = (uint32_t)(now_ms / DAY_MS);
	uint64_t first;

	if (h->doubtful && settle(h, why) != STORE_OK)
		return h->made;
	first = h->list[h->n - 1].facts.last + 1;
	if (h->open) {
		const struct facts *f = &h->open->facts;

		if (!f->events)
			h->open_day = day;
		if (!f->events || (f->events + n <= segment_most(h) && f->bytes < SEGMENT_BYTES &&
					  h->open_day >= day))
			return STORE_OK;
		first = f->last + 1;
		leave_open_one(h);
	}
	h->open_day = day;
	return start_segment(h, first, why) ? STORE_OK : h->made;
}

/* ---- opening ---- */

static bool
ends_with(const char *text, const char *end)
{
	const size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* What a kill has left. A -wal whose segment is there stays. */
static void
sweep(void *arg, const char *file)
{
	const struct history *h = arg;
	char path[PATH_ROOM + 300];
	const bool log =
		ends_with(file, "-wal") || ends_with(file, "-shm") || ends_with(file, "-journal");

	snprintf(path, sizeof path, "%s/%s", h->folder, file);
	if (log) {
		*strrchr(path, '-') = '\0';
		if (strchr(file, '.') && access(path, F_OK) != 0) {
			snprintf(path, sizeof path, "%s/%s", h->folder, file);
			unlink(path);
		}
	} else if (ends_with(file, ".tmp") || strncmp(file, "open.", 5) == 0 ||
		   (file[0] >= '0' && file[0] <= '9')) {
		unlink(path);
	}
}

static bool
take_sealed(struct history *h, const struct segment_name *name)
{
	struct facts facts = {.first = name->first, .last = name->last};
	struct error why;
	struct segment *s = segment_open(h->folder, name, SQL_SEALED, &why);
	const bool good = s != NULL;
	uint32_t mark = 0;

	if (s) {
		facts = s->facts;
		mark = s->mark;
	}
	segment_close(&s);
	if (!add_segment(h, name, &facts, mark))
		return false;
	h->list[h->n - 1].damaged = !good;
	return true;
}

/* A second name for a file; one that has it already, from a start that was cut off, has it. */
static bool
name_too(const char *path, const char *aside, struct error *why)
{
	return link(path, aside) == 0 || errno == EEXIST ||
	       error_set(why, "cannot set %s aside: %s", path, strerror(errno));
}

/* With its log, of which the newest groups may be the only place: both have their new names before one
 * loses its old one, so that a kill leaves them together. */
static bool
set_aside(struct history *h, const struct segment_name *name, struct error *why)
{
	char path[PATH_ROOM + 8], aside[PATH_ROOM + 24];
	struct facts facts = {
		.first = name->first, .last = name->first + HISTORY_SEGMENT_EVENTS - 1};

	name_path(h->folder, name, path);
	snprintf(aside, sizeof aside, "%s/damaged.%s", h->folder, strrchr(path, '/') + 1);
	if (!name_too(path, aside, why))
		return false;
	strcat(path, "-wal");
	if (access(path, F_OK) == 0 && !name_too(path, strcat(aside, "-wal"), why))
		return false;
	if (!file_flush_folder(h->folder))
		return error_set(why, "cannot set %s aside: %s", aside, strerror(errno));
	name_unlink(h->folder, name);
	h->figures.damaged++;
	h->least = facts.last + 1;
	return true;
}

/* Is nothing more to be appended to it? */
static bool
is_outdated(const struct history *h, const struct segment *s)
{
	return h->least > s->name.first || s->mark != hasher_mark(h->hasher);
}

/* What is good, and cannot be opened now, is no reason to go on without it. */
static bool
take_open(struct history *h, const struct segment_name *name, struct error *why)
{
	struct segment *s = segment_open(h->folder, name, SQL_WRITE, why);
	bool damaged = !s && errno == EBADMSG;

	if (s && !segment_measure(s, why)) {
		damaged = s->damaged;
		segment_close(&s);
	}
	if (!s)
		return damaged && set_aside(h, name, why);
	if (!s->facts.events && is_outdated(h, s)) {
		segment_close(&s);
		return name_unlink(h->folder, name) ||
		       error_set(why, "cannot remove an empty segment: %s", strerror(errno));
	}
	segment_close(&h->open);
	h->open = s;
	h->open_day = (uint32_t)(s->facts.received_max / DAY_MS);
	return add_segment(h, name, &s->facts, s->mark) || error_set(why, "out of memory");
}

static uint64_t
next_first(const struct history *h)
{
	const uint64_t last = h->n ? h->list[h->n - 1].facts.last + 1 : 1;

	return last > h->least ? last : h->least;
}

static bool
take_all(struct history *h, struct error *why)
{
	struct segment_names names = {0};
	bool good = names_list(h->folder, &names, sweep, h, why);

	for (size_t i = 0; good && i < names.n; i++)
		good = names.list[i].last ? take_sealed(h, &names.list[i])
					  : take_open(h, &names.list[i], why);
	names_free(&names);
	if (h->open && (h->list[h->n - 1].name.last || is_outdated(h, h->open)))
		segment_close(&h->open);
	return good && (h->open || start_segment(h, next_first(h), why));
}

static bool
take_lock(struct history *h, struct error *why)
{
	char path[PATH_ROOM + 8];

	snprintf(path, sizeof path, "%s/lock", h->folder);
	h->lock = file_open(path, why);
	if (h->lock < 0)
		return false;
	return file_lock(h->lock) || error_set(why, "another process writes to %s", h->folder);
}

struct history *
history_open(const char *folder, const struct history_limits *limits, struct error *why)
{
	struct history *h = calloc(1, sizeof *h);

	if (!h) {
		error_set(why, "out of memory");
		return NULL;
	}
	snprintf(h->folder, sizeof h->folder, "%s", folder);
	h->limits = *limits;
	h->lock = -1;
	if (!file_make_folder(folder, why) || !take_lock(h, why) ||
		!(h->hasher = hasher_open(folder, true, why)) || !(h->known = known_new()) ||
		!take_all(h, why))
		history_close(&h);
	return h;
}

void
history_close(struct history **h_p)
{
	struct history *h = *h_p;

	if (!h)
		return;
	pressing_drop(&h->pressing);
	roller_close(&h->roller);
	segment_close(&h->open);
	hasher_close(&h->hasher);
	known_free(&h->known);
	if (h->lock >= 0)
		close(h->lock);
	free(h->list);
	free(h);
	*h_p = NULL;
}

void
history_limit(struct history *h, const struct history_limits *limits)
{
	h->limits = *limits;
}

/* ---- figures ---- */

void
history_figures(const struct history *h, struct history_figures *out)
{
	*out = h->figures;
	out->segments = h->n;
	out->working = h->pressing != NULL;
	for (size_t i = 0; i < h->n; i++) {
		const struct facts *f =
			h->open && i + 1 == h->n ? &h->open->facts : &h->list[i].facts;

		out->open += !h->list[i].name.last;
		out->damaged += h->list[i].damaged;
		out->bytes += h->list[i].name.last ? h->list[i].file_bytes
						   : name_bytes(h->folder, &h->list[i].name);
		if (!f->events)
			continue;
		if (!out->events || f->received_min < out->oldest_ms)
			out->oldest_ms = f->received_min;
		if (f->received_max > out->newest_ms)
			out->newest_ms = f->received_max;
		if (!out->first)
			out->first = f->first;
		out->last = f->last;
		out->events += f->events;
	}
}
