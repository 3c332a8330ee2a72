/* readiness - is the pipeline ready to take events? Pure. */
#ifndef TROTLINE_CLI_READINESS_H
#define TROTLINE_CLI_READINESS_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"

struct readiness {
	char stage[80];   /* that is waited for */
	struct error why; /* what it lacks */
};

/* Judges a health answer: the HTTP status and its JSON body. Not ready while it is no 200, or
 * critical, or an alert "stage <name> ..." says that a stage is missing; then *r tells which. */
bool readiness_judge(long status, const msgpack_object *health, struct readiness *r);

/* The same for no answer at all. Returns false. */
bool readiness_silent(const struct error *why, struct readiness *r);

#endif
