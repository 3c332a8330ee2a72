/* history_press - a sealed segment under way, in a file that does not count until its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "history_private.h"
#include "lib/base/doing.h"
#include "lib/base/file.h"

enum { FLUSH_BYTES = 8 << 20 };

static bool
open_out(struct press *p, struct error *why)
{
	unlink(p->path);
	p->out->db = sql_open(p->path, SQL_BUILD, why);
	p->fd = open(p->path, O_RDONLY | O_CLOEXEC);
	return p->out->db && segment_make_tables(p->out->db, p->out->mark, why) &&
	       (p->fd >= 0 || error_set(why, "cannot open %s: %s", p->path, strerror(errno)));
}

struct press *
press_begin(const char *folder, uint64_t first, uint32_t mark, bool compress, struct error *why)
{
	struct press *p = calloc(1, sizeof *p);

	if (p)
		p->out = calloc(1, sizeof *p->out);
	if (!p || !p->out || (compress && !(p->packer = packer_new()))) {
		error_set(why, "out of memory");
		press_drop(&p);
		return NULL;
	}
	p->fd = -1;
	p->row = 1;
	p->out->name.first = first;
	p->out->mark = mark;
	p->out->facts = (struct facts){.first = first, .last = first - 1};
	snprintf(p->path, sizeof p->path, "%s/%llu.tmp", folder, (unsigned long long)first);
	if (!open_out(p, why))
		press_drop(&p);
	return p;
}

static void
let_go(struct press **p_p)
{
	struct press *p = *p_p;

	segment_close(&p->out);
	packer_free(&p->packer);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	*p_p = NULL;
}

void
press_drop(struct press **p)
{
	if (!*p)
		return;
	if ((*p)->path[0])
		unlink((*p)->path);
	let_go(p);
}

bool
press_slice(struct press *p, struct error *why)
{
	return sql_exec(p->out->db, "BEGIN", why);
}

static bool
flush(struct press *p, struct error *why)
{
	const enum doing before = doing(DOING_FLUSH);
	const int rc = fdatasync(p->fd);

	doing(before);
	p->unflushed = 0;
	return rc == 0 || error_set(why, "cannot flush %s: %s", p->path, strerror(errno));
}

bool
press_slice_end(struct press *p, struct error *why)
{
	return sql_exec(p->out->db, "COMMIT", why) && (p->unflushed < FLUSH_BYTES || flush(p, why));
}

uint32_t
press_word(struct press *p, enum word_kind kind, struct slice text, struct error *why)
{
	const uint32_t before = p->out->words.n, word = words_add(&p->out->words, kind, text);
	sqlite3_stmt *stmt = segment_sql(p->out, SEGMENT_PUT_WORD, why);

	if (!word || !stmt)
		return 0;
	if (p->out->words.n == before)
		return word;
	sqlite3_bind_int64(stmt, 1, word);
	sqlite3_bind_int(stmt, 2, (int)kind);
	sqlite3_bind_blob64(stmt, 3, text.p ? text.p : "", text.n, SQLITE_STATIC);
	return sql_run(stmt, why) ? word : 0;
}

static bool
put_blob(struct press *p, sqlite3_stmt *stmt, int column, struct slice bytes, struct error *why)
{
	if (!stmt)
		return false;
	sqlite3_bind_blob64(stmt, column, bytes.p ? bytes.p : "", bytes.n, SQLITE_STATIC);
	p->unflushed += bytes.n;
	return sql_run(stmt, why);
}

static bool
put_keys(struct press *p, uint64_t pos, const struct key *keys, uint32_t n, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(p->out, SEGMENT_PUT_KEY, why);
	struct slice bytes = {(const char *)keys, n * sizeof *keys};

	if (p->packer)
		bytes = packer_pack(p->packer, bytes);
	if (!stmt || !bytes.p)
		return stmt && error_set(why, "out of memory");
	sqlite3_bind_int64(stmt, 1, (int64_t)pos);
	sqlite3_bind_int64(stmt, 2, n);
	sqlite3_bind_int(stmt, 3, p->packer != NULL);
	return put_blob(p, stmt, 4, bytes, why);
}

bool
press_block(struct press *p, uint64_t pos, const struct key *keys, uint32_t n, struct slice body,
	bool packed, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(p->out, SEGMENT_PUT_BODY, why);

	for (uint32_t i = 0; i < n; i++)
		facts_add(&p->out->facts, &keys[i]);
	p->out->facts.last = pos + n - 1;
	if (!put_keys(p, pos, keys, n, why) || !stmt)
		return false;
	if (p->packer && !packed)
		body = packer_pack(p->packer, body);
	if (!body.p)
		return error_set(why, "out of memory");
	sqlite3_bind_int64(stmt, 1, (int64_t)pos);
	return put_blob(p, stmt, 2, body, why);
}

static uint64_t *
row_of(struct facts *f, enum index_kind kind)
{
	uint64_t *const rows[] = {&f->index0, &f->index1, &f->index2, &f->index3, &f->index4};

	return rows[kind];
}

static bool
put_row(struct press *p, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(p->out, SEGMENT_PUT_INDEX, why);
	const struct slice bytes = {(const char *)p->entries, (size_t)p->entries_n * INDEX_ENTRY};

	if (!p->entries_n)
		return true;
	p->entries_n = 0;
	if (stmt)
		sqlite3_bind_int64(stmt, 1, (int64_t)p->row++);
	return put_blob(p, stmt, 2, bytes, why);
}

void
press_index_begin(struct press *p, enum index_kind kind)
{
	*row_of(&p->out->facts, kind) = p->row;
}

bool
press_entry(struct press *p, const struct entry_of_index *entry, struct error *why)
{
	index_write(p->entries, p->entries_n++, p->out->name.first, entry);
	return p->entries_n < INDEX_ROW_ENTRIES || put_row(p, why);
}

bool
press_index_end(struct press *p, enum index_kind kind, struct error *why)
{
	if (!put_row(p, why))
		return false;
	*row_of(&p->out->facts, kind + 1) = p->row;
	return true;
}

static bool
name_it(struct press *p, const char *folder, struct error *why)
{
	char path[PATH_ROOM];

	name_path(folder, &p->out->name, path);
	if (rename(p->path, path) != 0)
		return error_set(why, "cannot name %s: %s", path, strerror(errno));
	p->path[0] = '\0';
	return file_flush_folder(folder) || error_set(why, "cannot flush %s", folder);
}

bool
press_end(struct press **p_p, const char *folder, uint32_t day, struct segment_name *name,
	struct facts *facts, struct error *why)
{
	struct press *p = *p_p;
	struct segment *out = p->out;
	bool good;

	out->name.last = out->facts.last;
	out->name.day = day;
	out->facts.day = day;
	good = segment_put_facts(out, why) && flush(p, why) && name_it(p, folder, why);
	*name = out->name;
	*facts = out->facts;
	press_drop(p_p);
	return good;
}
