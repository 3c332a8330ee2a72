/* compose - an event in the native format from what a command line says. Pure but for random ids
 * and the clock, which the caller hands in. */
#ifndef TROTLINE_CLI_COMPOSE_H
#define TROTLINE_CLI_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

struct draft {
	const char *type, *id, *timestamp; /* all given */
	const char *email;                 /* or NULL */
	const char *data;                  /* JSON object, or NULL */
	const char *const *fields;         /* "key=value" texts that win over `data` */
	size_t fields_count;
};

/* The event as JSON text, which the caller frees. NULL with the cause, which is the user's. An
 * email_* event gets a recipient and a message id where none is given, so that it can be applied.
 */
char *compose_event(const struct draft *draft, struct error *why);

/* The value of X-Signature, `sha256=<hex HMAC of the body>`; out holds SIGNATURE_MAX bytes. */
enum { SIGNATURE_MAX = 128 };
bool compose_signature(struct slice secret, struct slice body, char *out);

/* prefix and 16 random hex digits, into out of n bytes. */
bool compose_id(const char *prefix, char *out, size_t n);

/* Does an event of the type stand against its address (suppress it, or count towards that)? */
bool compose_harms(struct slice type);

#endif
