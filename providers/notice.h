/* notice - what an operator must learn at once of an event whose proof was good, for it is the first
 * sign of a name or a version that this program does not know yet. Pure. */
#ifndef TROTLINE_PROVIDERS_NOTICE_H
#define TROTLINE_PROVIDERS_NOTICE_H

#include "provider.h"

/* An event about a mail to somebody (email_*) that ends without an address. */
bool notice_no_address(const struct normal *ev);

/* Does a type tell what one person did, or what is held against one address? Else it may hold for
 * several (accepted, delivered, deferred, ...). */
bool notice_is_act(struct slice type);

/* An anonymous event is nobody's: it loses its address; an open or a click stays what it is, to be
 * stored and not scored, and what would judge somebody becomes unknown. What holds for all stays, and
 * is not anonymous. */
void notice_settle(struct normal *ev);

/* A kind as a label and a log have it: at most NOTICE_KIND_MAX bytes and a NUL; what is no letter, no
 * digit and none of "._-/:+ " becomes '?'. */
enum { NOTICE_KIND_MAX = 64 };
void notice_kind(struct slice kind, char out[NOTICE_KIND_MAX + 1]);

#endif
