/* judge - what becomes of an event, and of its destination, by the answer that came. */
#ifndef TROTLINE_FORWARD_JUDGE_H
#define TROTLINE_FORWARD_JUDGE_H

#include "deliverer.h"
#include "item.h"

/* The item is in no list any more, and is in one afterwards, or the ledger's. */
void judge_answer(struct deliverer *dl, struct item *item);

#endif
