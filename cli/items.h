/* items - what verbs over a store of numbered items have in common (quarantine, unread): what they are
 * asked, which numbers they take, and what they say of nothing and of what was dropped. */
#ifndef TROTLINE_CLI_ITEMS_H
#define TROTLINE_CLI_ITEMS_H

#include "cli.h"
#include "lib/ops/item_query.h"

/* The options of such a verb. */
struct items_ask {
	struct item_query meant;
	bool json, yes;
	bool stale, dry_run; /* unread */
};

/* For an action's row: takes a NUMBER of `list`, or none, and a reason that there is, or none; show
 * needs a number, drop one or --yes. */
int items_check(struct call *call);
int items_check_show(struct call *call);
int items_check_drop(struct call *call);

/* Where such items are, in words. */
struct items_place {
	const char *one, *all; /* "number 7 is not <one>", "nothing is <all>" */
};

/* Says that nothing was meant. Returns CLI_FAILED when a number was given, else CLI_DONE. */
int items_nothing(const struct call *call, const struct items_place *place);

/* Says how many are away, or items_nothing when the number that was given is not there. */
int items_dropped(const struct call *call, uint64_t dropped, const struct items_place *place);

#endif
