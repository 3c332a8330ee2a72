/* forward_jobs - replays: what is asked for, and how far each has come. */
#include <stdio.h>

#include "forward_private.h"
#include "lib/base/clock.h"

/* What never changes, and what the stage counts up. */
#define JOB_GIVEN(X) X(since_ms) X(until_ms) X(end) X(begin) X(rate) X(new_ids) X(made_ms)
#define JOB_COUNTED(X) X(next) X(meant) X(sent) X(died) X(missed) X(ended_ms)
#define JOB_TEXTS(X) X(email) X(type) X(source)
#define COLUMN(column) ", \"" #column "\""
#define PLACE(column) ", ?"

bool
forward_job_make(struct forward *f, struct forward_job *job, struct error *why)
{
	uint64_t dest;

	if (!job->made_ms)
		job->made_ms = clock_wall_ms();
#define NUMBER(column) , V_NUMBER(job->column)
#define TEXT(column) , V_TEXT(job->column)
	if (!forward_dest(f, job->name, &dest, why) ||
		!forward_run(f,
			"INSERT INTO job(dest, state" JOB_GIVEN(COLUMN) JOB_COUNTED(COLUMN)
				JOB_TEXTS(COLUMN) ") VALUES(?, ?" JOB_GIVEN(PLACE)
					JOB_COUNTED(PLACE) JOB_TEXTS(PLACE) ")",
			VALUES(V_NUMBER(dest), V_NUMBER(job->state) JOB_GIVEN(NUMBER)
						       JOB_COUNTED(NUMBER) JOB_TEXTS(TEXT)),
			NULL, why))
		return false;
	job->id = (uint64_t)sqlite3_last_insert_rowid(f->db);
	return true;
}

struct visit {
	forward_visit_job *fn;
	void *arg;
};

static bool
visit_job(void *arg, sqlite3_stmt *row)
{
	const struct visit *v = arg;
	struct forward_job job = {.id = forward_number(row, 1),
		.state = (enum forward_job_state)forward_number(row, 2)};
	int i = 3;

	forward_copy(row, 0, job.name, sizeof job.name);
#define READ_NUMBER(column) job.column = (__typeof__(job.column))forward_number(row, i++);
#define READ_TEXT(column) job.column = forward_text(row, i++);
	JOB_GIVEN(READ_NUMBER)
	JOB_COUNTED(READ_NUMBER)
	JOB_TEXTS(READ_TEXT)
	return v->fn(v->arg, &job);
}

#define JOB_SQL                                                                                    \
	"SELECT name, job.id, job.state" JOB_GIVEN(OF_JOB) JOB_COUNTED(OF_JOB) JOB_TEXTS(OF_JOB)
#define OF_JOB(column) ", job.\"" #column "\""

bool
forward_jobs(
	struct forward *f, const char *name, forward_visit_job *fn, void *arg, struct error *why)
{
	struct visit v = {fn, arg};
	uint64_t dest;

	if (!name)
		return forward_each(f,
			JOB_SQL " FROM job JOIN destination ON destination.id = dest"
				" ORDER BY job.id DESC",
			NULL, 0, visit_job, &v, why);
	return forward_dest(f, name, &dest, why) &&
	       forward_each(f,
		       JOB_SQL
		       " FROM job INDEXED BY job_of JOIN destination ON destination.id = dest"
		       " WHERE dest = ?1 ORDER BY job.id DESC",
		       VALUES(V_NUMBER(dest)), visit_job, &v, why);
}

static bool
set_state(struct forward *f, uint64_t id, enum forward_job_state state, struct error *why)
{
	const bool ends = state == FORWARD_JOB_DONE || state == FORWARD_JOB_STOPPED;

	return forward_run(f, "UPDATE job SET state = ?2, ended_ms = ?3 WHERE id = ?1",
		       VALUES(V_NUMBER(id), V_NUMBER(state), V_NUMBER(ends ? clock_wall_ms() : 0)),
		       NULL, why) &&
	       (state != FORWARD_JOB_STOPPED ||
		       forward_run(f,
			       "DELETE FROM owed WHERE job = ?1"
			       " AND dest = (SELECT dest FROM job WHERE id = ?1)",
			       VALUES(V_NUMBER(id)), NULL, why));
}

static bool
change_state(struct forward *f, uint64_t id, enum forward_job_state from, enum forward_job_state to,
	struct error *why)
{
	if (from == to)
		return true;
	if (from == FORWARD_JOB_DONE || from == FORWARD_JOB_STOPPED)
		return error_set(
			why, "replay %llu is %s", (unsigned long long)id, forward_job_words[from]);
	return set_state(f, id, to, why);
}

bool
forward_job_state(struct forward *f, uint64_t id, enum forward_job_state state, bool *found,
	struct error *why)
{
	uint64_t now;
	bool own, good;

	*found = false;
	if (!forward_act(f, &own, why))
		return false;
	good = forward_ask_number(
		f, "SELECT state FROM job WHERE id = ?1", VALUES(V_NUMBER(id)), &now, found, why);
	good = good && (!*found || change_state(f, id, (enum forward_job_state)now, state, why));
	return forward_act_end(f, own, good, why);
}

#define SET(column) ", \"" #column "\" = ?"

/* One that an operator has paused goes on from here, and one that is stopped stays so. */
bool
forward_job_put(struct forward *f, const struct forward_job *job, struct error *why)
{
	return forward_run(f,
		"UPDATE job SET state = iif(state = 0, ?, state)" JOB_COUNTED(SET) " WHERE id = ?",
		VALUES(V_NUMBER(job->state) JOB_COUNTED(NUMBER), V_NUMBER(job->id)), NULL, why);
}
