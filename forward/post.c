/* post - see post.h. */
#include "post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"

struct posts {
	CURLM *multi;
	int epoll;
	posts_done *done;
	void *arg;
	uint64_t wakes_ms;
	CURL *all[POSTS_MAX], *spare[POSTS_MAX]; /* spare: those that wait for a request */
	size_t all_n, spare_n;
};

/* ---- what libcurl calls ---- */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct posts *posts = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(posts->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
		       (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	(void)epoll_ctl(posts->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(posts->multi, fd, posts);
	return 0;
}

static int
on_timer(CURLM *multi, long wait_ms, void *arg)
{
	struct posts *posts = arg;

	(void)multi;
	posts->wakes_ms = wait_ms < 0 ? 0 : clock_mono_ms() + (uint64_t)wait_ms + (wait_ms > 0);
	return 0;
}

/* The very address that is dialled: no second look-up can come between. */
static curl_socket_t
on_dial(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct post *post = arg;
	const bool plain = strncasecmp(post->to->url, "http:", 5) == 0;
	struct error why = {""};
	bool good;

	(void)purpose;
	good = guard_allows(post->to->guard, &address->addr, &why) &&
	       (!plain || guard_allows_plain(post->to->guard, &address->addr, &why));
	if (!good) {
		post->forbidden++;
		snprintf(post->cause, sizeof post->cause, "%.*s", (int)sizeof post->cause - 1,
			why.text);
		return CURL_SOCKET_BAD;
	}
	post->dialled++;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t
on_head(char *bytes, size_t size, size_t n, void *arg)
{
	static const char NAME[] = "retry-after:";
	struct post *post = arg;
	struct slice value = {bytes, size * n};

	post->head_n += value.n;
	if (slice_starts(value, "HTTP/"))
		post->head_whole = false; /* of an answer before this one, such as 100 */
	post->head_whole |= slice_is(value, "\r\n") || slice_is(value, "\n");
	if (value.n >= sizeof NAME - 1 && strncasecmp(bytes, NAME, sizeof NAME - 1) == 0) {
		value.p += sizeof NAME - 1, value.n -= sizeof NAME - 1;
		value = slice_trim(value, " \t\r\n");
		snprintf(post->retry_after, sizeof post->retry_after, "%.*s", SLICE_ARG(value));
	}
	return post->head_n > POST_HEAD_MAX ? 0 : size * n;
}

static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct post *post = arg;
	const size_t all = size * n, room = sizeof post->answer - post->answer_n;
	const size_t kept = all < room ? all : room;

	memcpy(post->answer + post->answer_n, bytes, kept);
	post->answer_n += kept;
	post->body_n += all;
	return post->body_n > POST_BODY_MAX ? CURL_WRITEFUNC_ERROR : all;
}

/* ---- a request ---- */

static bool
set_target(CURL *easy, const struct post_target *to)
{
	const long connect_ms =
		(long)(to->timeout_ms < POST_CONNECT_MS ? to->timeout_ms : POST_CONNECT_MS);

	return curl_easy_setopt(easy, CURLOPT_URL, to->url) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       (!to->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, to->ca_file) == CURLE_OK) &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)to->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, "Trotline/" TROTLINE_VERSION) == CURLE_OK;
}

static bool
set_callbacks(CURL *easy, struct post *post)
{
	return curl_easy_setopt(easy, CURLOPT_PRIVATE, post) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->error) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_dial) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, post) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, post) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, post) == CURLE_OK;
}

static bool
set_body(CURL *easy, struct slice body)
{
	return curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n) == CURLE_OK;
}

static bool
add_line(struct post *post, const char *line)
{
	struct curl_slist *more = curl_slist_append(post->list, line);

	if (more)
		post->list = more;
	return more != NULL;
}

static bool
set_headers(struct post *post, const char *const *headers, size_t n)
{
	bool good = add_line(post, "Expect:") && add_line(post, "Accept:");

	for (size_t i = 0; good && i < n; i++)
		good = add_line(post, headers[i]);
	for (size_t i = 0; good && i < post->to->headers_count; i++)
		good = add_line(post, post->to->headers[i]);
	return good && curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, post->list) == CURLE_OK;
}

static CURL *
take_spare(struct posts *posts)
{
	CURL *easy;

	if (posts->spare_n)
		return posts->spare[--posts->spare_n];
	easy = posts->all_n < POSTS_MAX ? curl_easy_init() : NULL;
	if (easy)
		posts->all[posts->all_n++] = easy;
	return easy;
}

static void
give_back(struct posts *posts, struct post *post)
{
	curl_easy_reset(post->easy); /* its post too */
	posts->spare[posts->spare_n++] = post->easy;
	curl_slist_free_all(post->list);
	post->easy = post->list = NULL;
}

