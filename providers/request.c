/* request - see request.h. */
#include "request.h"

#include <stdio.h>

#include "header.h"

static struct slice
url_of(const struct request *rq, char out[REQUEST_URL_MAX])
{
	struct slice host, proto;
	int n;

	header_find(&rq->headers, "Host", &host);
	header_find(&rq->headers, "X-Forwarded-Proto", &proto);
	n = snprintf(out, REQUEST_URL_MAX, "%s://%.*s%.*s",
		slice_is(proto, "http") ? "http" : "https", SLICE_ARG(host), SLICE_ARG(rq->target));
	return n > 0 && n < REQUEST_URL_MAX ? (struct slice){out, (size_t)n}
					    : (struct slice){NULL, 0};
}

void
request_inbound(const struct request *rq, const struct config *cfg, char url[REQUEST_URL_MAX],
	struct inbound *in)
{
	in->headers = &rq->headers;
	in->body = rq->body;
	in->url = url_of(rq, url);
	in->batch = rq->batch;
	in->batch_events = cfg->limits.batch_events;
}
