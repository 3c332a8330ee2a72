/* fields - from the many ways in which providers write things to the one of struct normal: times,
 * texts, codes, tags, metadata, and keys to deduplicate by.
 *
 * Pure; what is made lives in the zone. All helpers take a NULL map or object for "not there", and
 * answer absence by an absent slice, nil or 0, never by an error: a field that cannot be read must
 * not cost the event. Look-ups in maps themselves are in lib/base/field.h. */
#ifndef TROTLINE_PROVIDERS_FIELDS_H
#define TROTLINE_PROVIDERS_FIELDS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/field.h"
#include "lib/base/map.h"
#include "lib/base/slice.h"
#include "lib/base/smtp.h"
#include "lib/base/timestamp.h"
#include "provider.h"

/* --- walking --- */

/* The value at a path of keys ("bounce", "type", NULL ends it), or NULL. */
const msgpack_object *fields_at(const msgpack_object *map, const char *const path[]);
#define FIELDS_AT(map, ...) fields_at((map), (const char *const[]){__VA_ARGS__, NULL})

/* Text at a path; absent when missing, empty or no text. */
struct slice fields_text_at(const msgpack_object *map, const char *const path[]);
#define FIELDS_TEXT(map, ...) fields_text_at((map), (const char *const[]){__VA_ARGS__, NULL})

/* Text of a key, also when it is an integer (ids): its decimal digits, made in the zone, all 64
 * bits. Absent when missing, empty or neither. */
struct slice fields_id(const msgpack_object *map, const char *key, msgpack_zone *zone);

/* Does the key hold a yes: true, 1, "true" or "1"? */
bool fields_yes(const msgpack_object *map, const char *key);

/* a when it is not absent or empty, else b. */
struct slice fields_or(struct slice a, struct slice b);

/* Both joined by ": "; one alone when the other is absent or empty. */
struct slice fields_join(struct slice a, struct slice b, msgpack_zone *zone);

/* A map with one key and this value: for normal.metadata. */
msgpack_object fields_pair(const char *key, msgpack_object value, msgpack_zone *zone);

/* --- times --- */

/* The time that a key holds, in any of timestamp.h's forms, as ms since 1970; 0 for none. */
int64_t fields_time(const msgpack_object *map, const char *key);

/* --- SMTP --- */

/* Fills ev->smtp_code and ev->smtp_enhanced from a text, each only where it is still empty. */
void fields_smtp(struct normal *ev, struct slice text);

/* --- tags and metadata --- */

/* Array of texts from what a provider has: an array (only its non-empty texts stay), or one text.
 * Nil when nothing is left. */
msgpack_object fields_tags(const msgpack_object *value, msgpack_zone *zone);

/* The same, but a text that is a JSON array is read as one (Brevo's `tag`). */
msgpack_object fields_tags_json(
	const msgpack_object *value, struct json_reader *json, msgpack_zone *zone);

/* The map itself; nil for an empty one and for all else ([] of PHP for "none"). */
msgpack_object fields_metadata(const msgpack_object *value);

/* The same, but a text that is a JSON object is read as one (Mailjet's Payload, Mailgun's old
 * forms). Nil for other texts. */
msgpack_object fields_metadata_json(
	const msgpack_object *value, struct json_reader *json, msgpack_zone *zone);

/* --- deduplication --- */

/* One key from several parts, in which different lists of parts never look alike: parts are joined
 * by
 * '|', in them '|' and '\' get a '\' before them, an absent part is "\-". A key over 256 bytes is
 * "sha256:" and the hex digest of it. Never absent, unless memory is short. */
struct slice fields_dedup(msgpack_zone *zone, const struct slice *parts, size_t n);
#define FIELDS_DEDUP(zone, ...)                                                                    \
	fields_dedup((zone), (const struct slice[]){__VA_ARGS__},                                  \
		sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

/* The name of the act that an event tells of: without what only says that it was the person's first
 * ("opened_unique", "unique_opened", "initial_open", "amp_initial_open"). An act that is told in two
 * events has one key by this. */
struct slice fields_act(struct slice name, msgpack_zone *zone);

/* A number as a part of a key. */
struct slice fields_number(int64_t value, msgpack_zone *zone);

/* The hex SHA-256 of bytes: the last resort for events without any id. */
struct slice fields_hash(struct slice bytes, msgpack_zone *zone);

/* The same of all that an object holds, in its order. */
struct slice fields_hash_object(const msgpack_object *object, msgpack_zone *zone);

/* --- types --- */

/* A row of a provider's table: its own name of an event to ours. "contact.*" is a family: a name in no
 * row before it gets its type and is noted as unknown_kind all the same. */
struct event_name {
	const char *theirs;
	const char *type;         /* "email_bounced"; "unknown": known, but to none of ours */
	const char *bounce_class; /* "hard", "soft", "undetermined", or NULL */
};

/* Sets type, bounce_class and provider_event by the table (rows ended by theirs == NULL); for a name
 * in no row unknown, and unknown_kind. Returns the row or NULL. */
const struct event_name *fields_name(
	struct normal *ev, const struct event_name table[], struct slice theirs);

/* Notes a word within the event that stands in no table: "Bounce/QuantumFailure". */
void fields_unknown(struct normal *ev, struct slice word, msgpack_zone *zone);

/* Sets type and bounce_class alone. */
void fields_type(struct normal *ev, const char *type, const char *bounce_class);

/* Does the agent's own name say that a machine opened or clicked: a mail proxy (Gmail's and Yahoo's
 * image proxies; Apple's Mail Privacy Protection calls itself just "Mozilla/5.0"), a link scanner,
 * a bot? Absent: no. */
bool fields_machine_agent(struct slice user_agent);

#endif
