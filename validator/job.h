/* job - one request on its way through the validator, and the judgement of it that needs no disk.
 *
 * A job owns the request's frame and everything made from it (one zone); it is kept and reused.
 */
#ifndef TROTLINE_VALIDATOR_JOB_H
#define TROTLINE_VALIDATOR_JOB_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/json.h"
#include "lib/config/config.h"
#include "lib/store/dedup.h"
#include "proto/causes.h"
#include "proto/frame.h"
#include "providers/provider.h"

/* What a candidate comes to. */
enum job_outcome {
	OUTCOME_NEW,       /* to be appended, then: accepted */
	OUTCOME_DUPLICATE, /* remembered already */
	OUTCOME_MISSING,   /* required fields missing or of the wrong type */
	OUTCOME_OLD,
	OUTCOME_FUTURE,
	OUTCOME_BAD,   /* in a batch: no object, or none that can be read */
	OUTCOME_LARGE, /* in a batch: over the limit for one event */
};

/* One event of a request. */
struct candidate {
	struct slice type, id, email; /* absent where a fault left none */
	struct slice key;             /* what makes it the same event again */
	struct hash128 hash;          /* of source and key, once the group asks for it */
	bool claimed;                 /* free at the door of lib/store/seen.h */
	uint64_t left_ms;             /* OUTCOME_DUPLICATE here: for how long it is one still */
	struct slice unknown_kind;    /* a word that stands in no table, or absent */
	bool no_address;              /* though it is about mail to somebody */
	int64_t ts_ms;
	msgpack_object data;
	unsigned missing; /* OUTCOME_MISSING: bits 1 << native_field */
	enum job_outcome outcome;
	size_t from;  /* its place in the job's normals */
	uint64_t seq; /* once appended */
	size_t at, n; /* its frame in the group's buffer, once packed */
};

/* Why a request as a whole goes no further. */
enum refusal {
	REFUSED_NOT,
	REFUSED_SIGNATURE,
	REFUSED_JSON,
	REFUSED_NO_ARRAY,
	REFUSED_TOO_MANY,
	REFUSED_STALE,       /* a provider's signed time is outside its window */
	REFUSED_POLICY,      /* rightly signed, but not for us */
	REFUSED_LOOP,        /* handed on from Trotline to Trotline too often */
	REFUSED_REPLAYED,    /* its proof has come with other events already */
	REFUSED_QUARANTINED, /* no right signature: set aside as it came */
	REFUSED_SOURCE,      /* no such source: the files of two stages differ */
	REFUSED_LATE,        /* its deadline is over: ingress has answered */
	REFUSED_UNAVAILABLE, /* journal full, disk trouble: 503 */
};

struct job {
	msgpack_sbuffer frame;
	msgpack_zone zone;
	struct request rq; /* points into frame and zone */
	const struct config_source *source;
	enum refusal refusal;
	bool enters; /* takes part in the group's transaction */
	struct {     /* another node is storing one of its events */
		bool now;
		unsigned times;              /* that it was found so */
		uint64_t since_ms, again_ms; /* monotonic: it is asked for again then */
	} busy;
	struct error why;   /* for the log, and in X-Error-Detail */
	bool untold;        /* for the log alone */
	enum unable unable; /* of REFUSED_UNAVAILABLE: for which fault of ours */
	bool ahead;         /* its signed time is in the future */
	struct candidate *events;
	size_t count, room;
	const struct provider *foreign; /* NULL: the native format */
	unsigned status;                /* what the check answers */
	struct proof proof;             /* covers none of the events, or absent */
	struct hash128 token, body;     /* of the proof's token and of what came with it */
	bool anew;                /* the proof has come with the same events in another body */
	struct normals normals;   /* what the reading gave; unread parts are kept */
	struct slice confirm_url; /* to be fetched once the answer is out, or absent */
	char batch[37];           /* its id, once it has entered */
	uint64_t again;           /* asked again: where one of its events stands since, or 0 */
};

void job_init(struct job *job);
void job_free(struct job *job);

/* Empties the job for the next request. */
void job_reset(struct job *job);

/* Takes a copy of a request frame; false with why when it is none. */
bool job_open(struct job *job, struct slice frame, struct error *why);

/* Makes room for so many candidates; false when memory is short. */
bool job_room(struct job *job, size_t count);

/* What a judgement needs besides the request and its source's keys. */
struct judge {
	const struct config *cfg;
	struct json_reader *json;
	provider_certificate *certificate, *known; /* may be NULL */
	void *certificate_arg;
	uint64_t mono_ms; /* a request whose deadline is over by then is not looked at */
};

/* Runs the source's own check (providers/): sets refusal and status, or the candidates with
 * OUTCOME_NEW for those that may enter. job->source is set. */
void job_judge(
	struct job *job, struct provider_source *keys, const struct judge *judge, uint64_t now_ms);

/* A provider's event that no route could carry loses its largest values; a native one becomes
 * OUTCOME_LARGE. Texts that are longer than what tables keep of them stay as they are. Both are noted
 * as unread. */
void job_fit(struct job *job, struct candidate *c, const struct config *cfg);

/* The event has a text of n bytes, which is too long to travel, and goes without it. */
void job_note_long(struct job *job, const struct candidate *c, const char *field, size_t n);

/* The status and JSON body for what the job has come to. */
unsigned job_answer(const struct job *job, uint64_t now_ms, msgpack_sbuffer *body);

/* The error text of an outcome, NULL for OUTCOME_NEW and OUTCOME_DUPLICATE. */
const char *outcome_error(enum job_outcome outcome);

/* What stands beside the body: `Name: value` lines. Retry-After on 503; X-Error-Detail says more
 * than the body's fixed text, but nothing about a wrong signature. */
void job_answer_headers(const struct job *job, unsigned status, char *out, size_t size);

/* "new", "duplicate", ...: for labels and the log. */
const char *outcome_name(enum job_outcome outcome);
const char *refusal_name(enum refusal refusal);

#endif
