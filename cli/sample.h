/* sample - an example of each event of each provider, in that provider's own words, with fields
 * that are filled in when it is sent. Templates are of our own writing. */
#ifndef TROTLINE_CLI_SAMPLE_H
#define TROTLINE_CLI_SAMPLE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/slice.h"

struct sample_event {
	const char *name;   /* how --event calls it: the provider's own name as a rule */
	const char *type;   /* what it becomes, with ":<bounce class>" where it has one */
	const char *fields; /* JSON object that is laid over the set's base; "@none" takes away */
	const char *wrap;   /* as the set's; NULL: the set's own */
};

struct sample_set {
	const char *provider;
	const char *base; /* JSON object: what all its events have */
	const char *wrap; /* JSON in which "@event" stands for the event; NULL: the event itself */
	const struct sample_event *list;
	size_t count;
};

/* A text that is exactly one of these in a template gives way to the value:
 * X(text in the template, member, kind) */
#define SAMPLE_VALUES(X)                                                                           \
	X("@id", id, TEXT)               /* the event's */                                         \
	X("@message", message, TEXT)     /* the message's */                                       \
	X("@bracketed", bracketed, TEXT) /* the same as a Message-ID */                            \
	X("@email", email, TEXT)                                                                   \
	X("@url", url, TEXT)                                                                       \
	X("@agent", agent, TEXT)                                                                   \
	X("@iso", iso, TEXT) /* the time, in four forms */                                         \
	X("@seconds_text", seconds_text, TEXT)                                                     \
	X("@seconds", seconds, NUMBER)                                                             \
	X("@ms", ms, NUMBER)                                                                       \
	X("@number", number, NUMBER) /* one beyond 2^53 */                                         \
	X("@token", token, TEXT)     /* Mailgun's, with its MAC */                                 \
	X("@mac", mac, TEXT)

#define SAMPLE_C_TEXT struct slice
#define SAMPLE_C_NUMBER uint64_t
#define SAMPLE_MEMBER(text, member, kind) SAMPLE_C_##kind member;
struct sample_values {
	SAMPLE_VALUES(SAMPLE_MEMBER)
};

/* NULL for a provider that has none. */
const struct sample_set *sample_set_find(const char *provider);

/* By its own name, else the first whose type is that word, with or without `email_`. */
const struct sample_event *sample_find(const struct sample_set *set, const char *event);

/* The event as its provider would write it, in the zone. */
bool sample_make(const struct sample_set *set, const struct sample_event *sample,
	const struct sample_values *values, struct json_reader *json, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* All sets (samples.c). */
extern const struct sample_set sample_sets[];
extern const size_t sample_sets_count;

#endif
