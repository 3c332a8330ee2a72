/* Which bytes of a connection go to the HTTP library, row by row: heads, bodies, what stands behind
 * them. Each row is shown at once, and in pieces. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stage/intake.h"

enum { LIMIT = 16384 };

/* What the library gets of all the bytes, shown `step` at a time; requests are answered at once. */
struct seen {
	char bytes[1 << 17];
	size_t n, requests;
	enum head_fault fault;
};

static void
give(struct seen *seen, struct intake *in, const char *bytes, size_t n)
{
	memcpy(seen->bytes + seen->n, bytes, n);
	seen->n += n;
	memcpy(seen->bytes + seen->n, in->instead.p ? in->instead.p : "", in->instead.n);
	seen->n += in->instead.n;
	in->instead.n = 0;
}

static void
sort_all(struct seen *seen, struct intake *in, char *held, size_t *n)
{
	bool more = true;

	while (more) {
		const size_t ready = intake_sort(in, held, n);

		give(seen, in, held, ready);
		*n -= ready;
		memmove(held, held + ready, *n);
		more = in->part == INTAKE_WHOLE;
		seen->requests += more;
		if (more)
			intake_begin(in, LIMIT);
	}
}

static struct seen *
show(const char *bytes, size_t n, size_t step)
{
	static char held[1 << 17];
	struct seen *seen = calloc(1, sizeof *seen);
	struct intake in = {0};
	size_t held_n = 0;

	cr_assert(seen);
	intake_begin(&in, LIMIT);
	for (size_t at = 0; at < n && !in.fault; at += step) {
		const size_t piece = step < n - at ? step : n - at;

		memcpy(held + held_n, bytes + at, piece);
		held_n += piece;
		sort_all(seen, &in, held, &held_n);
	}
	seen->fault = in.fault;
	return seen;
}

