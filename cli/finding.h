/* finding - what came of one webhook request, as a JSON object. */
#ifndef TROTLINE_CLI_FINDING_H
#define TROTLINE_CLI_FINDING_H

#include <stdbool.h>

#include "providers/provider.h"

struct finding {
	enum check_step step;
	unsigned status;
	const char *reason; /* what was expected, or why it is accepted */
	const struct normals *events;
};

/* What must be told of events whose proof was good (providers/notice.h): an array of texts, in the
 * zone. *nameless: whether one of them is about an event without an address. */
msgpack_object finding_warnings(const struct normals *events, msgpack_zone *zone, bool *nameless);

/* "signature", "stale", ...: the step's name. */
const char *finding_step(enum check_step step);

/* One line of JSON, which the caller frees; NULL when memory is short. */
char *finding_line(const struct finding *finding, msgpack_zone *zone);

#endif
