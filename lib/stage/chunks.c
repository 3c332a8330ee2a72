/* chunks - see chunks.h. */
#include "chunks.h"

enum { SIZE_LINE_MAX = 1024, TRAILERS_MAX = 8192 };

/* Bytes on their way: those before `to` may go on, those from `at` are still to be read. What lies
 * between was of no use. Each byte is moved once at most, however small the chunks. */
struct way {
	char *bytes;
	size_t n, at, to;
};

static void
keep(struct way *w, size_t from, size_t n)
{
	if (w->to != from)
		memmove(w->bytes + w->to, w->bytes + from, n);
	w->to += n;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* What may stand behind the digits: blanks before a semicolon, and any text behind it. */
static bool
is_extension(struct slice s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	if (n == s.n || s.p[n] != ';')
		return s.n == 0;
	for (; n < s.n; n++)
		if (((unsigned char)s.p[n] < ' ' && s.p[n] != '\t') || s.p[n] == 0x7f)
			return false;
	return true;
}

/* *digits: how many bytes the size takes. */
static enum head_fault
read_size(struct chunks *c, struct slice line, size_t *digits)
{
	size_t n = 0;

	for (c->left = 0; n < line.n && hex(line.p[n]) >= 0; n++) {
		if (c->left > INT64_MAX / 16)
			return HEAD_LENGTH;
		c->left = c->left * 16 + (uint64_t)hex(line.p[n]);
	}
	*digits = n;
	if (n == 0 || line.n > SIZE_LINE_MAX ||
		!is_extension((struct slice){line.p + n, line.n - n}))
		return HEAD_CHUNK;
	c->part = c->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
	return HEAD_GOOD;
}

static enum head_fault
read_trailer(struct chunks *c, struct slice line)
{
	struct slice name, value;

	if (line.n == 0) {
		c->part = CHUNK_OVER;
		return HEAD_GOOD;
	}
	c->trailers += line.n;
	if (c->trailers > TRAILERS_MAX)
		return HEAD_HEADERS;
	return head_field(line, &name, &value) ? HEAD_GOOD : HEAD_FIELD;
}

static void
pass_data(struct chunks *c, struct way *w)
{
	const size_t take = c->left < w->n - w->at ? (size_t)c->left : w->n - w->at;

	keep(w, w->at, take);
	w->at += take;
	c->left -= take;
	if (c->left == 0)
		c->part = CHUNK_END;
}

/* The line that ends at next. */
static enum head_fault
pass_line(struct chunks *c, struct way *w, size_t next)
{
	const struct slice line = {w->bytes + w->at, next - w->at - 2};
	const bool trailer = c->part == CHUNK_TRAILER && line.n > 0;
	enum head_fault fault = HEAD_GOOD;
	size_t digits = 0;

	if (c->part == CHUNK_SIZE) {
		fault = read_size(c, line, &digits);
	} else if (c->part == CHUNK_END) {
		fault = line.n == 0 ? HEAD_GOOD : HEAD_CHUNK;
		c->part = fault ? CHUNK_END : CHUNK_SIZE;
	} else {
		fault = read_trailer(c, line);
	}
	if (fault)
		return fault;
	if (!trailer) {
		keep(w, w->at, digits);
		keep(w, next - 2, 2);
	}
	w->at = next;
	return HEAD_GOOD;
}

static enum head_fault
wait_for_line(const struct chunks *c, const char *bytes, size_t n)
{
	const size_t most = c->part == CHUNK_TRAILER ? TRAILERS_MAX : SIZE_LINE_MAX;

	if (c->part == CHUNK_END && n > 0 && (*bytes != '\r' || n > 1))
		return HEAD_CHUNK;
	if (n <= most + 1)
		return HEAD_GOOD;
	return c->part == CHUNK_TRAILER ? HEAD_HEADERS : HEAD_CHUNK;
}

/* Where the next line ends; 0: not there yet. */
static enum head_fault
find_line(const struct chunks *c, const struct way *w, size_t *next)
{
	bool bare;

	*next = head_line_end(w->bytes, w->at, w->n, &bare);
	if (*next == 0)
		return wait_for_line(c, w->bytes + w->at, w->n - w->at);
	return bare ? HEAD_CHUNK : HEAD_GOOD;
}

enum head_fault
chunks_read(struct chunks *c, char *bytes, size_t *n, size_t *ready)
{
	struct way w = {.bytes = bytes, .n = *n};
	enum head_fault fault = HEAD_GOOD;
	size_t next = 1;

	while (!fault && next > 0 && c->part != CHUNK_OVER && w.at < w.n) {
		if (c->part == CHUNK_DATA) {
			pass_data(c, &w);
			continue;
		}
		fault = find_line(c, &w, &next);
		if (!fault && next > 0)
			fault = pass_line(c, &w, next);
	}
	*ready = w.to;
	keep(&w, w.at, w.n - w.at);
	*n = w.to;
	return fault;
}

const char *
chunks_rest(const struct chunks *c)
{
	switch (c->part) {
	case CHUNK_SIZE:
		return "0\r\n\r\n";
	case CHUNK_END:
		return "\r\n0\r\n\r\n";
	case CHUNK_TRAILER:
		return "\r\n";
	case CHUNK_DATA:
	case CHUNK_OVER:
		break;
	}
	return "";
}
