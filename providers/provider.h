/* provider - what a sender of webhooks is: how its requests prove themselves, and how its events
 * read in the common vocabulary. One file a provider, over shared schemes (scheme.h) and field
 * helpers.
 *
 * Pure: no clock, no socket, no file. The validator and `trotline verify` run the very same code.
 * All that is made lives in the request's zone; slices may also point into the body. */
#ifndef TROTLINE_PROVIDERS_PROVIDER_H
#define TROTLINE_PROVIDERS_PROVIDER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/slice.h"
#include "proto/bounce.h"
#include "proto/unread.h"

/* What a source's configuration says; all texts are the caller's and outlive the source. */
struct provider_options {
	const char *provider; /* "sendgrid", "ses", "generic", ... */
	const char *scheme;   /* NULL where the provider fixes it; else hmac, stripe,
			       * standard-webhooks,   basic, bearer, header */
	const char *header; /* name of the header that carries signature or secret; NULL: default */
	char *const
		*secrets; /* HMAC secret, public key (base64 DER or PEM), user:password or token */
	size_t secrets_count;
	char *const *topics; /* SNS: TopicArn allow-list; empty: none is allowed */
	size_t topics_count;
	const char *url; /* as entered at the provider (Mandrill signs it); NULL: request_url() */
	uint64_t max_age_ms, max_future_ms; /* 0: the default (proto/providers.h) */
	bool allow_raw;                     /* SNS: unsigned raw delivery is taken */
};

/* Where a certificate (SNS) comes from: the PEM text for a URL that has passed the rules, or a
 * slice with p == NULL when it is not to be had now. */
typedef struct slice provider_certificate(void *arg, struct slice url);

/* A source: a provider with its keys made ready, kept from request to request. */
struct provider_source;

/* One request. */
struct inbound {
	const msgpack_object *headers; /* array of [name, value], as received */
	struct slice body;             /* raw bytes */
	struct slice url;              /* request URL as seen from outside, where it is known */
	struct slice target;           /* else what the request line holds of it */
	uint64_t now_ms;
	msgpack_zone *zone;
	struct json_reader *json;
	provider_certificate *certificate;       /* may be NULL */
	provider_certificate *known_certificate; /* the same, but fetches none; may be NULL */
	void *certificate_arg;
	bool batch;            /* the native format: a batch is due, not one event */
	uint64_t batch_events; /* and so many at most; 0: without limit */
	bool lean;     /* the native format: fill of struct normal only what a judge needs; the rest
		    * stands in the event's data */
	bool untold;   /* out: why is not for the sender, who has proved nothing */
	bool timed;    /* out: a signed time was judged, or each event's own is */
	bool ahead;    /* out: it is in the future */
	uint64_t hops; /* out: how many Trotlines have handed it on */
	/* kept from verify to normalise by the provider's own file: */
	msgpack_object root; /* the parsed body where verify had to read it */
	struct slice text;   /* the JSON text that it was read from; absent: none was */
	bool parsed;
	bool ping; /* proved by a key that the world knows: harmless, and no event is made of it */
};

/* At which step a request stands refused. */
enum check_step {
	CHECK_ACCEPTED,
	CHECK_MALFORMED,   /* body or envelope cannot be read */
	CHECK_SIGNATURE,   /* no, wrong or unusable signature or credentials */
	CHECK_TOO_MANY,    /* more events than a batch may hold */
	CHECK_EVENT,       /* the one event that was posted has a fault; it is in the list */
	CHECK_STALE,       /* signed time outside the window */
	CHECK_POLICY,      /* rightly signed but not for us: foreign topic, raw delivery */
	CHECK_LOOP,        /* rightly signed, and handed on from Trotline to Trotline too often */
	CHECK_UNAVAILABLE, /* key or certificate cannot be had now: ours to mend, 503 */
};

/* What a native event must have, in the order in which answers name it. */
enum native_field { NATIVE_TYPE, NATIVE_ID, NATIVE_TIMESTAMP, NATIVE_DATA, NATIVE_FIELDS };
extern const char *const native_names[NATIVE_FIELDS];

/* Why a native event is not taken; the others' are taken whatever they lack. */
enum event_fault {
	FAULT_NONE,
	FAULT_FIELDS, /* required ones are missing or of the wrong type */
	FAULT_OLD,
	FAULT_FUTURE,
	FAULT_JSON, /* in a batch: no object, or none that can be read */
};

/* What the sender is told of it. */
const char *event_fault_text(enum event_fault fault);

