/* figures - what the processes of a pipeline say of themselves on the tap, for `status` and `top`.
 *
 * In: stats frames, and what the pipeline says of its health. Out: a row a process with its rate,
 * the queues, the health answer. State: memory only. */
#ifndef TROTLINE_CLI_FIGURES_H
#define TROTLINE_CLI_FIGURES_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

struct figures;

/* Begins to listen. NULL with the cause. cfg outlives it. */
struct figures *figures_new(const struct config *cfg, struct error *why);
void figures_destroy(struct figures **f);

/* Takes what comes for so many ms, or until fd (if not negative) has something to read. */
void figures_listen(struct figures *f, uint64_t ms, int fd);

/* How many processes have been heard in the last seconds. */
size_t figures_heard(const struct figures *f);

/* The whole as text, at most `rows` lines of `columns` bytes (0: no bound). */
void figures_print(struct figures *f, FILE *out, size_t rows, size_t columns);

/* The whole as one line of JSON on stdout, at once. */
void figures_print_json(struct figures *f);

/* The whole as an object in the zone. False when memory is short. */
bool figures_object(struct figures *f, msgpack_zone *zone, msgpack_object *out);

/* When the configuration was taken that a process works with, ms since 1970; 0: not heard. */
uint64_t figures_loaded(const struct figures *f, const char *stage, uint64_t instance);

/* Keys that a process has not taken from its newest configuration, for they need a restart; ""
 * where there are none. Good until the next figures_listen. */
const char *figures_kept(const struct figures *f);

#endif
