/* notice - says that something was written to the history: a descriptor that is readable then. */
#ifndef TROTLINE_FORWARD_NOTICE_H
#define TROTLINE_FORWARD_NOTICE_H

#include <stdbool.h>

#include "lib/base/error.h"

/* Less than 0 with the cause. It watches nothing yet. */
int notice_open(struct error *why);

/* False where there is no such folder yet. */
bool notice_watch(int notice, const char *folder);

/* Forgets what was said up to now. */
void notice_clear(int notice);

#endif
