/* trace - see trace.h. */
#include "trace.h"

#include "lib/base/log.h"

enum { APART_MS = 1000 };

/* The path, without its query and without an address that stands in it: who is refused may still have asked
 * for a person. */
static struct slice
place_of(const struct listener_request *rq)
{
	static const char PERSON[] = "/suppressions/";
	const struct slice path = slice_of(rq->path ? rq->path : "");

	return slice_starts(path, PERSON) ? (struct slice){path.p, sizeof PERSON - 1} : path;
}

void
trace_refused(struct trace *t, const struct listener_request *rq, unsigned status,
	const char *cause, uint64_t now_ms)
{
	char peer[LISTENER_PEER_MAX];

	if (t->told_ms != 0 && now_ms < t->told_ms + APART_MS) {
		t->more++;
		return;
	}
	listener_peer(rq, peer);
	log_warn("request refused", LF_TEXT("peer", peer), LF_UINT("status", status),
		LF_TEXT("cause", cause), LF_TEXT("method", rq->method ? rq->method : ""),
		LF_SLICE("target", place_of(rq)), LF_UINT("more", t->more));
	t->told_ms = now_ms;
	t->more = 0;
}

void
trace_rest(struct trace *t, uint64_t now_ms)
{
	if (t->more == 0 || now_ms < t->told_ms + APART_MS)
		return;
	log_warn("requests refused", LF_UINT("more", t->more));
	t->told_ms = now_ms;
	t->more = 0;
}

void
trace_changed(const struct listener_request *rq, const char *action, uint64_t letters)
{
	char peer[LISTENER_PEER_MAX];

	listener_peer(rq, peer);
	log_warn("changed by an operator", LF_TEXT("action", action), LF_TEXT("peer", peer),
		LF_TEXT("method", rq->method), LF_TEXT("target", rq->target ? rq->target : ""),
		LF_UINT("letters", letters));
}
