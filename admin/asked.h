/* asked - what a request asks for: parameters of its query, or, where an address may be among them, of its
 * body, a JSON object of texts and numbers. */
#ifndef TROTLINE_ADMIN_ASKED_H
#define TROTLINE_ADMIN_ASKED_H

#include <msgpack.h>

#include "lib/base/error.h"
#include "lib/stage/listener.h"

/* Keeps a piece of a request's body, until asked_free. False when memory is short. */
bool asked_keep(struct listener_request *rq, struct slice bytes);
void asked_free(struct listener_request *rq);

struct asked {
	struct listener_request *rq;
	bool in_body;
	msgpack_zone zone; /* what a body's texts live in */
	msgpack_object body;
	bool short_of_memory; /* a text that was asked for may be taken for none */
};

/* Reads it; known: the names that may stand there (a NULL ends them). False with the cause: another name,
 * a value that is no text and no number, a body where there is none to be, or none where there is. Ends with
 * asked_close in any case. */
bool asked_open(struct asked *asked, struct listener_request *rq, bool in_body,
	const char *const known[], struct error *why);
void asked_close(struct asked *asked);

/* The value of that name, until asked_close; NULL where there is none. */
const char *asked_text(struct asked *asked, const char *name);

/* A whole number from 1 to `most`; *number stays where there is none. False with the cause. */
bool asked_number(
	struct asked *asked, const char *name, uint64_t most, uint64_t *number, struct error *why);

#endif
