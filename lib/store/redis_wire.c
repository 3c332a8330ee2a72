/* redis_wire - see redis_wire.h. */
#include "redis_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { READ_BYTES = 64 << 10, KEPT_BYTES = 1 << 20, REPLY_MOST = 1 << 20 };

struct redis_wire {
	int fd;
	SSL_CTX *context;
	SSL *tls; /* NULL: plain */
	redisReader *reader;
	size_t unheard; /* bytes of a reply that is not whole yet */
	char *out;
	size_t n, room, sent;
	size_t gathered;
	short wants; /* what poll is to wait for before the next try */
};

/* ---- connecting ---- */

/* Waits until the socket is ready for that; false when the time is over. */
static bool
await(int fd, short events, uint64_t end_us, struct error *why)
{
	struct pollfd p = {fd, events, 0};

	for (;;) {
		const uint64_t now_us = clock_mono_us();
		const uint64_t left_us = end_us > now_us ? end_us - now_us : 0;
		const struct timespec left = {
			(time_t)(left_us / 1000000), (long)(left_us % 1000000) * 1000};
		const int n = ppoll(&p, 1, &left, NULL);

		if (n > 0)
			return true;
		if (n == 0)
			return error_set(why, "no answer within redis.timeout");
		if (errno != EINTR)
			return error_set(why, "cannot wait: %s", strerror(errno));
	}
}

static int
reach(const struct addrinfo *to, uint64_t end_us, struct error *why)
{
	const int one = 1;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fault = 0;
	socklen_t n = sizeof fault;

	if (fd < 0) {
		error_set(why, "cannot connect: %s", strerror(errno));
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	if (errno != EINPROGRESS) {
		error_set(why, "cannot connect: %s", strerror(errno));
	} else if (await(fd, POLLOUT, end_us, why)) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &n) == 0 && fault == 0)
			return fd;
		error_set(why, "cannot connect: %s", strerror(fault));
	}
	close(fd);
	return -1;
}

