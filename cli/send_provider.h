/* send_provider - `send --provider`: a request as that provider would make it. */
#ifndef TROTLINE_CLI_SEND_PROVIDER_H
#define TROTLINE_CLI_SEND_PROVIDER_H

#include "cli.h"
#include "http.h"

struct provider_send {
	const struct verb *verb;
	const char *config, *source, *provider, *event, *email, *id, *url;
	const char *key, *new_key; /* files with a private key */
	uint64_t count;
	bool print;  /* the request as JSON for `verify`, instead of posting it */
	bool events; /* list what --event may be */
	bool json;
};

/* Returns the exit code. */
int send_provider(const struct provider_send *ask);

/* Prints an answer, as a line or (json) as an object; id may be NULL. (send.c) */
void send_answer(bool json, const char *url, const char *id, const struct http_answer *answer);

#endif
