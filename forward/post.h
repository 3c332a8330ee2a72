/* post - HTTP requests under way, many at once, over libcurl.
 *
 * In: a request with its target. Out: its answer, or why there was none, in the call of `done`, from
 * posts_run alone. State: connections that are kept for the next request. Neither redirects nor proxies of
 * the environment are followed, certificates are verified, and each address that is dialled has passed the
 * target's guard. No cause that it gives quotes a URL, a header or a body. */
#ifndef TROTLINE_FORWARD_POST_H
#define TROTLINE_FORWARD_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "guard.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"
#include "lib/store/forward.h"

enum {
	POSTS_MAX = CONFIG_FORWARD_CONCURRENCY + 16, /* tests come beside */
	POST_CONNECT_MS = 5000,
	POST_BODY_MAX =
		64 * 1024, /* of an answer; what is longer is cut, and its connection ended */
	POST_HEAD_MAX = 64 * 1024,
	POST_RETRY_AFTER = 64
};

/* Where requests go; outlives them. */
struct post_target {
	const char *url, *ca_file; /* ca_file NULL: the system's */
	const struct guard *guard;
	char **headers; /* more of them, "Name: value" */
	size_t headers_count;
	uint64_t timeout_ms;
};

struct post {
	/* in; the body lives until it is done */
	const struct post_target *to;
	struct slice body;
	/* out */
	enum trouble_kind trouble;
	unsigned status; /* 0: no answer */
	uint64_t took_us;
	char retry_after[POST_RETRY_AFTER];
	char cause[FORWARD_CAUSE]; /* "": answered */
	char answer[FORWARD_ANSWER];
	size_t answer_n;
	/* private */
	void *easy, *list;
	uint64_t began_us;
	size_t head_n, body_n;
	bool head_whole;             /* its end has come, too */
	unsigned dialled, forbidden; /* addresses */
	char error[256];
};

typedef void posts_done(void *arg, struct post *post);

struct posts;

/* NULL with the cause. */
struct posts *posts_new(posts_done *done, void *arg, struct error *why);
/* What is under way is given up without a word; its posts are still there. */
void posts_destroy(struct posts **posts);

/* headers: n lines "Name: value", copied. False with the cause: it does not go out, `done` is not called. */
bool posts_send(struct posts *posts, struct post *post, const char *const *headers, size_t n,
	struct error *why);

/* Readable when posts_run is to be called; so it is to be at posts_wakes_ms (monotonic; 0: not by itself). */
int posts_fd(const struct posts *posts);
uint64_t posts_wakes_ms(const struct posts *posts);
void posts_run(struct posts *posts);

#endif
