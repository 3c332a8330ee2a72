/* online_private - what the files of online share; nobody else includes it. */
#ifndef TROTLINE_OPS_ONLINE_PRIVATE_H
#define TROTLINE_OPS_ONLINE_PRIVATE_H

#include "online.h"

struct online {
	const struct config *cfg;
	online_visit *fn;
	void *arg;
	const char *of, *name; /* of what is told now */
};

void online_tell(const struct online *o, const char *what, enum online_level level, const char *is,
	const char *should, const char *how);

void online_database(struct online *o);
void online_redis(struct online *o);
void online_destinations(struct online *o);

#endif
