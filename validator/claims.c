/* claims - see claims.h. */
#include "claims.h"

#include <stdlib.h>

#include "lib/base/clock.h"

enum { BUSY_FIRST_MS = 20, BUSY_STEPS = 5 };

const struct seen_engine *
claims_engine(const struct config *cfg)
{
	return cfg->redis.urls_count > 0 ? &seen_redis : &seen_journal;
}

bool
claims_open(struct claims *claims, const struct seen_engine *engine, const struct seen_home *home,
	struct error *why)
{
	*claims = (struct claims){
		.engine = engine,
		.seen = engine->open(home, why),
		.keyed = home->cfg->database.kind == DATABASE_POSTGRESQL &&
			 home->cfg->database.known_ids,
	};
	return claims->seen != NULL;
}

void
claims_close(struct claims *claims)
{
	if (claims->seen)
		claims->engine->close(&claims->seen);
	free(claims->rows);
	*claims = (struct claims){.engine = claims->engine};
}

/* Candidates of all jobs, whether they enter or not: rows are never more. */
static bool
make_room(struct claims *claims, struct job *const *jobs, size_t n)
{
	struct seen_claim *rows;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += jobs[i]->count;
	if (count <= claims->room)
		return true;
	rows = realloc(claims->rows, count * sizeof *rows);
	if (!rows)
		return false;
	claims->rows = rows;
	claims->room = count;
	return true;
}

static void
add_row(struct claims *claims, size_t at, const struct job *job, const struct candidate *c)
{
	claims->rows[at] = (struct seen_claim){
		.hash = c->hash,
		.window_ms =
			c->outcome == OUTCOME_DUPLICATE ? c->left_ms : job->source->dedup_window_ms,
	};
}

static bool
takes_part(const struct job *job, const struct candidate *c)
{
	return job->enters && c->outcome == OUTCOME_NEW;
}

static void
refuse(struct job *job, enum unable unable, const char *why)
{
	job->refusal = REFUSED_UNAVAILABLE;
	job->unable = unable;
	error_set(&job->why, "%s", why);
}

/* 20, 40, 80 ... ms, as long as it is patient. */
static void
wait_for_other(const struct claims *claims, struct job *job)
{
	const uint64_t now_ms = clock_mono_ms();
	const unsigned step = job->busy.times < BUSY_STEPS ? job->busy.times : BUSY_STEPS;

	if (job->busy.now)
		return;
	if (job->busy.times++ == 0)
		job->busy.since_ms = now_ms;
	job->busy.again_ms = now_ms + ((uint64_t)BUSY_FIRST_MS << step);
	job->busy.now = now_ms - job->busy.since_ms < claims->patience_ms;
	if (!job->busy.now)
		refuse(job, UNABLE_BUSY, "another node is storing one of these events");
}

static void
hear(struct claims *claims, struct job *job, struct candidate *c, enum seen_answer answer)
{
	switch (answer) {
	case SEEN_FREE:
		c->claimed = true;
		return;
	case SEEN_TAKEN:
		c->outcome = OUTCOME_DUPLICATE;
		claims->told++;
		return;
	case SEEN_BUSY:
		wait_for_other(claims, job);
		return;
	case SEEN_AWAY:
		refuse(job, UNABLE_AWAY, "Redis, which knows what other nodes have, is away");
		return;
	}
}

/* In the order of the rows, so a job is taken out of the group only when all of it is heard. */
static void
hear_all(struct claims *claims, struct job *const *jobs, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < jobs[i]->count; k++)
			if (takes_part(jobs[i], &jobs[i]->events[k]))
				hear(claims, jobs[i], &jobs[i]->events[k],
					claims->rows[at++].answer);
		jobs[i]->enters &= jobs[i]->refusal == REFUSED_NOT && !jobs[i]->busy.now;
	}
}

enum store_rc
claims_make(struct claims *claims, struct journal *journal, struct job *const *jobs, size_t n,
	struct error *why)
{
	enum store_rc rc;
	size_t count = 0;

	if (!make_room(claims, jobs, n)) {
		error_set(why, "out of memory");
		return STORE_FAILED;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < jobs[i]->count; k++) {
			struct candidate *c = &jobs[i]->events[k];

			c->claimed = false;
			if (!takes_part(jobs[i], c))
				continue;
			c->hash = journal_hash(journal, jobs[i]->rq.source, c->key);
			add_row(claims, count++, jobs[i], c);
		}
	rc = claims->engine->claim(claims->seen, claims->rows, count, why);
	if (rc == STORE_OK)
		hear_all(claims, jobs, n);
	return rc;
}

/* Stored with this commit, or known by the journal as a duplicate or as this very request's. */
static bool
is_durable(const struct job *job, const struct candidate *c)
{
	return job->refusal == REFUSED_NOT &&
	       (c->outcome == OUTCOME_NEW || c->outcome == OUTCOME_DUPLICATE);
}

static size_t
choose(struct claims *claims, struct job *const *jobs, size_t n, bool durable)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; !jobs[i]->busy.now && k < jobs[i]->count; k++) {
			const struct candidate *c = &jobs[i]->events[k];

			if (c->claimed && is_durable(jobs[i], c) == durable)
				add_row(claims, count++, jobs[i], c);
		}
	return count;
}

bool
claims_aged(const struct claims *claims)
{
	return claims->engine->aged && claims->engine->aged(claims->seen);
}

uint64_t
claims_tick(struct claims *claims)
{
	return claims->engine->tick ? claims->engine->tick(claims->seen) : 0;
}

const struct seen_state *
claims_state(const struct claims *claims)
{
	return claims->engine->state ? claims->engine->state(claims->seen) : NULL;
}

void
claims_tell(struct claims *claims, struct job *const *jobs, size_t n)
{
	size_t count = choose(claims, jobs, n, true);

	if (count > 0)
		claims->engine->keep(claims->seen, claims->rows, count);
	count = choose(claims, jobs, n, false);
	if (count > 0)
		claims->engine->drop(claims->seen, claims->rows, count);
}
