/* errands - what SNS has the validator fetch: certificates and confirmations, on one thread of its
 * own.
 *
 * State: <data_dir>/certs, made at the first need; see certificates.h and confirmations.h. */
#ifndef TROTLINE_VALIDATOR_ERRANDS_H
#define TROTLINE_VALIDATOR_ERRANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "providers/provider.h"

struct errands;

/* Goes on with what an earlier process of this instance has left. NULL when memory is short. */
struct errands *errands_new(const struct config *cfg, size_t instance);
void errands_destroy(struct errands **errands);

/* Whose requests ask from here on: any number of the source's own. */
void errands_of(struct errands *errands, size_t source);

/* The certificate of a URL, or nothing for now; arg: the errands. The second fetches none. */
provider_certificate errands_certificate, errands_certificate_known;

/* Before the answer leaves: from here on the URL will be fetched. False when that cannot be
 * promised. */
bool errands_confirm(struct errands *errands, struct slice url, struct error *why);

/* About once a second. */
void errands_tick(struct errands *errands);

#endif
