/* departed - sources that a reload took away: what was on its way to them when it came is still
 * judged, by the keys of before, for as long as a request may take. Ingress takes nothing new for
 * them. */
#ifndef TROTLINE_VALIDATOR_DEPARTED_H
#define TROTLINE_VALIDATOR_DEPARTED_H

#include "lib/config/config.h"
#include "providers/source_keys.h"

struct departed {
	struct departed_source {
		const struct config_source *source; /* NULL: none */
		struct provider_source *keys;
		uint64_t until_ms; /* monotonic */
	} sources[CONFIG_SOURCES_MAX];
};

/* Takes over the keys of those of cfg that are not in next; their places become NULL. cfg's texts
 * and rows outlive it. */
void departed_take(struct departed *d, const struct config *cfg, const struct config *next,
	struct provider_source **keys);

/* The source of that name, or NULL. */
const struct departed_source *departed_find(const struct departed *d, struct slice name);

/* Lets go of those whose time is over; now and then. */
void departed_forget(struct departed *d, uint64_t now_ms);

#endif
