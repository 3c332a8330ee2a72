/* state_postgres_none - takes the place of PostgreSQL in a build without its library. */
#include "state_private.h"

static struct state_db *
none(struct error *why)
{
	error_set(
		why, "this build has no PostgreSQL: install libpq-dev, then `make WITH=postgres`");
	return NULL;
}

static struct state_db *
none_start(const struct config *cfg, struct error *why)
{
	(void)cfg;
	none(why);
	return NULL;
}

static struct state_db *
none_watch(const struct config *cfg, bool *exists, struct error *why)
{
	(void)cfg;
	*exists = true;
	none(why);
	return NULL;
}

/* There is never one that the rest could be asked of. */
const struct state_engine state_postgres = {
	.name = "postgresql", .start = none_start, .watch = none_watch};

bool
state_url_check(const char *url, struct error *why)
{
	(void)url;
	return none(why);
}
