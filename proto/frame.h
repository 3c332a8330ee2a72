/* frame - what travels between the stages: msgpack maps, declared once as tables of fields.
 *
 * From each table come the struct, the packer, the strict unpacker, the printer and the
 * document (`trotline --frames`). Every frame is one map with the key `v`, the version, and those
 * of its table, in any order; a frame with a version that is not known, an unknown, missing or repeated key, a
 * wrong type, a text over its limit, too deep a nesting or trailing bytes is refused with the
 * reason.
 *
 * Unpacking copies nothing: slices and objects point into the bytes given and into the zone given,
 * and live as long as both. */
#ifndef TROTLINE_FRAME_H
#define TROTLINE_FRAME_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "limits.h"

/* What is written. A frame of an earlier version is read as well. */
enum { EVENT_VERSION = 3, FRAME_VERSION = 1 };

/* A list of sequence numbers on the wire; `list` points into the zone after unpacking. */
struct seqs {
	const uint64_t *list;
	size_t n;
};

enum field_kind {
	FIELD_UINT, /* uint64_t */
	FIELD_STR,  /* struct slice, UTF-8 text */
	FIELD_NSTR, /* struct slice, text or nil (p == NULL) */
	FIELD_NEW2, /* the same, since version 2; nil in a frame of version 1, which has no such key */
	FIELD_NEW3, /* the same, since version 3 */
	FIELD_BIN,  /* struct slice, raw bytes */
	FIELD_OBJ,  /* msgpack_object, anything */
	FIELD_SEQS, /* struct seqs, array of unsigned integers */
};

#define FIELD_C_UINT uint64_t
#define FIELD_C_STR struct slice
#define FIELD_C_NSTR struct slice
#define FIELD_C_NEW2 struct slice
#define FIELD_C_NEW3 struct slice
#define FIELD_C_BIN struct slice
#define FIELD_C_OBJ msgpack_object
#define FIELD_C_SEQS struct seqs

/* Each row: F(kind, name on the wire and in the struct, most bytes of a text or entries of a list, or 0,
 * what it is). An OBJ with a bound is a list. */

/* An accepted event: validator -> router -> handler. Keep `data` last. */
#define EVENT_FIELDS(F)                                                                            \
	F(UINT, seq, 0, "place in the journal; with `journal` the event's identity")               \
	F(STR, journal, WIDTH_JOURNAL, "the journal's random id, 16 hex digits")                   \
	F(STR, source, WIDTH_SOURCE, "name of the source in trotline.yaml")                        \
	F(STR, type, WIDTH_TYPE, "event type as the sender named it, such as email_delivered")     \
	F(STR, id, WIDTH_ID, "the sender's event id")                                              \
	F(NSTR, email, WIDTH_EMAIL, "recipient (partition key), or nil")                           \
	F(UINT, ts, 0, "when it happened at the sender, ms since 1970")                            \
	F(UINT, received, 0, "when it was accepted, ms since 1970")                                \
	F(UINT, attempt, 0, "deliveries that a handler has answered with RETRY so far")            \
	F(NSTR, batch, WIDTH_BATCH, "id of the batch it came in, or nil")                          \
	F(NEW2, origin, WIDTH_ORIGIN,                                                              \
		"identity under which it was accepted elsewhere, as journal-seq, or nil: here")    \
	F(NEW3, key, WIDTH_KEY,                                                                    \
		"hash of the source and of what makes it the same event again, 32 hex digits, or " \
		"nil: nobody asks for it")                                                         \
	F(OBJ, data, 0, "the event's own fields, complete")

/* What became of events: handler -> retrier. */
#define VERDICT_FIELDS(F)                                                                          \
	F(STR, journal, WIDTH_JOURNAL, "the journal that the events belong to")                    \
	F(SEQS, seqs, EVENTS_PER_VERDICT, "the events' places in the journal")                     \
	F(STR, verdict, WIDTH_WORD,                                                                \
		"done, retry, dead; later: a retry that the event is not to blame for")            \
	F(STR, reason, WIDTH_REASON, "why, for retry and dead")                                    \
	F(STR, handler, WIDTH_WHO, "who says so")

