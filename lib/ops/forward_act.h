/* forward_act - what operators do to a destination: each act is a transaction in forward.db, which the stage sees
 * within a second where it runs, and else when it starts. */
#ifndef TROTLINE_OPS_FORWARD_ACT_H
#define TROTLINE_OPS_FORWARD_ACT_H

#include "forward_look.h"
#include "lib/base/standard_keys.h"

enum { FORWARD_GRACE_MS = 24 * 3600 * 1000 };

/* Each with a look that was opened with FORWARD_CHANGE. OPS_NOT_FOUND with the cause: there is no such destination,
 * or the stage has not taken it on yet. */
enum ops_found forward_act_pause(
	struct forward_look *l, const char *name, bool paused, struct error *why);
/* Its place, what it is owed, letters and attempts are gone; OPS_WRONG while it is configured. */
enum ops_found forward_act_forget(struct forward_look *l, const char *name, struct error *why);
enum ops_found forward_act_enable(struct forward_look *l, const char *name, struct error *why);

/* It goes on with what was accepted from then on; not back. *from and *to: the numbers that it leaves out, wanted or
 * not; dry: only says. OPS_WRONG: it is past that already. */
enum ops_found forward_act_skip(struct forward_look *l, const char *name, uint64_t to_ms, bool dry,
	uint64_t *from, uint64_t *to, struct error *why);

/* A new key, put first; the one before goes after FORWARD_GRACE_MS, or at once (now). force: while another is on its
 * way out, too. */
enum ops_found forward_act_rotate(struct forward_look *l, const char *name, bool now, bool force,
	struct standard_keys_facts *facts, struct error *why);

/* Asks the stage for a test: of the event of that id, or (NULL) an invented one. */
enum ops_found forward_act_ask(struct forward_look *l, const char *name, const char *event,
	uint64_t *ask, struct error *why);
/* Its attempt, in the zone; OPS_NOT_FOUND: not yet. */
enum ops_found forward_act_answer(struct forward_look *l, const char *name, uint64_t ask,
	msgpack_zone *zone, msgpack_object *out, struct error *why);
/* Nobody waits for it any more. */
void forward_act_withdraw(struct forward_look *l, uint64_t ask);

/* Dead letters: sent again, or dropped; which: as in forward_look_letter, NULL for all. *n: how many. */
enum ops_found forward_act_letters(struct forward_look *l, const char *name, const char *which,
	bool drop, uint64_t *n, struct error *why);

/* A replay goes on, pauses or ends. OPS_NOT_FOUND with the cause; OPS_WRONG: it has ended. */
enum ops_found forward_act_job(
	struct forward_look *l, uint64_t id, enum forward_job_state state, struct error *why);

#endif
