/* unread - what of an accepted body was not, or not wholly, taken as events: gathered in one place for
 * all providers, and its bytes found in the body. See provider.h. */
#ifndef TROTLINE_PROVIDERS_UNREAD_H
#define TROTLINE_PROVIDERS_UNREAD_H

#include "provider.h"

/* After a reading: notes the events that it left out and the faults in a batch, and where the items
 * stand. */
void unread_of(const struct inbound *in, struct normals *out);

#endif