/* One event in the common vocabulary. Absent texts have p == NULL, absent numbers are 0. */
struct normal {
	struct slice type;         /* email_delivered, email_bounced, ..., system_*, unknown */
	struct slice bounce_class; /* hard, soft, undetermined; absent elsewhere */
	enum bounce_cause cause;   /* of a failure: the provider's word, then the decision's */
	/* The recipient, as the provider's file took it; then provider_check makes the bare address
	 * of it, or nothing with the reason, and keeps what was written. */
	struct slice email, email_written;
	enum address_fault email_fault;
	struct slice event_id, message_id;
	int64_t ts_ms;     /* 0: the provider gave none */
	struct slice list; /* of an opt-out or a return that is about one list alone */
	struct slice url, user_agent, ip, reason, smtp_enhanced, campaign;
	uint64_t smtp_code;
	bool machine;   /* an open or click by a machine (proxy, bot): not to be scored */
	bool skipped;   /* told by verify, but not taken: about mail that came in, not mail sent */
	bool anonymous; /* about one of several, of whom the provider names none; see notice.h */
	/* A word of the provider's (event, class, type) that stands in no table, behind the event's
	 * name where it is a part of it; absent where all do. It judges nothing: see notice.h. */
	struct slice unknown_kind;
	msgpack_object tags;         /* array or nil */
	msgpack_object metadata;     /* map or nil */
	struct slice dedup_key;      /* never absent, but of an event with a fault */
	struct slice provider_event; /* the provider's own name of it */
	msgpack_object raw;          /* the provider's object in full */
	msgpack_object data;         /* native: what handlers get; nil elsewhere */
	enum event_fault fault;
	unsigned missing; /* FAULT_FIELDS: bits 1 << native_field */
	size_t item;      /* which item of the body's array it was read from; 0 where it is none */
};

/* A part of an accepted body that was not, or not wholly, taken as events. */
struct unread_part {
	enum unread_reason reason;
	size_t item;         /* of the body's array; UNREAD_WHOLE: all of the body */
	struct slice detail; /* more about it, or absent */
	struct slice bytes;  /* as they came; set by normals_unread_bytes */
	bool listed;         /* the bytes are one item of an array */
};
enum { UNREAD_DETAIL_MAX = 200, UNREAD_PARTS_MAX = 1000 };
#define UNREAD_WHOLE SIZE_MAX

/* What has proved a request without covering its events (Mailgun's token): good for those that it
 * came with first, no others. Absent where the proof covers them. */
struct proof {
	struct slice token;
	uint64_t signed_ms; /* signed with it */
};

struct normals {
	struct normal *list;
	size_t count, room;
	size_t bad; /* parts of the batch that are no events: counted, never sinking the others */
	struct unread_part *unread; /* these, and what else was left out */
	size_t unread_count, unread_room;
	bool unread_whole; /* over UNREAD_PARTS_MAX of them: one stands for all, the body itself */
	size_t item;       /* the one in hand, for what normals_add makes */
	size_t shared;     /* bytes of objects that more than one event carries */
	struct slice text; /* what holds the items: the body, or the JSON text in it */
	bool listed;       /* it is an array of them */
	struct slice
		confirm_url; /* SNS SubscriptionConfirmation: to be fetched once, else absent */
	struct proof proof;
	bool too_many;   /* refused for that */
	bool incomplete; /* memory ran short: not to be answered with 200 */
};

/* A provider's row: what its file gives to the registry. */
struct provider {
	const char *name;       /* lower case, as in trotline.yaml */
	const char *title;      /* for people */
	const char *scheme;     /* default or fixed scheme */
	unsigned accepted;      /* HTTP status: 0 is 200; native 202 */
	unsigned bad_signature; /* HTTP status: 401, Mailgun 406 */
	bool tokens;            /* of scheme basic: it can show a token in place of user:password */
	bool native;            /* its events are in our own vocabulary: their types stay */
	/* The steps up to CHECK_ACCEPTED; why names the step and what was expected, never a secret.
	 */
	enum check_step (*verify)(
		struct provider_source *source, struct inbound *in, struct error *why);
	/* Reads an accepted body. False: the body as a whole is no events (why says so). */
	bool (*normalise)(struct provider_source *source, struct inbound *in, struct normals *out,
		struct error *why);
};

/* All providers, and the one of a name or NULL. */
extern const struct provider *const providers[];
extern const size_t providers_count;
const struct provider *provider_find(const char *name);

/* Makes the keys ready. NULL with why: unknown provider or scheme, a key that cannot be read. */
struct provider_source *provider_source_new(
	const struct provider_options *options, struct error *why);
void provider_source_destroy(struct provider_source **source);

/* The same for bodies whose proof was good once: without keys, and no time is too early or too late.
 * Only for provider_read. */
struct provider_source *provider_reader_new(
	const struct provider_options *options, struct error *why);
const struct provider *provider_of(const struct provider_source *source);

/* Both steps of one request. */
enum check_step provider_check(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why);

/* The second step alone. */
enum check_step provider_read(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why);

/* The HTTP status for a step: 200 or 202, the provider's own for signature and busy, 400, 403, 422; SNS never
 * 4xx for our own trouble. */
unsigned provider_status(const struct provider_source *source, enum check_step step);

/* Room for so many more, so that a long list need not grow step by step. */
void normals_expect(struct normals *out, size_t more, msgpack_zone *zone);

/* Adds an empty event to the list, in the zone. NULL when memory is short. */
struct normal *normals_add(struct normals *out, msgpack_zone *zone);

/* Notes that an item was not taken, or not all of it. A body of which more than UNREAD_PARTS_MAX items
 * were not is noted as a whole instead, so that what it costs does not grow with their number. detail
 * lives as long as the zone; one that is longer than UNREAD_DETAIL_MAX is cut. */
void normals_unread(struct normals *out, msgpack_zone *zone, enum unread_reason reason, size_t item,
	struct slice detail);

/* Finds the bytes of all that is unread, and says of an object that is no JSON why. They point into
 * what text points to. False when memory is short. */
bool normals_unread_bytes(struct normals *out, struct json_reader *json, msgpack_zone *zone);

#endif
