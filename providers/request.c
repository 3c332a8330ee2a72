/* request - see request.h. */
#include "request.h"

#include "header.h"

void
request_inbound(const struct request *rq, const struct config *cfg, struct inbound *in)
{
	in->headers = &rq->headers;
	in->target = rq->target;
	in->body = rq->body;
	in->batch = rq->batch;
	in->batch_events = cfg->limits.batch_events;
}

static char *
put(char *to, struct slice part)
{
	return part.n ? mempcpy(to, part.p, part.n) : to;
}

struct slice
request_url(const struct inbound *in)
{
	struct slice host, proto, scheme;
	char *url, *end;

	if (in->url.p || !in->target.p)
		return in->url;
	header_find(in->headers, "Host", &host);
	header_find(in->headers, "X-Forwarded-Proto", &proto);
	scheme = slice_of(slice_is(proto, "http") ? "http://" : "https://");
	url = msgpack_zone_malloc_no_align(in->zone, scheme.n + host.n + in->target.n);
	if (!url)
		return in->url;
	end = put(put(put(url, scheme), host), in->target);
	return (struct slice){url, (size_t)(end - url)};
}
