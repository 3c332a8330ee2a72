/* state_postgres_copy_none - takes the place of what asks PostgreSQL for an operator, in a build without its library. */
#include "state_copy.h"
#include "state_online.h"

static bool
none(struct error *why)
{
	return error_set(
		why, "this build has no PostgreSQL: install libpq-dev, then `make WITH=postgres`");
}

bool
state_copy(const struct config *cfg, const char *from, const struct state_copy_calls *calls,
	struct error *why)
{
	(void)cfg;
	(void)from;
	(void)calls;
	return none(why);
}

bool
state_online(const struct config *cfg, struct state_online *out, struct error *why)
{
	(void)cfg;
	(void)out;
	return none(why);
}
