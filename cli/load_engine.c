/* load_engine - see load_engine.h. */
#include "load_engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "compose.h"
#include "lib/base/clock.h"
#include "lib/base/descriptors.h"

enum { EVENTS = 256, PROGRESS_US = 1000000, IDLE_US = 100000 };

/* One request under way at a time. */
struct slot {
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	uint64_t due_us;
	char cause[CURL_ERROR_SIZE];
};

struct engine {
	const struct load_plan *plan;
	struct load_result *result;
	CURLM *multi;
	int epoll;
	struct slot *slots, **idle;
	size_t idle_count, slots_count;
	struct openloop *loop; /* of the result */
	uint64_t timer_us;     /* when libcurl wants to be called; UINT64_MAX: never */
	uint64_t progress_us;
};

/* ---- libcurl's callbacks ---- */

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct engine *e = arg;
	struct epoll_event ev = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(e->epoll, EPOLL_CTL_DEL, fd, NULL);
		curl_multi_assign(e->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		ev.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		ev.events |= EPOLLOUT;
	if (epoll_ctl(e->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) != 0 &&
		errno == EEXIST)
		epoll_ctl(e->epoll, EPOLL_CTL_MOD, fd, &ev);
	curl_multi_assign(e->multi, fd, e);
	return 0;
}

static int
on_timer(CURLM *multi, long ms, void *arg)
{
	struct engine *e = arg;

	(void)multi;
	e->timer_us = ms < 0 ? UINT64_MAX : clock_mono_us() + (uint64_t)ms * 1000;
	return 0;
}

/* ---- requests ---- */

static bool
slot_open(struct engine *e, struct slot *s)
{
	s->easy = curl_easy_init();
	if (!s->easy)
		return false;
	curl_easy_setopt(s->easy, CURLOPT_URL, e->plan->url);
	curl_easy_setopt(s->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(s->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, (long)e->plan->timeout_ms);
	curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(s->easy, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
	curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "trotline/" TROTLINE_VERSION);
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->cause);
	curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
	return true;
}

static void
slot_clear(struct slot *s)
{
	curl_slist_free_all(s->headers);
	free(s->body);
	s->headers = NULL;
	s->body = NULL;
	s->cause[0] = 0;
}

static bool
slot_send(struct engine *e, struct slot *s, uint64_t due_us, struct error *why)
{
	char signature[SIGNATURE_MAX], header[SIGNATURE_MAX + 16];
	struct slice body;

	if (!e->plan->make(e->plan->arg, e->loop->sent - 1, &body, signature, why))
		return false;
	snprintf(header, sizeof header, "X-Signature: %s", signature);
	s->due_us = due_us;
	s->body = (char *)(uintptr_t)body.p;
	s->headers = curl_slist_append(NULL, "Content-Type: application/json");
	s->headers = curl_slist_append(s->headers, "Expect:");
	s->headers = curl_slist_append(s->headers, header);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
	return curl_multi_add_handle(e->multi, s->easy) == CURLM_OK ||
	       error_set(why, "libcurl takes no more requests");
}

static bool
ended(const struct engine *e)
{
	return openloop_over(e->loop) || *e->plan->stop;
}

/* Sends what is due as far as there are connections. */
static bool
send_due(struct engine *e, struct error *why)
{
	const uint64_t now_us = clock_mono_us();
	uint64_t due_us;

	while (e->idle_count > 0 && !*e->plan->stop && openloop_take(e->loop, now_us, &due_us))
		if (!slot_send(e, e->idle[--e->idle_count], due_us, why))
			return false;
	return true;
}

static void
count(struct engine *e, struct slot *s, CURLcode code)
{
	struct load_result *r = e->result;
	long status = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK || status < 100 || status >= LOAD_STATUSES) {
		if (r->broken++ == 0)
			snprintf(r->cause, sizeof r->cause, "%s",
				s->cause[0] ? s->cause : curl_easy_strerror(code));
		return;
	}
	r->statuses[status]++;
	openloop_answer(e->loop, s->due_us, clock_mono_us(), status / 100 == 2);
}

