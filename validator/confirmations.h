/* confirmations - SNS subscriptions to be confirmed: each SubscribeURL is fetched once, in the
 * background.
 *
 * In: URLs of accepted SubscriptionConfirmations. Out: one GET each, repeated with back-off only
 * until SNS has answered. State: at most CONFIRMATIONS_MAX, each in a file of its own from before
 * the sender's answer leaves until SNS has answered; a kill costs nothing, the next start goes on.
 */
#ifndef TROTLINE_VALIDATOR_CONFIRMATIONS_H
#define TROTLINE_VALIDATOR_CONFIRMATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "fetcher.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"

enum {
	CONFIRMATIONS_MAX = 32,
	CONFIRMATION_RETRY_MS = 2000, /* after a failed fetch, doubling up to: */
	CONFIRMATION_RETRY_MAX_MS = 300000,
	CONFIRMATION_DAYS = 3, /* SNS keeps its tokens for so long */
};

struct confirmations;

/* Takes up what an earlier process of this instance has left in folder. The fetcher stays the
 * caller's and must outlive it; now_ms is the wall clock. NULL with why. */
struct confirmations *confirmations_new(const char *folder, size_t instance,
	struct fetcher *fetcher, uint64_t (*now_ms)(void), struct error *why);
void confirmations_destroy(struct confirmations **confirmations);

/* To be called before the answer leaves. A URL that is known already, or that sns.h does not allow,
 * is passed over. False when it is not on disk or there are too many: then the answer is ours to
 * refuse. */
bool confirmations_add(struct confirmations *confirmations, struct slice url, struct error *why);

/* Takes in what was fetched and fetches what is due; about once a second. */
void confirmations_tick(struct confirmations *confirmations);

#endif
