/* figures_forward - destinations as `status` and `top` tell of them, from the figures of forward. Pure. */
#ifndef TROTLINE_CLI_FIGURES_FORWARD_H
#define TROTLINE_CLI_FIGURES_FORWARD_H

#include <msgpack.h>

#include "lib/config/config.h"
#include "lib/stage/metrics.h"

/* A list in the zone, in the configuration's order. rates: of each, events that it answered 2xx a second. */
msgpack_object figures_destinations(const struct config *cfg, const struct metrics *all,
	const double rates[CONFIG_FORWARD_MAX], msgpack_zone *zone);

/* One of the list as a line for a terminal, and the line over them. Return out. */
enum { FIGURES_LINE = 256 };
char *figures_destination_line(const msgpack_object *destination, char out[FIGURES_LINE]);
char *figures_destination_head(char out[FIGURES_LINE]);

#endif
