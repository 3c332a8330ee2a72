/* event - what became of an event, as text. */
#ifndef TROTLINE_CLI_EVENT_H
#define TROTLINE_CLI_EVENT_H

#include <msgpack.h>

/* On stdout: a line, and a row for each fact (lib/ops/event_status.h). */
void event_print(const msgpack_object *answer);

#endif
