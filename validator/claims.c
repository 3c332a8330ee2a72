/* claims - see claims.h. */
#include "claims.h"

#include <stdlib.h>

bool
claims_open(struct claims *claims, const struct seen_engine *engine, const struct config *cfg,
	struct error *why)
{
	*claims = (struct claims){
		.engine = engine,
		.seen = engine->open(cfg, why),
		.keyed = cfg->database.kind == DATABASE_POSTGRESQL && cfg->database.known_ids,
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
		.window_ms = job->source->dedup_window_ms,
	};
}

static bool
takes_part(const struct job *job, const struct candidate *c)
{
	return job->enters && c->outcome == OUTCOME_NEW;
}

static void
hear(struct job *job, struct candidate *c, enum seen_answer answer)
{
	switch (answer) {
	case SEEN_FREE:
		c->claimed = true;
		return;
	case SEEN_TAKEN:
		c->outcome = OUTCOME_DUPLICATE;
		return;
	case SEEN_BUSY:
		job->refusal = REFUSED_UNAVAILABLE;
		error_set(&job->why, "another node is storing one of these events");
		return;
	}
}

/* In the order of the rows, so a job is taken out of the group only when all of it is heard. */
static void
hear_all(const struct claims *claims, struct job *const *jobs, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < jobs[i]->count; k++)
			if (takes_part(jobs[i], &jobs[i]->events[k]))
				hear(jobs[i], &jobs[i]->events[k], claims->rows[at++].answer);
		jobs[i]->enters &= jobs[i]->refusal == REFUSED_NOT;
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
		for (size_t k = 0; k < jobs[i]->count; k++) {
			const struct candidate *c = &jobs[i]->events[k];

			if (c->claimed && is_durable(jobs[i], c) == durable)
				add_row(claims, count++, jobs[i], c);
		}
	return count;
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
