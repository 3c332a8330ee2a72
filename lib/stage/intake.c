/* intake - see intake.h. */
#include "intake.h"

enum { EMPTY_MAX = 1024 };

static const char NO_HEAD[] = "NONE / HTTP/1.1\r\nHost: none\r\n\r\n";

void
intake_begin(struct intake *in, size_t limit)
{
	if (in->part == INTAKE_CLOSED)
		return;
	*in = (struct intake){.head.limit = limit};
}

static void
fail(struct intake *in, enum head_fault fault, const char *instead)
{
	in->fault = fault;
	in->part = INTAKE_CLOSED;
	in->instead = slice_of(instead);
}

/* Empty lines before a request are no part of it. False: somebody sends nothing else. */
static bool
drop_empty_lines(struct intake *in, char *bytes, size_t *n)
{
	size_t at = 0;

	while (*n - at >= 2 && bytes[at] == '\r' && bytes[at + 1] == '\n')
		at += 2;
	if (at > 0)
		memmove(bytes, bytes + at, *n - at);
	*n -= at;
	in->empty += at;
	return in->empty <= EMPTY_MAX;
}

static size_t
sort_head(struct intake *in, char *bytes, size_t *n)
{
	enum head_fault fault;

	if (in->head.at == 0 && !drop_empty_lines(in, bytes, n))
		fault = HEAD_LINE;
	else
		fault = head_read(&in->head, bytes, *n);
	if (fault)
		fail(in, fault, NO_HEAD);
	if (fault || !in->head.whole)
		return 0;
	in->left = in->head.length;
	in->part = in->head.chunked ? INTAKE_CHUNKS : in->left > 0 ? INTAKE_BODY : INTAKE_WHOLE;
	return in->head.at;
}

static size_t
sort_body(struct intake *in, size_t n)
{
	const size_t take = in->left < n ? (size_t)in->left : n;

	in->left -= take;
	if (in->left == 0)
		in->part = INTAKE_WHOLE;
	return take;
}

static size_t
sort_chunks(struct intake *in, char *bytes, size_t *n)
{
	size_t ready;
	const enum head_fault fault = chunks_read(&in->chunks, bytes, n, &ready);

	if (fault)
		fail(in, fault, chunks_rest(&in->chunks));
	else if (in->chunks.part == CHUNK_OVER)
		in->part = INTAKE_WHOLE;
	return ready;
}

size_t
intake_sort(struct intake *in, char *bytes, size_t *n)
{
	size_t ready = 0, rest;

	if (in->part == INTAKE_HEAD)
		ready = sort_head(in, bytes, n);
	rest = *n - ready;
	if (in->part == INTAKE_BODY) {
		ready += sort_body(in, rest);
	} else if (in->part == INTAKE_CHUNKS) {
		const size_t head = ready;

		ready += sort_chunks(in, bytes + head, &rest);
		*n = head + rest;
	}
	return ready;
}
