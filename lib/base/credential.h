/* credential - which headers carry what lets one in: they are shown to nobody and kept nowhere without
 * need. Pure. */
#ifndef TROTLINE_BASE_CREDENTIAL_H
#define TROTLINE_BASE_CREDENTIAL_H

#include <stdbool.h>

#include "slice.h"

/* By its name, or own: the one in which a source's secret stands, or NULL. A name that is too long
 * to tell is taken for one. */
bool credential_header(struct slice name, const char *own);

#endif
