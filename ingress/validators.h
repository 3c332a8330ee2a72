/* validators - requests on their way to the validators: who waits, whose turn it is, who has what.
 *
 * In: exchanges that are complete. Out: bundles of request frames, on a socket of its own for each
 * validator, so that one which stands still is known and holds up nobody else's. What waits, waits
 * here: only few bundles are ahead of a validator, in bytes, counted until libzmq has given them to
 * the system or thrown them away with their connection. So nothing can be credited wrongly, whoever
 * is killed, and what was answered 503 holds no memory but that.
 *
 * Sources take turns, by bytes: a flood of one leaves the others as much as it takes.
 *
 * State: who was asked what, in memory. A validator that goes, or says nothing for a third of
 * limits.answer_timeout while others do, is not waited for: others are asked; all know a request that
 * is committed by its number. */
#ifndef TROTLINE_INGRESS_VALIDATORS_H
#define TROTLINE_INGRESS_VALIDATORS_H

#include "exchange.h"
#include "lib/base/error.h"
#include "lib/stage/stage.h"

struct validators;

/* boot: this process's random id, for the frames. NULL with the cause. st and table outlive it. */
struct validators *validators_new(
	struct stage *st, struct exchanges *table, uint64_t boot, struct error *why);
void validators_destroy(struct validators **v);

/* Takes a complete request, EXCHANGE_UNSENT, until it is let go. */
void validators_ask(struct validators *v, struct exchange *x);

/* It is over: answered by a validator, or else given up. To be called before its state changes. */
void validators_let_go(struct validators *v, struct exchange *x, bool answered);

/* Sends what waits, as far as validators have room. */
void validators_send(struct validators *v);

/* Asks others instead of those who say nothing; some times a second. */
void validators_tick(struct validators *v, uint64_t now_ms);

#endif
