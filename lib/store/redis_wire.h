/* redis_wire - one connection to one Redis server: orders go out in one piece, their replies come back in
 * their order. hiredis' own writer and reader, over a socket that never blocks.
 *
 * Every trip has a deadline: connecting and the TLS handshake count as one, too. What fails or comes late
 * ends the connection, and its buffers go with it: a late reply must not be taken for that of the next
 * question, and what was gathered for one connection is sent on no other. Only files of lib/store
 * include it. Not for two threads at once; one may hand it to another. */
#ifndef TROTLINE_STORE_REDIS_WIRE_H
#define TROTLINE_STORE_REDIS_WIRE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"

struct redis_wire;

/* Connects, with TLS where the place says so: the certificate must be of one of ca_file's (NULL: the
 * system's), and of that host. NULL with the cause. end_us: monotonic; a name's resolver alone may take
 * longer. */
struct redis_wire *redis_wire_open(const struct config_redis_place *place, const char *ca_file,
	uint64_t end_us, struct error *why);

/* NULL is closed already. */
void redis_wire_close(struct redis_wire **wire);

/* Leaves nothing in memory of what was sent: after a trip with a secret in it. */
void redis_wire_wipe(struct redis_wire *wire);

/* Gathers an order for the next trip. False when memory is short. */
bool redis_wire_put(struct redis_wire *wire, const struct slice *words, size_t n);

/* An order whose words are the same each time but for one of a fixed width, written once. */
struct redis_form {
	char *text;
	int n;
	size_t at, width; /* of the word that changes */
};

/* which: the word that changes. False when memory is short. Free form->text with free. */
bool redis_form_make(struct redis_form *form, const struct slice *words, size_t n, size_t which);
bool redis_wire_put_form(struct redis_wire *wire, const struct redis_form *form, const void *word);

/* How many orders are gathered. */
size_t redis_wire_gathered(const struct redis_wire *wire);

/* Sends what was gathered and hears the reply to each, in order: i counts from 0. An error reply is a reply.
 * False with the cause: the rest was not answered, and the wire is good for nothing but to be closed. */
typedef void redis_heard(void *arg, size_t i, const redisReply *reply);
bool redis_wire_trip(
	struct redis_wire *wire, uint64_t end_us, redis_heard *heard, void *arg, struct error *why);

#endif