bool
posts_send(struct posts *posts, struct post *post, const char *const *headers, size_t n,
	struct error *why)
{
	post->easy = take_spare(posts);
	if (!post->easy)
		return error_set(why, "%zu requests are under way already", posts->all_n);
	post->list = NULL;
	post->trouble = REACHED;
	post->status = post->dialled = post->forbidden = 0;
	post->head_whole = false;
	post->head_n = post->body_n = post->answer_n = 0;
	post->retry_after[0] = post->cause[0] = post->error[0] = '\0';
	post->began_us = clock_mono_us();
	if (set_target(post->easy, post->to) && set_callbacks(post->easy, post) &&
		set_body(post->easy, post->body) && set_headers(post, headers, n) &&
		curl_multi_add_handle(posts->multi, post->easy) == CURLM_OK)
		return true;
	give_back(posts, post);
	return error_set(why, "libcurl cannot be set up");
}

/* ---- an answer ---- */

static enum trouble_kind
trouble_of(CURLcode code, const struct post *post)
{
	switch (code) {
	case CURLE_OK:
		return post->head_whole ? REACHED : CUT_OFF;
	case CURLE_COULDNT_RESOLVE_HOST:
		return NO_ADDRESS;
	case CURLE_COULDNT_CONNECT:
		return post->forbidden && !post->dialled ? NOT_ALLOWED : NO_CONNECTION;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return NO_TLS;
	case CURLE_OPERATION_TIMEDOUT:
		return TIMED_OUT;
	case CURLE_WRITE_ERROR: /* we have ended it: enough has come to know */
		return post->body_n > POST_BODY_MAX ? REACHED : CUT_OFF;
	default:
		return CUT_OFF;
	}
}

static void
take_answer(struct post *post, CURLcode code)
{
	long status = 0;

	post->took_us = clock_mono_us() - post->began_us;
	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	post->trouble = trouble_of(code, post);
	post->status = post->trouble == REACHED ? (unsigned)status : 0;
	if (post->trouble == REACHED) /* another address of it may have been forbidden */
		post->cause[0] = '\0';
	if (post->trouble == REACHED || post->trouble == NOT_ALLOWED)
		return;
	if (post->head_n > POST_HEAD_MAX)
		snprintf(post->cause, sizeof post->cause,
			"its answer has more than %d bytes of headers", POST_HEAD_MAX);
	else
		snprintf(post->cause, sizeof post->cause, "%s",
			post->error[0] ? post->error : curl_easy_strerror(code));
}

static void
take_answers(struct posts *posts)
{
	CURLMsg *told;
	int left;

	while ((told = curl_multi_info_read(posts->multi, &left))) {
		const CURLcode code = told->data.result;
		CURL *easy = told->easy_handle;
		struct post *post = NULL;

		if (told->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &post);
		take_answer(post, code);
		curl_multi_remove_handle(posts->multi, easy);
		give_back(posts, post);
		posts->done(posts->arg, post);
	}
}

void
posts_run(struct posts *posts)
{
	struct epoll_event events[64];
	const int n = epoll_wait(posts->epoll, events, 64, 0);
	int running;
	long wait_ms = -1;

	for (int i = 0; i < n; i++) {
		const int mask = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
				 (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				 (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		curl_multi_socket_action(posts->multi, events[i].data.fd, mask, &running);
	}
	if (posts->wakes_ms && posts->wakes_ms <= clock_mono_ms()) {
		posts->wakes_ms = 0;
		curl_multi_socket_action(posts->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		curl_multi_timeout(posts->multi, &wait_ms);
		on_timer(posts->multi, wait_ms, posts);
	}
	take_answers(posts);
}

/* ---- all of them ---- */

static bool
set_up(struct posts *posts)
{
	posts->multi = curl_multi_init();
	return posts->multi &&
	       curl_multi_setopt(posts->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
	       curl_multi_setopt(posts->multi, CURLMOPT_SOCKETDATA, posts) == CURLM_OK &&
	       curl_multi_setopt(posts->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
	       curl_multi_setopt(posts->multi, CURLMOPT_TIMERDATA, posts) == CURLM_OK &&
	       curl_multi_setopt(posts->multi, CURLMOPT_MAXCONNECTS, (long)POSTS_MAX) == CURLM_OK;
}

struct posts *
posts_new(posts_done *done, void *arg, struct error *why)
{
	struct posts *posts = calloc(1, sizeof *posts);

	if (!posts) {
		error_set(why, "out of memory");
		return NULL;
	}
	posts->done = done;
	posts->arg = arg;
	posts->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == 0 && posts->epoll >= 0 && set_up(posts))
		return posts;
	posts_destroy(&posts);
	error_set(why, "libcurl cannot be set up");
	return NULL;
}

static void
give_up(struct posts *posts, CURL *easy)
{
	struct post *post = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &post);
	if (post) { /* it is under way */
		curl_multi_remove_handle(posts->multi, easy);
		give_back(posts, post);
	}
}

void
posts_destroy(struct posts **posts)
{
	struct posts *p = *posts;

	if (!p)
		return;
	for (size_t i = 0; i < p->all_n; i++)
		give_up(p, p->all[i]);
	for (size_t i = 0; i < p->all_n; i++)
		curl_easy_cleanup(p->all[i]);
	if (p->multi)
		curl_multi_cleanup(p->multi);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
	*posts = NULL;
}

int
posts_fd(const struct posts *posts)
{
	return posts->epoll;
}

uint64_t
posts_wakes_ms(const struct posts *posts)
{
	return posts->wakes_ms;
}
