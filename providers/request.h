/* request - a request as ingress has handed it on, made ready for its provider's check. */
#ifndef TROTLINE_PROVIDERS_REQUEST_H
#define TROTLINE_PROVIDERS_REQUEST_H

#include "lib/config/config.h"
#include "proto/frame.h"
#include "provider.h"

enum { REQUEST_URL_MAX = 2304 };

/* Fills in what the request and the configuration say: headers, body, batch and, in url, the URL as
 * the sender has it, for the provider that signs it (Mandrill): https (a proxy in front may say
 * otherwise by X-Forwarded-Proto), the Host header and the request's target; absent when it is
 * longer. All points into the request. */
void request_inbound(const struct request *rq, const struct config *cfg, char url[REQUEST_URL_MAX],
	struct inbound *in);

#endif