static int
reach_any(const struct config_place *at, uint64_t end_us, struct error *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	char port[24];
	int rc, fd = -1;

	snprintf(port, sizeof port, "%llu", (unsigned long long)at->port);
	rc = getaddrinfo(at->host, port, &hints, &list);
	if (rc != 0) {
		error_set(why, "cannot find its address: %s", gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *to = list; to && fd < 0; to = to->ai_next)
		fd = reach(to, end_us, why);
	freeaddrinfo(list);
	return fd;
}

/* ---- TLS ---- */

static bool
tls_fault(struct redis_wire *w, const char *what, struct error *why)
{
	const long verdict = w->tls ? SSL_get_verify_result(w->tls) : X509_V_OK;
	const char *cause = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
						 : ERR_reason_error_string(ERR_peek_last_error());

	error_set(why, "%s: %s", what, cause ? cause : "the connection ended");
	ERR_clear_error();
	return false;
}

/* Whose certificate it must be: a name's, which is also asked for, or an address's. */
static bool
expect_host(SSL *tls, const char *host)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
	SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

static bool
prepare_tls(struct redis_wire *w, const char *host, const char *ca_file, struct error *why)
{
	w->context = SSL_CTX_new(TLS_client_method());
	if (!w->context || SSL_CTX_set_min_proto_version(w->context, TLS1_2_VERSION) != 1)
		return tls_fault(w, "no TLS", why);
	if (ca_file ? SSL_CTX_load_verify_file(w->context, ca_file) != 1
		    : SSL_CTX_set_default_verify_paths(w->context) != 1)
		return tls_fault(w, "redis.ca_file cannot be used", why);
	SSL_CTX_set_verify(w->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(
		w->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	w->tls = SSL_new(w->context);
	if (!w->tls || SSL_set_fd(w->tls, w->fd) != 1 || !expect_host(w->tls, host))
		return tls_fault(w, "no TLS", why);
	return true;
}

/* What TLS waits for before it goes on; 0: it has failed. */
static short
tls_wants(const struct redis_wire *w, int rc)
{
	switch (SSL_get_error(w->tls, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

/* OpenSSL's queue of errors is the thread's: what is in it of before must not be taken for ours. */
static bool
shake_hands(struct redis_wire *w, uint64_t end_us, struct error *why)
{
	ERR_clear_error();
	for (;;) {
		const int rc = SSL_connect(w->tls);
		const short wants = rc == 1 ? 0 : tls_wants(w, rc);

		if (rc == 1)
			return true;
		if (!wants)
			return tls_fault(w, "TLS failed", why);
		if (!await(w->fd, wants, end_us, why))
			return false;
	}
}

struct redis_wire *
redis_wire_open(const struct config_redis_place *place, const char *ca_file, uint64_t end_us,
	struct error *why)
{
	struct redis_wire *w = calloc(1, sizeof *w);

	if (!w) {
		error_set(why, "out of memory");
		return NULL;
	}
	w->reader = redisReaderCreate();
	w->fd = reach_any(&place->at, end_us, why);
	if (w->reader && w->fd >= 0 &&
		(!place->at.tls || (prepare_tls(w, place->at.host, ca_file, why) &&
					   shake_hands(w, end_us, why))))
		return w;
	redis_wire_close(&w);
	return NULL;
}

void
redis_wire_close(struct redis_wire **wire)
{
	struct redis_wire *w = *wire;

	if (!w)
		return;
	redis_wire_wipe(w);
	SSL_free(w->tls);
	SSL_CTX_free(w->context);
	if (w->fd >= 0)
		close(w->fd);
	if (w->reader)
		redisReaderFree(w->reader);
	free(w->out);
	free(w);
	*wire = NULL;
}

void
redis_wire_wipe(struct redis_wire *w)
{
	if (w->out)
		explicit_bzero(w->out, w->room);
}

/* ---- orders ---- */

static bool
make_room(struct redis_wire *w, size_t more)
{
	size_t room = w->room ? w->room : 4096;
	char *out;

	if (w->n + more <= w->room)
		return true;
	while (room < w->n + more)
		room *= 2;
	out = realloc(w->out, room);
	if (!out)
		return false;
	w->out = out;
	w->room = room;
	return true;
}

static char *
format(const struct slice *words, size_t n, int *length)
{
	const char *argv[16];
	size_t lengths[16];
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		argv[i] = words[i].p;
		lengths[i] = words[i].n;
	}
	*length = redisFormatCommandArgv(&text, (int)n, argv, lengths);
	return *length > 0 ? text : NULL;
}

static bool
put_text(struct redis_wire *w, const char *text, size_t n)
{
	if (!make_room(w, n))
		return false;
	memcpy(w->out + w->n, text, n);
	w->n += n;
	w->gathered++;
	return true;
}

bool
redis_wire_put(struct redis_wire *w, const struct slice *words, size_t n)
{
	int length;
	char *text = format(words, n, &length);
	const bool put = text && put_text(w, text, (size_t)length);

	if (text)
		explicit_bzero(text, (size_t)length); /* it may be AUTH */
	redisFreeCommand(text);
	return put;
}

/* Where the word stands: behind its own length, each word with two line ends. */
static size_t
place_of(const struct slice *words, size_t which, size_t count)
{
	char head[32];
	size_t at = (size_t)snprintf(head, sizeof head, "*%zu\r\n", count);

	for (size_t i = 0; i <= which; i++) {
		at += (size_t)snprintf(head, sizeof head, "$%zu\r\n", words[i].n);
		if (i < which)
			at += words[i].n + 2;
	}
	return at;
}

bool
redis_form_make(struct redis_form *form, const struct slice *words, size_t n, size_t which)
{
	int length;
	char *text = format(words, n, &length);
	char *copy = text ? malloc((size_t)length) : NULL;

	if (copy)
		memcpy(copy, text, (size_t)length);
	redisFreeCommand(text);
	*form = (struct redis_form){copy, length, place_of(words, which, n), words[which].n};
	return copy != NULL;
}

bool
redis_wire_put_form(struct redis_wire *w, const struct redis_form *form, const void *word)
{
	if (!put_text(w, form->text, (size_t)form->n))
		return false;
	memcpy(w->out + w->n - (size_t)form->n + form->at, word, form->width);
	return true;
}

size_t
redis_wire_gathered(const struct redis_wire *w)
{
	return w->gathered;
}

/* ---- a trip ---- */

/* Bytes moved; 0: it would wait, for w->wants; -1: it has failed. */
static ssize_t
moved(struct redis_wire *w, ssize_t n, short plain, const char *what, struct error *why)
{
	if (n > 0)
		return n;
	if (w->tls) {
		w->wants |= tls_wants(w, (int)n);
		if (tls_wants(w, (int)n))
			return 0;
		tls_fault(w, what, why);
		return -1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		w->wants |= plain;
		return 0;
	}
	error_set(why, "%s: %s", what, n == 0 ? "it has closed the connection" : strerror(errno));
	return -1;
}

static bool
send_some(struct redis_wire *w, struct error *why)
{
	while (w->sent < w->n) {
		const size_t left = w->n - w->sent;
		const ssize_t n = moved(w,
			w->tls ? SSL_write(w->tls, w->out + w->sent, (int)left)
			       : send(w->fd, w->out + w->sent, left, MSG_NOSIGNAL),
			POLLOUT, "cannot send", why);

		if (n <= 0)
			return n == 0;
		w->sent += (size_t)n;
	}
	return true;
}

/* Hears what is whole by now. */
static bool
hear(struct redis_wire *w, size_t *heard, redis_heard *fn, void *arg, struct error *why)
{
	void *reply = NULL;

	while (*heard < w->gathered) {
		if (redisReaderGetReply(w->reader, &reply) != REDIS_OK)
			return error_set(
				why, "speaks no protocol of Redis: %.100s", w->reader->errstr);
		if (!reply)
			return true;
		fn(arg, (*heard)++, reply);
		freeReplyObject(reply);
	}
	return true;
}

static bool
receive_some(struct redis_wire *w, size_t *heard, redis_heard *fn, void *arg, struct error *why)
{
	char in[READ_BYTES];

	while (*heard < w->gathered) {
		const size_t before = *heard;
		const ssize_t n = moved(w,
			w->tls ? SSL_read(w->tls, in, sizeof in) : recv(w->fd, in, sizeof in, 0),
			POLLIN, "the connection ended", why);

		if (n <= 0)
			return n == 0;
		w->unheard += (size_t)n;
		if (w->unheard > REPLY_MOST)
			return error_set(why, "a reply has more than %d bytes", REPLY_MOST);
		if (redisReaderFeed(w->reader, in, (size_t)n) != REDIS_OK)
			return error_set(why, "out of memory");
		if (!hear(w, heard, fn, arg, why))
			return false;
		if (*heard > before)
			w->unheard = 0;
	}
	return true;
}

static void
empty(struct redis_wire *w)
{
	w->n = w->sent = w->gathered = 0;
	if (w->room <= KEPT_BYTES)
		return;
	free(w->out);
	w->out = NULL;
	w->room = 0;
}

/* Reads while it writes: a server that cannot get rid of its replies takes no more orders. */
bool
redis_wire_trip(
	struct redis_wire *w, uint64_t end_us, redis_heard *heard, void *arg, struct error *why)
{
	size_t count = 0;

	ERR_clear_error();
	while (count < w->gathered) {
		w->wants = 0;
		if (!send_some(w, why) || !receive_some(w, &count, heard, arg, why))
			return false;
		if (count < w->gathered && !await(w->fd, w->wants, end_us, why))
			return false;
	}
	empty(w);
	return true;
}
