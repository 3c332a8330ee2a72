/* person - what is known of an address, as text. */
#ifndef TROTLINE_CLI_PERSON_H
#define TROTLINE_CLI_PERSON_H

#include <msgpack.h>
#include <stdbool.h>

/* A page (lib/ops/person.h) on stdout; first: with what only the first of them tells. Rows may say of which
 * `node` they are, and `states` [{node, suppression, ...}] stand in place of one state database's. */
void person_print(const msgpack_object *page, bool first);

#endif
