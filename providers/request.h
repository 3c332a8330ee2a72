/* request - a request as ingress has handed it on, made ready for its provider's check. */
#ifndef TROTLINE_PROVIDERS_REQUEST_H
#define TROTLINE_PROVIDERS_REQUEST_H

#include "lib/config/config.h"
#include "proto/frame.h"
#include "provider.h"

/* Fills in what the request and the configuration say: headers, target, body and batch. All points
 * into the request. */
void request_inbound(const struct request *rq, const struct config *cfg, struct inbound *in);

/* The URL as the sender has it, for the provider that signs it (Mandrill): the inbound's own, else
 * https (a proxy in front may say otherwise by X-Forwarded-Proto), the Host header and the target,
 * made in the zone. Absent when neither is there, or memory is short. */
struct slice request_url(const struct inbound *in);

#endif
