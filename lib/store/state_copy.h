/* state_copy - moves a state.db into PostgreSQL: all its tables, in one transaction, counted on both sides.
 *
 * A kill leaves PostgreSQL as it was. state.db is only read, but for being raised to this version's tables. */
#ifndef TROTLINE_STORE_STATE_COPY_H
#define TROTLINE_STORE_STATE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

struct state_copy_calls {
	void *arg;
	/* So many of so many rows of a table; often. */
	void (*progress)(void *arg, const char *table, uint64_t done, uint64_t total);
	/* A table that is in, with its rows; at the end once more for each is not called. */
	void (*table)(void *arg, const char *table, uint64_t rows);
};

/* Into the database that cfg names, which must be empty, from <from>/state.db. Nobody may write to either
 * meanwhile; the target's tables are locked. False with the cause. */
bool state_copy(const struct config *cfg, const char *from, const struct state_copy_calls *calls,
	struct error *why);

#endif
