/* address - e-mail addresses as senders and people write them. Pure. */
#ifndef TROTLINE_BASE_ADDRESS_H
#define TROTLINE_BASE_ADDRESS_H

#include <stdbool.h>

#include "error.h"
#include "slice.h"

enum { ADDRESS_MAX = 320 }; /* bytes */

/* Writes the ASCII lower case of an address, as long as it is itself, to out. False when it is none,
 * with what it is instead ("is no e-mail address"): absent, empty, over the limit, without something
 * on both sides of an @, or with a control character or space in it. */
bool address_read(struct slice address, char out[ADDRESS_MAX], struct error *why);

/* The bare address of "Name <a@b>" or "a@b", of a list with commas the first; spaces around are
 * cut, case is kept, nothing is checked. Absent when nothing is left. */
struct slice address_bare(struct slice text);

/* An address or a Message-ID without the brackets and spaces around it: "<a@b>" to "a@b". */
struct slice address_unbracket(struct slice text);

#endif
