/* explain - what became of an event, in words: what it is taken for, why, and what it counts. */
#ifndef TROTLINE_CLI_EXPLAIN_H
#define TROTLINE_CLI_EXPLAIN_H

#include "providers/provider.h"

enum { EXPLAIN_MAX = 256 };

/* "soft: given up after soft failures; counts 1 of 5". The numbers are the defaults: what is asked is
 * a request, not a configuration. Returns out. */
const char *explain(const struct normal *ev, char out[EXPLAIN_MAX]);

/* Is it a failure or a complaint, of which something was decided? */
bool explain_is_decision(const struct normal *ev);

#endif
