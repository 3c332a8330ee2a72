/* batch - bodies that are JSON: one event, or an array of them. */
#ifndef TROTLINE_PROVIDERS_BATCH_H
#define TROTLINE_PROVIDERS_BATCH_H

#include <stdbool.h>

#include "provider.h"

/* Adds what one object (always a map) has to say. False when it is no event after all. */
typedef bool batch_event(struct inbound *in, const msgpack_object *event, struct normals *out);

/* Parses the body to in->root, once; of a batch, objects that cannot be read are nil there. False
 * with why when it is no JSON. */
bool batch_body(struct inbound *in, struct error *why);

/* Parses the body and gives each event to `each`; what is no map, or what `each` says no to, is
 * counted in out->bad, noted as unread, and costs none of the others. False with why when the body is no JSON, or
 * neither an object nor an array. */
bool batch_events(struct inbound *in, struct normals *out, struct error *why, batch_event *each);

/* May an object be n events, one for each whom it is about? Each carries it as its raw and reads anew
 * what they share, so the bytes that stand more than once are bounded, 64 MiB for all of a request.
 * False: counted in out->bad and noted as unread, whole. */
bool batch_shared(struct inbound *in, const msgpack_object *event, size_t n, struct normals *out);

/* `id` where there is one, else the hex SHA-256 of the whole object: the part of a key that keeps
 * two events apart of which neither says which it is. */
struct slice batch_id(struct slice id, const msgpack_object *event, msgpack_zone *zone);

#endif
