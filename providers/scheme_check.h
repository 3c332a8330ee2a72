/* scheme_check - the check that a source's configuration has chosen. */
#ifndef TROTLINE_PROVIDERS_SCHEME_CHECK_H
#define TROTLINE_PROVIDERS_SCHEME_CHECK_H

#include "scheme.h"

/* Runs the source's scheme (generic, and providers that leave the choice). */
enum check_step scheme_check(struct provider_source *source, struct inbound *in, struct error *why);

#endif
