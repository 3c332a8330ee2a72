/* request_url - a request's URL as its sender has it, for the provider that signs it (Mandrill). */
#ifndef TROTLINE_PROVIDERS_REQUEST_H
#define TROTLINE_PROVIDERS_REQUEST_H

#include <msgpack.h>

#include "lib/base/slice.h"

enum { REQUEST_URL_MAX = 2304 };

/* https (a proxy in front may say otherwise by X-Forwarded-Proto), the Host header and the
 * request's target, in out; absent when it is longer. */
struct slice request_url(
	const msgpack_object *headers, struct slice target, char out[REQUEST_URL_MAX]);

#endif
