/* test_handlers - what the tests of the handlers share: a database in a folder of its own, events
 * from JSON text, and somebody else who looks at the rows. Each test runs in its own process.
 *
 * With TEST_POSTGRES, the URL of a server on which databases may be made (tests/e2e/servers.py starts
 * one), the database is one of PostgreSQL's, and psql looks. */
#ifndef TROTLINE_TEST_HANDLERS_H
#define TROTLINE_TEST_HANDLERS_H

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "handlers/input.h"
#include "lib/base/json.h"
#include "lib/store/state.h"
#include "proto/frame.h"

struct bench {
	char folder[64], path[96];
	char url[160];     /* of a database of PostgreSQL's; empty: state.db it is */
	struct config cfg; /* of the database */
	struct state *db;
	msgpack_zone zone;
	struct json_reader *reader;
	struct error why;
	uint64_t seq;
};

/* Runs SQL by psql. Its first line of output, columns joined by '|', "-" for NULL; "" for none. Valid
 * until the next call. */
static inline const char *
bench_psql(const char *url, const char *sql)
{
	static char out[4096];
	char command[320];
	FILE *psql;

	snprintf(command, sizeof command,
		"psql -XAtq -v ON_ERROR_STOP=1 -F '|' -P null=- -d '%s' -c \"$SQL\"", url);
	setenv("SQL", sql, 1);
	cr_assert(psql = popen(command, "r"));
	if (!fgets(out, sizeof out, psql))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	while (fgetc(psql) != EOF)
		;
	cr_assert_eq(pclose(psql), 0, "%s", sql);
	return out;
}

/* Of this test's process alone. */
static inline void
bench_database(struct bench *b)
{
	const char *server = getenv("TEST_POSTGRES");
	char sql[64];

	if (!server)
		return;
	snprintf(sql, sizeof sql, "CREATE DATABASE unit_%d", getpid());
	bench_psql(server, sql);
	snprintf(b->url, sizeof b->url, "%.*s/unit_%d", (int)(strrchr(server, '/') - server),
		server, getpid());
	b->cfg.database.kind = DATABASE_POSTGRESQL;
	b->cfg.database.url = b->url;
	b->cfg.database.known_ids = true;
	b->cfg.database.timeout_ms = 5000;
}

static inline void
bench_drop(const struct bench *b)
{
	char sql[80];

	snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", strrchr(b->url, '/') + 1);
	bench_psql(getenv("TEST_POSTGRES"), sql);
}

static inline void
bench_open(struct bench *b)
{
	*b = (struct bench){.folder = "/tmp/trotline-test-XXXXXX"};
	cr_assert(mkdtemp(b->folder));
	snprintf(b->path, sizeof b->path, "%s/state.db", b->folder);
	b->cfg.data_dir = b->folder;
	bench_database(b);
	msgpack_zone_init(&b->zone, 8192);
	b->reader = json_reader_new();
	b->db = state_open(&b->cfg, &b->why);
	cr_assert(b->db, "%s", b->why.text);
}

static inline void
bench_close(struct bench *b)
{
	static const char *const files[] = {
		"state.db", "state.db-wal", "state.db-shm", "state.lock"};
	char path[128];

	state_close(&b->db);
	if (*b->url)
		bench_drop(b);
	json_reader_destroy(&b->reader);
	msgpack_zone_destroy(&b->zone);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", b->folder, files[i]);
		remove(path);
	}
	cr_expect(remove(b->folder) == 0, "something else is left in %s", b->folder);
}

/* An event of its own seq and of that time, with data from JSON text. */
static inline struct event
bench_event(struct bench *b, uint64_t ts, const char *json)
{
	struct event ev = {
		.seq = ++b->seq,
		.journal = slice_of("0123456789abcdef"),
		.source = slice_of("email"),
		.type = slice_of("email_test"),
		.id = slice_of("evt_1"),
		.ts = ts,
		.received = ts,
	};

	cr_assert(json_read(b->reader, slice_of(json), &b->zone, &ev.data, &b->why), "%s",
		b->why.text);
	return ev;
}

static inline void
bench_input(struct bench *b, struct input *in, struct event *ev)
{
	cr_assert(input_read(in, ev, &b->why), "%s", b->why.text);
}

/* First row of a query as text, columns joined by '|', "-" for NULL; "" for no row. Valid until the
 * next call. */
static inline const char *
bench_row(struct bench *b, const char *sql)
{
	static char out[4096];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	size_t n = 0;

	if (*b->url)
		return bench_psql(b->url, sql);
	out[0] = '\0';
	cr_assert_eq(sqlite3_open_v2(b->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(
		sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *text = (const char *)sqlite3_column_text(stmt, i);

			n += (size_t)snprintf(
				out + n, sizeof out - n, "%s%s", i ? "|" : "", text ? text : "-");
		}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return out;
}

#define expect_row(b_, sql_, text_)                                                                \
	do {                                                                                       \
		const char *row_ = bench_row(b_, sql_);                                            \
		cr_expect_str_eq(row_, text_, "%s gives %s", sql_, row_);                          \
	} while (0)

#endif