static bool
is_same(const struct seen *a, const struct seen *b)
{
	return !a->fault == !b->fault && a->requests == b->requests && a->n == b->n &&
	       memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Shows it in steps of all sizes; all must see the same. */
static struct seen *
show_all_ways(const char *bytes, size_t n)
{
	struct seen *whole = show(bytes, n, n ? n : 1);

	for (size_t step = 1; step < 80; step += 1 + step / 4) {
		struct seen *seen = show(bytes, n, step);

		cr_expect(is_same(seen, whole), "step %zu: %.*s", step, (int)seen->n, seen->bytes);
		free(seen);
	}
	return whole;
}

#define H "Host: a.example.com\r\n"
#define GOOD_NEXT "GET /next HTTP/1.1\r\n" H "\r\n"
#define ROW(bytes, fault)                                                                          \
	{                                                                                          \
		sizeof(bytes) - 1, bytes, fault                                                    \
	}

struct row {
	size_t n;
	char bytes[240];
	enum head_fault fault;
};

ParameterizedTestParameters(intake, each_head_is_good_or_has_its_fault)
{
	static struct row rows[] = {
		ROW("POST /a HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("GET /a HTTP/1.0\r\n\r\n", HEAD_GOOD),
		ROW("GET /a HTTP/1.9\r\n" H "\r\n", HEAD_GOOD),
		ROW("post /a HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("M!#$%&'*+-.^_`|~9 /a HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("OPTIONS * HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("GET http://a.example.com/x HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("GET HTTPS://a.example.com:8443?q HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("GET http://[::1]:80/ HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),
		ROW("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", HEAD_GOOD),

		ROW("GET /a\r\n", HEAD_LINE),
		ROW("GET\r\n", HEAD_LINE),
		ROW("\n\nGET / HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW(" GET / HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET  / HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET /  HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET /a b HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET\t/ HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1.1 \r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1.1\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1.1\r" H "\r\n", HEAD_LINE),
		ROW("GET / http/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/11\r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1.10\r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1,1\r\n" H "\r\n", HEAD_LINE),
		ROW("G@T / HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET /\0 HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GE\0T / HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET / HTTP/1.1\0\r\n" H "\r\n", HEAD_LINE),
		ROW("GET /\x7f HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET a/b HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET * HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET ftp://a.example.com/ HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET http:///x HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("GET http://jo@a.example.com/ HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("CONNECT a.example.com:443 HTTP/1.1\r\n" H "\r\n", HEAD_LINE),
		ROW("\x16\x03\x01\x02", HEAD_LINE),
		ROW("GET / HTTP/2.0\r\n" H "\r\n", HEAD_VERSION),
		ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HEAD_VERSION),
		ROW("GET / HTTP/0.9\r\n\r\n", HEAD_VERSION),

		ROW("GET / HTTP/1.1\r\n" H "A: b\r\nA:b\r\nA:\r\nA: \t\r\nA:\t b \t\r\n\r\n",
			HEAD_GOOD),
		ROW("GET / HTTP/1.1\r\n" H "A: \xff\xfe\x80\r\n\r\n", HEAD_GOOD),
		ROW("GET / HTTP/1.1\r\n" H "A: b:c \"d\", (e)\r\n\r\n", HEAD_GOOD),
		ROW("GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\r\n\tc: d\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n A: b\r\n" H "\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\r\n \r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A(b): c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A\xc3\xa9: c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H ": c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\0\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "\0\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\r\r\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "A: b\n\r\n", HEAD_FIELD),
		ROW("GET / HTTP/1.1\r\n" H "\n", HEAD_FIELD),

		ROW("GET / HTTP/1.1\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nA: b\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\n" H H "\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.0\r\n" H H "\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\n" H "hOST: b.example.com\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: jo@a.example.com\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", HEAD_HOST),
		ROW("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", HEAD_GOOD),
		ROW("GET / HTTP/1.1\r\nHOST:  a_b.example.com:  \r\n\r\n", HEAD_GOOD),

		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3 \r\n\r\nabc", HEAD_GOOD),
		ROW("POST / HTTP/1.1\r\n" H "content-length:\t003\r\n\r\nabc", HEAD_GOOD),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3 3\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3.0\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 1e1\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n",
			HEAD_LENGTH),
		ROW("POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n",
			HEAD_LENGTH),

		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked \r\n\r\n0\r\n\r\n",
			HEAD_GOOD),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
		    "chunked\r\n\r\n0\r\n\r\n",
			HEAD_FIELD),
		ROW("POST / HTTP/1.1\r\n" H
		    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H
		    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.1\r\n" H
		    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
		ROW("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			HEAD_FRAMING),
	};

	return cr_make_param_array(struct row, rows, sizeof rows / sizeof *rows);
}

/* One that is good ends at its end: the next one is read; behind a fault nothing is. */
ParameterizedTest(struct row *row, intake, each_head_is_good_or_has_its_fault)
{
	char both[512];
	const size_t n = row->n + sizeof GOOD_NEXT - 1;
	struct seen *seen;

	memcpy(both, row->bytes, row->n);
	memcpy(both + row->n, GOOD_NEXT, sizeof GOOD_NEXT - 1);
	seen = show_all_ways(both, n);
	cr_expect_eq(seen->fault, row->fault, "%s for %.*s", head_text(seen->fault), (int)row->n,
		row->bytes);
	cr_expect_eq(seen->requests, row->fault ? 0 : 2, "%.*s", (int)row->n, row->bytes);
	cr_expect_eq(!memmem(seen->bytes, seen->n, "/next", 5), row->fault != HEAD_GOOD);
	free(seen);
}

#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

ParameterizedTestParameters(intake, each_chunked_body_ends_or_has_its_fault)
{
	static struct row rows[] = {
		ROW("3\r\nabc\r\n0\r\n\r\n", HEAD_GOOD),
		ROW("0003\r\nabc\r\n000\r\n\r\n", HEAD_GOOD),
		ROW("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", HEAD_GOOD),
		ROW("3;a=b\r\nabc\r\n0\r\n\r\n", HEAD_GOOD),
		ROW("3 ; a=\"b;c\"\r\nabc\r\n0;d\r\n\r\n", HEAD_GOOD),
		ROW("3\r\nabc\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n", HEAD_GOOD),
		ROW("3\r\n\0\r\n\r\n0\r\n\r\n", HEAD_GOOD),
		ROW("3\r\nabcd\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3\r\nabc0\r\n\r\n", HEAD_CHUNK),
		ROW("3\r\nab\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("zz\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("-3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("+3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("0x3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW(" 3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3 \r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3,3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW(";a\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("\r\n3\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3\r\nabc\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3;a\nb\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3;a\0b\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("3;a\rb\r\nabc\r\n0\r\n\r\n", HEAD_CHUNK),
		ROW("ffffffffffffffff\r\nabc\r\n", HEAD_LENGTH),
		ROW("3\r\nabc\r\n0\r\nX-T : 1\r\n\r\n", HEAD_FIELD),
		ROW("3\r\nabc\r\n0\r\nX-T: 1\r\n 2\r\n\r\n", HEAD_FIELD),
		ROW("3\r\nabc\r\n0\r\nX\r\n\r\n", HEAD_FIELD),
		ROW("3\r\nabc\r\n0\r\n\n", HEAD_CHUNK),
	};

	return cr_make_param_array(struct row, rows, sizeof rows / sizeof *rows);
}

/* The library gets a body that ends rightly in any case. */
ParameterizedTest(struct row *row, intake, each_chunked_body_ends_or_has_its_fault)
{
	char both[512] = CHUNKED;
	size_t n = sizeof CHUNKED - 1;
	struct seen *seen, *again;

	memcpy(both + n, row->bytes, row->n);
	n += row->n;
	memcpy(both + n, GOOD_NEXT, sizeof GOOD_NEXT - 1);
	n += sizeof GOOD_NEXT - 1;
	seen = show_all_ways(both, n);
	cr_expect_eq(seen->fault, row->fault, "%s for %.*s", head_text(seen->fault), (int)row->n,
		row->bytes);
	cr_expect_eq(!memmem(seen->bytes, seen->n, "/next", 5), row->fault != HEAD_GOOD);
	cr_expect_not(
		memmem(seen->bytes, seen->n, ";", 1) || memmem(seen->bytes, seen->n, "X-T", 3));
	again = show(seen->bytes, seen->n, seen->n);
	cr_expect_eq(again->fault, HEAD_GOOD);
	cr_expect_eq(again->requests, row->fault ? 1 : 2);
	cr_expect_eq(again->n, seen->n);
	free(seen);
	free(again);
}

Test(intake, blanks_around_a_value_come_before_it)
{
	static const char bytes[] = "GET / HTTP/1.1\r\nHost:a \t \r\nA: b c\t\r\nB: \t\r\n\r\n";
	struct seen *seen = show_all_ways(bytes, sizeof bytes - 1);

	cr_expect_eq(seen->n, sizeof bytes - 1);
	cr_expect(memmem(seen->bytes, seen->n, "Host:   a\r\n", 11));
	cr_expect(memmem(seen->bytes, seen->n, "A:  b c\r\n", 9));
	free(seen);
}

static size_t
put(char *to, size_t at, const char *text, size_t pad)
{
	at += (size_t)sprintf(to + at, "%s", text);
	memset(to + at, 'a', pad);
	return at + pad;
}

/* A head with a target, a field and a number of short fields, so many bytes each. */
static enum head_fault
fault_of(size_t target, size_t field, size_t fields, const char *name)
{
	static char bytes[1 << 17];
	size_t n = put(bytes, 0, "GET /", target - 1);
	enum head_fault fault;
	struct seen *seen;

	n = put(bytes, n, " HTTP/1.1\r\n" H, 0);
	for (size_t i = 0; i < fields; i++)
		n = put(bytes, n, "A: b\r\n", 0);
	n = put(bytes, n, name, field);
	n = put(bytes, n, "\r\n\r\n", 0);
	seen = show_all_ways(bytes, n);
	fault = seen->fault;
	free(seen);
	return fault;
}

Test(intake, long_targets_and_heads_are_bounded)
{
	cr_expect_eq(fault_of(8000, 1, 0, "X: "), HEAD_GOOD);
	cr_expect_eq(fault_of(8001, 1, 0, "X: "), HEAD_TARGET);
	cr_expect_eq(fault_of(60000, 1, 0, "X: "), HEAD_TARGET);
	cr_expect_eq(fault_of(1, LIMIT - 30, 0, "X: "), HEAD_GOOD);
	cr_expect_eq(fault_of(1, LIMIT, 0, "X: "), HEAD_HEADERS);
	cr_expect_eq(fault_of(1, 60000, 0, "X: "), HEAD_HEADERS);
	cr_expect_eq(fault_of(1, 1, 254, "X: "), HEAD_GOOD);
	cr_expect_eq(fault_of(1, 1, 255, "X: "), HEAD_HEADERS);
	cr_expect_eq(fault_of(1, 8000, 254, "X: "), HEAD_HEADERS, "the library's costs");
	cr_expect_eq(fault_of(1, 12000, 0, "Cookie: "), HEAD_HEADERS, "kept twice");
}

Test(intake, what_never_ends_is_not_waited_for)
{
	static char bytes[1 << 16];
	struct seen *seen;

	memset(bytes, 'A', sizeof bytes);
	seen = show_all_ways(bytes, sizeof bytes);
	cr_expect_eq(seen->fault, HEAD_TARGET);
	free(seen);
	memcpy(bytes, CHUNKED "3;", sizeof CHUNKED + 1);
	seen = show_all_ways(bytes, sizeof bytes);
	cr_expect_eq(seen->fault, HEAD_CHUNK);
	free(seen);
	memcpy(bytes, CHUNKED "0\r\nX:", sizeof CHUNKED + 4);
	seen = show_all_ways(bytes, sizeof bytes);
	cr_expect_eq(seen->fault, HEAD_HEADERS);
	free(seen);
}

Test(intake, some_empty_lines_are_passed_over_and_a_flood_of_them_is_refused)
{
	static char bytes[4096];
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct seen *seen;

	for (size_t i = 0; i < sizeof bytes; i += 2)
		memcpy(bytes + i, "\r\n", 2);
	seen = show_all_ways(bytes, sizeof bytes);
	cr_expect_eq(seen->fault, HEAD_LINE);
	free(seen);
	memcpy(bytes + 1024, head, sizeof head - 1);
	seen = show_all_ways(bytes, 1024 + sizeof head - 1);
	cr_expect_eq(seen->fault, HEAD_GOOD);
	cr_expect_eq(seen->requests, 1);
	free(seen);
}
