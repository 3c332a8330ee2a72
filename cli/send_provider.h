/* send_provider - `send --provider`: a request as that provider would make it. */
#ifndef TROTLINE_CLI_SEND_PROVIDER_H
#define TROTLINE_CLI_SEND_PROVIDER_H

#include "cli.h"

struct provider_send {
	const char *source, *provider, *event, *email, *id, *url;
	const char *key, *new_key; /* files with a private key */
	uint64_t count;
	bool print;  /* the request as JSON for `verify`, instead of posting it */
	bool events; /* list what --event may be */
	bool json;
};

/* Whether it can be made: -1, or the exit code, the cause told. What needs no configuration leaves
 * it unread. */
int send_provider_check(const struct provider_send *ask, struct call *call);

/* Returns the exit code. */
int send_provider(const struct provider_send *ask, const struct call *call);

#endif
