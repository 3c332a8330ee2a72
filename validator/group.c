/* group - see group.h. */
#include "group.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/map.h"

/* Room that an event takes in the journal beside its frame: keys, headers, its row in the seen log.
 */
enum { OVERHEAD = 160 };

/* A job takes part when nothing has refused it and one of its events may enter, or it is a batch,
 * which is remembered whatever is in it. Asked once, before the transaction: a duplicate found in
 * one that fails is none. */
static bool
may_enter(struct job *job)
{
	bool any = job->rq.batch == 1 && !job->foreign;

	job->again = 0;
	job->busy.now = false;
	for (size_t i = 0; i < job->count; i++) {
		job->events[i].seq = 0;
		any |= job->events[i].outcome == OUTCOME_NEW;
	}
	return any && job->refusal == REFUSED_NOT;
}

/* Which request asks, and which event of it: the same after an ingress has sent it again. */
static uint64_t
request_mark(const struct request *rq, size_t index)
{
	uint64_t x = rq->boot ^ rq->request * 0x9e3779b97f4a7c15U ^ index * 0xc2b2ae3d27d4eb4fU;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93U;
	return x ^ x >> 32;
}

/* One group's way into the journal. */
struct entry_way {
	struct journal *journal;
	bool keyed; /* frames carry their key */
	msgpack_sbuffer *frames;
};

static struct slice
key_text(struct hash128 hash, char text[WIDTH_KEY + 1])
{
	snprintf(text, WIDTH_KEY + 1, "%016" PRIx64 "%016" PRIx64, hash.hi, hash.lo);
	return (struct slice){text, WIDTH_KEY};
}

static bool
pack_event(const struct job *job, struct candidate *c, uint64_t seq, const struct entry_way *way)
{
	msgpack_sbuffer *frames = way->frames;
	char key[WIDTH_KEY + 1];
	const struct event ev = {
		.seq = seq,
		.journal = journal_id(way->journal),
		.source = job->rq.source,
		.type = c->type,
		.id = c->id,
		.email = c->email,
		.ts = (uint64_t)c->ts_ms,
		.received = job->rq.received,
		.batch = job->batch[0] ? slice_of(job->batch) : (struct slice){NULL, 0},
		.key = way->keyed ? key_text(c->hash, key) : (struct slice){NULL, 0},
		.data = c->data,
	};

	c->seq = seq;
	c->at = frames->size;
	if (!frame_pack(&event_schema, &ev, frames))
		return false;
	c->n = frames->size - c->at;
	return true;
}

static enum store_rc
enter_event(const struct entry_way *way, struct job *job, size_t i)
{
	struct journal *journal = way->journal;
	struct candidate *c = &job->events[i];
	const struct journal_key key = {
		.hash = c->hash,
		.request = request_mark(&job->rq, i),
		.now_ms = clock_wall_ms(),
		.window_ms = job->source->dedup_window_ms,
	};
	uint64_t seq;

	switch (journal_seen(journal, &key, &seq)) {
	case SEEN_DUPLICATE:
		c->outcome = OUTCOME_DUPLICATE;
		c->left_ms = journal_left_ms(journal, &key, seq);
		return STORE_OK;
	case SEEN_SAME:
		c->seq = 0;
		job->again = seq;
		return STORE_OK;
	case SEEN_NEW:
		break;
	}
	if (!pack_event(job, c, journal_next(journal), way)) {
		error_set(&job->why, "out of memory");
		return STORE_FAILED;
	}
	return journal_append(journal, &key, (struct slice){way->frames->data + c->at, c->n},
		job->rq.received, &job->why);
}

static void
name_batch(struct journal *journal, struct job *job)
{
	unsigned char chance[8] = {0};

	RAND_bytes(chance, sizeof chance);
	journal_batch_id(journal, chance, job->batch);
}

/* [index, event id or nil, error] for each event that was refused, in the job's zone. */
static bool
list_errors(struct job *job, struct journal_batch *batch)
{
	msgpack_object *list = msgpack_zone_malloc(&job->zone, (job->count + 1) * sizeof *list);
	uint32_t n = 0;

	for (size_t i = 0; list && i < job->count; i++) {
		const struct candidate *c = &job->events[i];
		msgpack_object *row;

		batch->duplicates += c->outcome == OUTCOME_DUPLICATE;
		if (!outcome_error(c->outcome))
			continue;
		row = msgpack_zone_malloc(&job->zone, 3 * sizeof *row);
		if (!row)
			return false;
		row[0] = object_of_uint(i);
		row[1] = object_of_text(c->id);
		row[2] = object_of_text(slice_of(outcome_error(c->outcome)));
		list[n++] = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {3, row}};
	}
	batch->invalid = n;
	batch->errors = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {n, list}};
	return list != NULL;
}

static enum store_rc
enter_batch(struct journal *journal, struct job *job, uint64_t first)
{
	struct journal_batch batch = {
		.id = slice_of(job->batch),
		.source = job->rq.source,
		.at = clock_wall_ms(),
		.first = first,
		.queued = journal_next(journal) - first,
	};

	if (list_errors(job, &batch))
		return journal_append_batch(journal, &batch, &job->why);
	error_set(&job->why, "out of memory");
	return STORE_FAILED;
}

/* Told apart by their keys: whatever else of an event differs, with the same key it is a duplicate,
 * as a retry is. Sets the refusal when the proof has come with other events. */
