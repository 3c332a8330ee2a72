/* request_url - see request.h. */
#include "request.h"

#include <stdio.h>

#include "scheme.h"

struct slice
request_url(const msgpack_object *headers, struct slice target, char out[REQUEST_URL_MAX])
{
	struct slice host, proto;
	int n;

	header_find(headers, "Host", &host);
	header_find(headers, "X-Forwarded-Proto", &proto);
	n = snprintf(out, REQUEST_URL_MAX, "%s://%.*s%.*s",
		slice_is(proto, "http") ? "http" : "https", SLICE_ARG(host), SLICE_ARG(target));
	return n > 0 && n < REQUEST_URL_MAX ? (struct slice){out, (size_t)n}
					    : (struct slice){NULL, 0};
}
