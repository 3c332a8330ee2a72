/* forward_rows - what the store of destinations has, row by row, as objects. Pure. */
#ifndef TROTLINE_OPS_FORWARD_ROWS_H
#define TROTLINE_OPS_FORWARD_ROWS_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/store/forward.h"

/* As forward_look.h has them, in the zone. False when memory is short. */
bool forward_attempt_object(
	const struct forward_attempt *attempt, msgpack_zone *zone, msgpack_object *out);
bool forward_letter_object(
	const struct forward_letter *letter, bool whole, msgpack_zone *zone, msgpack_object *out);
bool forward_job_object(const struct forward_job *job, msgpack_zone *zone, msgpack_object *out);

#endif
