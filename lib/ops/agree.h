/* agree - do state.db and the journal tell of the same events? A look at a start, at what was done last. */
#ifndef TROTLINE_OPS_AGREE_H
#define TROTLINE_OPS_AGREE_H

#include "lib/config/config.h"
#include "lib/store/journal.h"
#include "proto/causes.h"

/* CAUSE_BEHIND: of the last AGREE_LOOKS events that the journal knows to be done by our own handlers, some
 * are not in state.db, as after an older copy was put back. CAUSE_AHEAD: state.db has events of the
 * journal that the journal does not know yet, as when an older journal was put back. CAUSE_NONE: neither, or it
 * cannot be told. why: how many, which. */
enum { AGREE_LOOKS = 256 };
enum store_cause stores_agree(const struct config *cfg, struct journal *j, struct error *why);

#endif