static enum store_rc
prove(struct journal *journal, struct job *job)
{
	struct journal_proof proof = {
		.proof = job->token,
		.body = job->body,
		.signed_ms = job->proof.signed_ms,
	};
	enum journal_proved proved;
	enum store_rc rc;

	for (size_t i = 0; i < job->count; i++) {
		proof.events.hi ^= job->events[i].hash.hi;
		proof.events.lo ^= job->events[i].hash.lo;
	}
	rc = journal_prove(journal, &proof, &proved, &job->why);
	job->anew = proved == PROVED_ANEW;
	if (rc != STORE_OK || proved != PROVED_OTHER)
		return rc;
	job->refusal = REFUSED_REPLAYED;
	job->status = job->foreign->bad_signature;
	error_set(&job->why, "what proves it has come with another event already");
	return STORE_OK;
}

static enum store_rc
enter_job(const struct entry_way *way, struct job *job)
{
	struct journal *journal = way->journal;
	const uint64_t first = journal_next(journal);
	enum store_rc rc = STORE_OK;

	if (job->proof.token.p)
		rc = prove(journal, job);
	if (rc != STORE_OK || job->refusal != REFUSED_NOT)
		return rc;
	if (job->rq.batch && !job->foreign)
		name_batch(journal, job);
	for (size_t i = 0; rc == STORE_OK && i < job->count; i++)
		if (job->events[i].outcome == OUTCOME_NEW)
			rc = enter_event(way, job, i);
	if (rc != STORE_OK || !job->batch[0])
		return rc;
	if (job->again && journal_batch_of(journal, job->again, job->batch))
		return STORE_OK;
	return enter_batch(journal, job, first);
}

/* Refuses what must not enter now that the lock is ours: too late, or no room for it. */
static void
refuse_at_the_door(struct journal *journal, struct job *job)
{
	if (clock_mono_ms() > job->rq.deadline) {
		job->refusal = REFUSED_LATE;
		error_set(&job->why, "no verdict in time");
	} else if (journal_full(journal, job->rq.body.n + job->count * (uint64_t)OVERHEAD)) {
		job->refusal = REFUSED_UNAVAILABLE;
		error_set(&job->why, "journal full");
	}
}

/* Nothing of the group was stored. */
static void
refuse_all(struct job *const *jobs, size_t n, const struct error *why)
{
	for (size_t i = 0; i < n; i++) {
		if (!jobs[i]->enters)
			continue;
		jobs[i]->refusal = REFUSED_UNAVAILABLE;
		jobs[i]->why = *why;
		for (size_t k = 0; k < jobs[i]->count; k++)
			jobs[i]->events[k].seq = 0;
	}
}

static enum store_rc
enter_all(const struct entry_way *way, struct job *const *jobs, size_t n, struct error *why)
{
	for (size_t i = 0; i < n; i++) {
		enum store_rc rc;

		if (!jobs[i]->enters)
			continue;
		refuse_at_the_door(way->journal, jobs[i]);
		if (jobs[i]->refusal != REFUSED_NOT)
			continue;
		rc = enter_job(way, jobs[i]);
		if (rc != STORE_OK) {
			*why = jobs[i]->why;
			return rc;
		}
	}
	return STORE_OK;
}

static size_t
count_appended(struct job *const *jobs, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < jobs[i]->count; k++)
			count += jobs[i]->refusal == REFUSED_NOT &&
				 jobs[i]->events[k].outcome == OUTCOME_NEW &&
				 jobs[i]->events[k].seq;
	return count;
}

static bool
any_enters(struct job *const *jobs, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= jobs[i]->enters;
	return any;
}

static bool
any_in_time(struct job *const *jobs, size_t n)
{
	const uint64_t now_ms = clock_mono_ms();
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= jobs[i]->enters && now_ms <= jobs[i]->rq.deadline;
	return any;
}

/* Takes the journal's lock. Whoever has waited so long for it that the claims may be over before the commit
 * makes them again, without the lock, while somebody waits for the answer. */
static enum store_rc
begin(struct journal *journal, struct claims *claims, struct job *const *jobs, size_t n,
	struct error *why)
{
	enum store_rc rc = journal_begin(journal, why);

	while (rc == STORE_OK && claims_aged(claims) && any_in_time(jobs, n)) {
		journal_abort(journal);
		rc = claims_make(claims, journal, jobs, n, why);
		if (rc == STORE_OK)
			rc = journal_begin(journal, why);
	}
	return rc;
}

static enum store_rc
commit_all(const struct entry_way *way, struct claims *claims, struct job *const *jobs, size_t n,
	struct error *why)
{
	struct journal *journal = way->journal;
	enum store_rc rc = begin(journal, claims, jobs, n, why);

	if (rc != STORE_OK)
		return rc;
	rc = enter_all(way, jobs, n, why);
	if (rc == STORE_OK)
		return journal_commit(journal, why);
	journal_abort(journal);
	return rc;
}

/* Before the lock: a body may be long. */
static void
hash_proofs(struct journal *journal, struct job *const *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct job *job = jobs[i];

		if (!job->enters || !job->proof.token.p)
			continue;
		job->token = journal_hash(journal, job->rq.source, job->proof.token);
		job->body = journal_hash(journal, job->rq.source, job->rq.body);
	}
}

size_t
group_commit(struct journal *journal, struct claims *claims, struct job *const *jobs, size_t n,
	msgpack_sbuffer *frames)
{
	const struct entry_way way = {journal, claims->keyed, frames};
	struct error why = {"cannot store"};
	enum store_rc rc;

	msgpack_sbuffer_clear(frames);
	for (size_t i = 0; i < n; i++)
		jobs[i]->enters = may_enter(jobs[i]);
	if (!any_enters(jobs, n))
		return 0;
	hash_proofs(journal, jobs, n);
	rc = claims_make(claims, journal, jobs, n, &why);
	if (rc == STORE_OK && any_enters(jobs, n))
		rc = commit_all(&way, claims, jobs, n, &why);
	if (rc == STORE_OK)
		claims_tell(claims, jobs, n);
	else
		refuse_all(jobs, n, &why);
	return count_appended(jobs, n);
}
