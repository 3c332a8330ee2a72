/* scratch - what the tests of the journal and its users share: a folder of their own with a loaded
 * configuration, events, signed requests, a clock that can be moved, and a disk that can fail.
 *
 * Each Criterion test is a process of its own, so nothing here needs to be put back. */
#ifndef TROTLINE_TEST_SCRATCH_H
#define TROTLINE_TEST_SCRATCH_H

#include <criterion/criterion.h>

#include "lib/config/config.h"
#include "lib/store/journal.h"
#include "validator/job.h"

#define SCRATCH_SECRET "0123456789abcdef-email"
#define SCRATCH_OTHER_SECRET "0123456789abcdef-newer"

struct scratch {
	char folder[64];
	struct config *cfg; /* of the process; may be changed */
	struct error why;
};

/* A fresh folder under /tmp, and the configuration that is made of it: the sources `email` (two
 * live secrets) and `other`, and what `more` adds as YAML; without history unless that names it. Logs
 * are off but for errors. */
void scratch_open(struct scratch *s, const char *more);
/* The same folder from now on with another `more`. */
void scratch_configure(struct scratch *s, const char *more);
/* Removes the folder with all that is in it. */
void scratch_close(struct scratch *s);

/* The path of a file in the data folder; good until the next call. */
const char *scratch_path(const struct scratch *s, const char *file);

/* Opens the journal or fails the test. */
struct journal *scratch_journal(struct scratch *s);

/* ---- events ---- */

/* An event frame as it would stand in the journal under seq; good until the next call. */
struct slice scratch_frame(struct slice journal, uint64_t seq, const char *type, const char *id);

/* A key for an id of the source `email`, asked by request number `request`, at now, with the
 * source's window. */
struct journal_key scratch_key(
	const struct scratch *s, struct journal *j, const char *id, uint64_t request);

/* Accepts one event in a transaction of its own, and returns its seq. */
uint64_t scratch_accept(
	const struct scratch *s, struct journal *j, const char *type, const char *id);

/* Makes one move in a transaction of its own. */
struct journal_change scratch_settle(struct journal *j, uint64_t seq, enum journal_move move);

/* What journal_seen says of an id, in a transaction that is given up. */
enum journal_seen scratch_seen(const struct scratch *s, struct journal *j, const char *id);

/* ---- requests ---- */

/* "sha256=..." over the body; good until the next call. */
const char *scratch_sign(struct slice body, const char *secret);

/* Puts a request into the job as if it had come from an ingress: signed, for the source `email`,
 * with its deadline far away. */
void scratch_request(struct job *job, uint64_t number, bool batch, const char *body);
/* The same with an X-Signature of one's own (NULL: none) and the body's length. */
void scratch_request_signed(
	struct job *job, uint64_t number, bool batch, struct slice body, const char *signature);

/* ---- the machine ---- */

/* Moves the clocks of this process forward; no test waits. */
void scratch_skip_ms(uint64_t ms);
/* Moves the wall clock only; also back. */
void scratch_jump_ms(int64_t ms);
/* The machine was off for so long: time since boot begins anew. */
void scratch_reboot(uint64_t off_ms);

/* From now on every flush of a file fails with this errno; 0: works again. */
extern int scratch_flush_error;
/* Flushes asked for so far. */
extern unsigned scratch_flushes;

/* Called with each of them, if set. */
extern void (*scratch_on_flush)(int fd);

#endif
