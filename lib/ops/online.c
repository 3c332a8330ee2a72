/* online - see online.h: one kind after the other. No state. */
#include "online_private.h"

const char *const online_words[] = {
	[ONLINE_GOOD] = "good", [ONLINE_NOTE] = "note", [ONLINE_FAULT] = "fault"};

void
online_tell(const struct online *o, const char *what, enum online_level level, const char *is,
	const char *should, const char *how)
{
	const struct online_finding finding = {
		o->of, o->name, what, level, is, should, level == ONLINE_GOOD ? "" : how};

	o->fn(o->arg, &finding);
}

void
online_look(const struct config *cfg, online_visit *fn, void *arg)
{
	struct online o = {.cfg = cfg, .fn = fn, .arg = arg};

	if (cfg->database.kind == DATABASE_POSTGRESQL)
		online_database(&o);
	if (cfg->redis.urls_count)
		online_redis(&o);
	online_destinations(&o);
}