/* What stages tell the retrier: router, validator, dlq, and who replays letters. */
#define ADVICE_FIELDS(F)                                                                              \
	F(STR, journal, WIDTH_JOURNAL, "the journal that the events belong to")                       \
	F(SEQS, seqs, EVENTS_PER_VERDICT,                                                             \
		"the events' places in the journal, the taker in the two bits on top; for gone none") \
	F(STR, advice, WIDTH_WORD,                                                                    \
		"returned: they must be sent (again); done: who took them says so to the router; "    \
		"gone: a process of who took some went away; buried: their letters are stored")       \
	F(UINT, failed_at, 0, "for buried the letter's failed_at, else 0")                            \
	F(STR, who, WIDTH_WHO, "the handler that it is about, else the stage that says so")

/* A request as it came: ingress -> validator. */
#define REQUEST_FIELDS(F)                                                                          \
	F(UINT, boot, 0, "random id of the ingress process that asks")                             \
	F(UINT, ingress, 0, "its instance number: where the answer goes")                          \
	F(UINT, request, 0, "number of the request within that process")                           \
	F(STR, source, WIDTH_SOURCE, "name of the source in trotline.yaml")                        \
	F(UINT, batch, 0, "0 an event, 1 a batch")                                                 \
	F(UINT, received, 0, "wall clock, ms since 1970")                                          \
	F(STR, target, WIDTH_TARGET, "path and query as the request has them")                     \
	F(UINT, deadline, 0, "CLOCK_MONOTONIC ms after which it must not be committed")            \
	F(OBJ, headers, HEADERS_PER_REQUEST, "array of [name, value], as received, in order")      \
	F(BIN, body, 0, "the raw body")

/* What became of a batch? ingress -> admin. */
#define QUESTION_FIELDS(F)                                                                         \
	F(UINT, boot, 0, "random id of the ingress process that asks")                             \
	F(UINT, ingress, 0, "its instance number: where the answer goes")                          \
	F(UINT, request, 0, "number of the request within that process")                           \
	F(STR, source, WIDTH_SOURCE, "name of the source in trotline.yaml")                        \
	F(BIN, id, WIDTH_TARGET, "the batch's id, as somebody wrote it")

/* The answer to a request or a question: validator, admin -> ingress. */
#define ANSWER_FIELDS(F)                                                                           \
	F(UINT, boot, 0, "as in the request")                                                      \
	F(UINT, request, 0, "as in the request")                                                   \
	F(UINT, status, 0, "HTTP status")                                                          \
	F(STR, headers, WIDTH_ANSWER_HEADERS,                                                      \
		"more headers: `Name: value` lines, each ended by \\n")                            \
	F(STR, body, 0, "JSON text")

/* An event that is given up: retrier -> dlq. */
#define DEAD_FIELDS(F)                                                                             \
	F(STR, journal, WIDTH_JOURNAL, "the journal that the event belongs to")                    \
	F(UINT, seq, 0, "its place there, the taker in the two bits on top: 0 handler, 1 history") \
	F(STR, reason, WIDTH_REASON, "why it is dead")                                             \
	F(STR, handler, WIDTH_WHO, "who gave it up")                                               \
	F(UINT, attempts, 0, "deliveries that ended in RETRY")                                     \
	F(UINT, death, 0, "how it died: " DEATHS(DEATH_DOC) "0 none of these")                     \
	F(UINT, failed_at, 0, "ms since 1970")                                                     \
	F(BIN, event, 0, "the event frame as it stands in the journal")

/* A process's figures, twice a second on the tap. */
#define STATS_FIELDS(F)                                                                            \
	F(STR, stage, WIDTH_WHO, "stage name, such as validator or handler-bounced")               \
	F(UINT, instance, 0, "number of the process within its stage")                             \
	F(UINT, pid, 0, "process id")                                                              \
	F(UINT, at, 0, "ms since 1970")                                                            \
	F(UINT, loaded, 0, "when its configuration was taken, ms since 1970")                      \
	F(STR, kept, WIDTH_KEPT, "keys of it that need a restart, and are as they were")           \
	F(UINT, draining, 0, "1: stopping")                                                        \
	F(OBJ, metrics, FIGURES_PER_FRAME,                                                         \
		"array of [family, labels, value], of a histogram [family, labels, [count up to each bound, sum, count]]")