static void
take_answers(struct engine *e)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(e->multi, &left))) {
		struct slot *s = NULL;
		const CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&s);
		count(e, s, code);
		curl_multi_remove_handle(e->multi, s->easy);
		slot_clear(s);
		e->idle[e->idle_count++] = s;
	}
}

/* ---- the loop ---- */

/* µs until something is due: a request, libcurl's timer, progress. */
static uint64_t
wait_us(const struct engine *e)
{
	const uint64_t now_us = clock_mono_us();
	uint64_t us = IDLE_US;

	if (e->idle_count > 0 && !ended(e))
		us = openloop_wait(e->loop, now_us, IDLE_US);
	if (e->timer_us < now_us + us)
		us = e->timer_us > now_us ? e->timer_us - now_us : 0;
	return us;
}

static void
work(struct engine *e)
{
	const uint64_t us = wait_us(e);
	const struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
	struct pollfd item = {.fd = e->epoll, .events = POLLIN};
	struct epoll_event events[EVENTS];
	int running, n = 0;

	if (ppoll(&item, 1, &t, NULL) > 0)
		n = epoll_wait(e->epoll, events, EVENTS, 0);
	for (int i = 0; i < n; i++) {
		const int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
				 (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				 (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		curl_multi_socket_action(e->multi, events[i].data.fd, what, &running);
	}
	if (clock_mono_us() >= e->timer_us) {
		e->timer_us = UINT64_MAX;
		curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	take_answers(e);
}

static void
tell(struct engine *e)
{
	if (clock_mono_us() < e->progress_us)
		return;
	e->progress_us = clock_mono_us() + PROGRESS_US;
	e->result->seconds = (double)(clock_mono_us() - e->loop->start_us) / 1e6;
	e->plan->progress(e->plan->arg, e->result);
}

/* Until the last answer, or until what is late has had its time. */
static bool
loop(struct engine *e, struct error *why)
{
	const uint64_t last_us = e->loop->end_us + e->plan->timeout_ms * 1000;
	uint64_t due_us;

	do {
		if (!send_due(e, why))
			return false;
		work(e);
		tell(e);
	} while (clock_mono_us() < last_us && (e->idle_count < e->slots_count || !ended(e)));
	while (!*e->plan->stop && openloop_take(e->loop, UINT64_MAX, &due_us))
		e->result->unsent++;
	e->result->broken += e->slots_count - e->idle_count;
	e->result->seconds = (double)(clock_mono_us() - e->loop->start_us) / 1e6;
	return true;
}

static bool
open_all(struct engine *e)
{
	const size_t n = e->plan->connections;

	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_multi_init() : NULL;
	e->slots = calloc(n, sizeof *e->slots);
	e->idle = calloc(n, sizeof *e->idle);
	if (e->epoll < 0 || !e->multi || !e->slots || !e->idle)
		return false;
	descriptors_raise(); /* each connection needs one */
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
	curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)n);
	for (; e->slots_count < n; e->slots_count++) {
		if (!slot_open(e, &e->slots[e->slots_count]))
			return false;
		e->idle[e->idle_count++] = &e->slots[e->slots_count];
	}
	return true;
}

static void
close_all(struct engine *e)
{
	for (size_t i = 0; i < e->slots_count; i++) {
		curl_multi_remove_handle(e->multi, e->slots[i].easy);
		curl_easy_cleanup(e->slots[i].easy);
		slot_clear(&e->slots[i]);
	}
	curl_multi_cleanup(e->multi);
	if (e->epoll >= 0)
		close(e->epoll);
	free(e->slots);
	free(e->idle);
}

bool
load_engine_run(const struct load_plan *plan, struct load_result *result, struct error *why)
{
	struct engine e = {.plan = plan,
		.result = result,
		.loop = &result->loop,
		.epoll = -1,
		.timer_us = UINT64_MAX};
	bool good = open_all(&e) || error_set(why, "cannot start libcurl");

	if (good) {
		e.loop->rate = plan->rate;
		e.loop->start_us = clock_mono_us();
		e.loop->end_us = e.loop->start_us + plan->duration_ms * 1000;
		e.progress_us = e.loop->start_us + PROGRESS_US;
		good = loop(&e, why);
	}
	close_all(&e);
	return good;
}
