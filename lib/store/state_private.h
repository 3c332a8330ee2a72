/* state_private - what an engine behind state.h provides. One implementation a family of files; each is a
 * `const struct state_engine`, and has its own struct state_db.
 *
 * Each function is that of state.h with the same name, and keeps what that promises. */
#ifndef TROTLINE_STORE_STATE_PRIVATE_H
#define TROTLINE_STORE_STATE_PRIVATE_H

#include "state.h"

struct state_db;

struct state_engine {
	const char *name; /* what log, health and figures call it */

	struct state_db *(*start)(const struct config *cfg, struct error *why);
	struct state_db *(*watch)(const struct config *cfg, bool *exists, struct error *why);
	void (*close)(struct state_db **db);
	bool (*is_open)(const struct state_db *db);

	bool (*begin)(struct state_db *db, struct error *why);
	bool (*commit)(struct state_db *db, struct error *why);
	void (*rollback)(struct state_db *db);
	bool (*restart)(struct state_db *db, struct error *why);
	bool (*lost)(const struct state_db *db);
	enum state_failure (*failure)(const struct state_db *db);

	void (*expect)(struct state_db *db, const struct state_event_key *keys, size_t n);
	bool (*enter)(struct state_db *db, const struct state_event_key *keys, size_t n,
		uint64_t now_ms, enum state_event *entered, struct error *why);
	enum state_event (*event_begin)(struct state_db *db, const struct state_event_key *key,
		uint64_t now_ms, struct error *why);
	bool (*event_keep)(struct state_db *db, struct error *why);
	void (*event_undo)(struct state_db *db);
	bool (*forget)(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why);

	bool (*run)(struct state_db *db, enum statement which, const struct state_value *values,
		size_t n, struct error *why);
	enum state_row (*get)(struct state_db *db, enum statement which,
		const struct state_value *values, size_t n, struct state_cell *cells,
		size_t columns, struct error *why);
	bool (*each)(struct state_db *db, enum statement which, const struct state_value *values,
		size_t n, size_t columns, state_visit *fn, void *arg, struct error *why);

	void (*on_wait)(struct state_db *db, state_waits *fn, void *arg);
	void (*sizes)(const struct state_db *db, uint64_t *file, uint64_t *log);
	enum store_cause (*cause)(const struct state_db *db);
	bool (*look)(struct state_db *db, struct error *why);
	enum store_cause (*news)(struct state_db *db, bool *lost);
	uint64_t (*lost_ms)(const struct state_db *db);

	void (*look_until)(struct state_db *db, uint64_t end_ms);
	enum state_row (*applied_at)(
		struct state_db *db, struct slice journal, uint64_t seq, uint64_t *at_ms);
	bool (*newest)(struct state_db *db, struct slice journal, uint64_t *seq);
	bool (*each_applied)(struct state_db *db, struct slice journal, state_visit *fn, void *arg,
		struct error *why);
	bool (*each_marked)(
		struct state_db *db, int64_t mark, state_visit *fn, void *arg, struct error *why);
	bool (*check)(struct state_db *db, state_fault *fn, void *arg);
};

/* The door itself. */
struct state {
	const struct state_engine *engine;
	struct state_db *db;
};

extern const struct state_engine state_sqlite;
extern const struct state_engine state_postgres;

#endif