/* What was refused, for whoever watches: the taps of ingress and validator. */
#define REFUSED_FIELDS(F)                                                                              \
	F(UINT, at, 0, "when it came, ms since 1970")                                                  \
	F(STR, source, WIDTH_SOURCE,                                                                   \
		"name of the source in trotline.yaml; empty: it asked for none")                       \
	F(STR, step, WIDTH_WORD,                                                                       \
		"at which step: path, method, body ... of ingress, or an error_type of the validator") \
	F(STR, reason, WIDTH_REASON,                                                                   \
		"what was found there, and what was expected; never a secret")                         \
	F(UINT, status, 0,                                                                             \
		"HTTP status of the answer; 0: of an event that a batch was taken without")            \
	F(UINT, batch, 0, "0 an event, 1 a batch")                                                     \
	F(NSTR, type, WIDTH_TYPE, "of one event, where it is known")                                   \
	F(NSTR, id, WIDTH_ID, "likewise")                                                              \
	F(UINT, bytes, 0, "of the body")                                                               \
	F(UINT, left_out, 0, "refusals before this one that were too many to be told")

/* That a process goes on: a datagram to run/beats, every two seconds. */
#define BEAT_FIELDS(F)                                                                             \
	F(STR, stage, WIDTH_WHO, "stage name")                                                     \
	F(UINT, instance, 0, "number of the process within its stage")                             \
	F(UINT, doing, 0, "what it is at that may take long, a number of lib/base/doing.h")        \
	F(UINT, deaths, 0, "how often in a row it has died within a minute")

/* All of them: X(name, its fields). */
#define FRAMES(X)                                                                                  \
	X(event, EVENT_FIELDS)                                                                     \
	X(verdict, VERDICT_FIELDS)                                                                 \
	X(advice, ADVICE_FIELDS)                                                                   \
	X(request, REQUEST_FIELDS)                                                                 \
	X(question, QUESTION_FIELDS)                                                               \
	X(answer, ANSWER_FIELDS)                                                                   \
	X(dead, DEAD_FIELDS)                                                                       \
	X(stats, STATS_FIELDS)                                                                     \
	X(refused, REFUSED_FIELDS)                                                                 \
	X(beat, BEAT_FIELDS)

#define FRAME_MEMBER(kind, name, max, doc) FIELD_C_##kind name;

#define FRAME_STRUCT(name, fields)                                                                 \
	struct name {                                                                              \
		fields(FRAME_MEMBER)                                                               \
	};
FRAMES(FRAME_STRUCT)

#define FRAME_OF_UNION(name, fields) struct name name;
union any_frame {
	FRAMES(FRAME_OF_UNION)
};

struct frame_field {
	const char *name;
	size_t name_len;
	enum field_kind kind;
	size_t offset; /* in the struct */
	size_t max;    /* bytes of a text, entries of a list; 0: bounded by the socket only */
	const char *doc;
};

struct frame_schema {
	const char *name;
	const struct frame_field *fields;
	size_t count;
	unsigned version;
};

#define FRAME_SCHEMA(name, fields) extern const struct frame_schema name##_schema;
FRAMES(FRAME_SCHEMA)

/* The table above, in its order. */
extern const struct frame_schema *const frame_schemas[];
extern const size_t frame_schemas_count;

/* The word for a death in `dead`; "unreadable" for a number that stands in no row. */
const char *death_word(uint64_t death);

/* Appends the frame to out, which the caller owns. `frame` is the struct of that schema.
 * False only when memory is short. */
bool frame_pack(const struct frame_schema *schema, const void *frame, msgpack_sbuffer *out);

/* Reads n bytes into *frame. What is nested goes to the zone, which the caller clears when done.
 * False with the reason in why when the frame is not exactly of that schema. */
bool frame_unpack(const struct frame_schema *schema, const void *bytes, size_t n,
	msgpack_zone *zone, void *frame, struct error *why);

/* One text of a frame that has been read whole before, by whoever stored it: what stands behind it is
 * not looked at. False when it has no such text up to there. */
bool frame_text(const void *bytes, size_t n, const char *name, struct slice *text);

/* The same of a number. */
bool frame_uint(const void *bytes, size_t n, const char *name, uint64_t *number);

/* The frame as a msgpack map in the zone, for printing as JSON. */
bool frame_object(const struct frame_schema *schema, const void *frame, msgpack_zone *zone,
	msgpack_object *out);

#endif
