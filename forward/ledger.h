/* ledger - what has changed since the last commit, and the commit: ten times a second at most, all in one
 * transaction. What a kill leaves is what the last one has written: what was answered since is sent again.
 *
 * State: items that have ended, notes of attempts. While a commit fails they are kept, and nothing new is sent
 * (ledger_is_full), so that they stay few. */
#ifndef TROTLINE_FORWARD_LEDGER_H
#define TROTLINE_FORWARD_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "destination.h"
#include "item.h"
#include "lib/base/error.h"
#include "lib/store/forward.h"

enum { COMMIT_MS = 100 };

struct note;

struct ledger {
	struct forward *store;
	struct items ended;
	struct note *notes, **last_note;
	uint64_t notes_n;
	bool changed; /* there is something to be written */
	bool stuck;   /* the last commit has failed */
};

void ledger_open(struct ledger *l, struct forward *store);
void ledger_close(struct ledger *l);

/* The item's last try, after its post is done. */
void ledger_note(struct ledger *l, const struct item *item, uint64_t now_ms);

/* It is in no list, and the ledger's from now on. */
void ledger_end(struct ledger *l, struct item *item, enum item_end end);

/* Nothing more is sent before the next commit: the last one has failed, or much has ended since. */
bool ledger_is_full(const struct ledger *l);

/* Writes all that has changed of these destinations. After another answer than STORE_OK all is kept for the
 * next call. */
enum store_rc ledger_commit(struct ledger *l, struct destination *list, struct error *why);

#endif
