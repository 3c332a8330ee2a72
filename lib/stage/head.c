/* head - see head.h. */
#include "head.h"

#include <strings.h>

#include "proto/limits.h"

enum { TOKEN = 1, TEXT = 2, VISIBLE = 4, HOST = 8, DIGIT = 16 };

/* A first line holds a method and a version beside its target. */
enum { LINE_MORE = 128 };

static const unsigned char kinds[256] = {
	['\t'] = TEXT,
	[' '] = TEXT,
	[0x80 ... 0xff] = TEXT,
	['"'] = TEXT | VISIBLE,
	['('] = TEXT | VISIBLE | HOST,
	[')'] = TEXT | VISIBLE | HOST,
	[','] = TEXT | VISIBLE | HOST,
	['/'] = TEXT | VISIBLE,
	[':'] = TEXT | VISIBLE,
	[';'] = TEXT | VISIBLE | HOST,
	['<'] = TEXT | VISIBLE,
	['='] = TEXT | VISIBLE | HOST,
	['>'] = TEXT | VISIBLE,
	['?'] = TEXT | VISIBLE,
	['@'] = TEXT | VISIBLE,
	['['] = TEXT | VISIBLE,
	['\\'] = TEXT | VISIBLE,
	[']'] = TEXT | VISIBLE,
	['{'] = TEXT | VISIBLE,
	['}'] = TEXT | VISIBLE,
	['!'] = TEXT | VISIBLE | TOKEN | HOST,
	['#'] = TEXT | VISIBLE | TOKEN,
	['$'] = TEXT | VISIBLE | TOKEN | HOST,
	['%'] = TEXT | VISIBLE | TOKEN | HOST,
	['&'] = TEXT | VISIBLE | TOKEN | HOST,
	['\''] = TEXT | VISIBLE | TOKEN | HOST,
	['*'] = TEXT | VISIBLE | TOKEN | HOST,
	['+'] = TEXT | VISIBLE | TOKEN | HOST,
	['-'] = TEXT | VISIBLE | TOKEN | HOST,
	['.'] = TEXT | VISIBLE | TOKEN | HOST,
	['0' ... '9'] = TEXT | VISIBLE | TOKEN | HOST | DIGIT,
	['A' ... 'Z'] = TEXT | VISIBLE | TOKEN | HOST,
	['^'] = TEXT | VISIBLE | TOKEN,
	['_'] = TEXT | VISIBLE | TOKEN | HOST,
	['`'] = TEXT | VISIBLE | TOKEN,
	['a' ... 'z'] = TEXT | VISIBLE | TOKEN | HOST,
	['|'] = TEXT | VISIBLE | TOKEN,
	['~'] = TEXT | VISIBLE | TOKEN | HOST,
};

static const struct {
	unsigned status;
	const char *text;
} faults[] = {
#define FAULT_ROW(name, status, text, when) [HEAD_##name] = {status, text},
	HEAD_FAULTS(FAULT_ROW)
#undef FAULT_ROW
};

unsigned
head_status(enum head_fault fault)
{
	return faults[fault].status;
}

const char *
head_text(enum head_fault fault)
{
	return faults[fault].text;
}

/* How many bytes at the front are of that kind. */
static size_t
span(struct slice s, unsigned kind)
{
	size_t n = 0;

	while (n < s.n && kinds[(unsigned char)s.p[n]] & kind)
		n++;
	return n;
}

/* Whether there is a control other than a tab in it: eight bytes at a time, for this is most of a
 * head. */
static bool
is_text(struct slice s)
{
	const uint64_t ones = UINT64_MAX / 255, high = ones * 0x80;
	uint64_t word, low, del;
	size_t at = 0;

	for (; s.n - at >= sizeof word; at += sizeof word) {
		memcpy(&word, s.p + at, sizeof word);
		low = (word - ones * ' ') & ~word;
		del = ((word ^ ones * 0x7f) - ones) & ~(word ^ ones * 0x7f);
		if ((low | del) & high &&
			span((struct slice){s.p + at, sizeof word}, TEXT) < sizeof word)
			return false;
	}
	s = (struct slice){s.p + at, s.n - at};
	return span(s, TEXT) == s.n;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice
behind(struct slice s, size_t n)
{
	return (struct slice){s.p + n, s.n - n};
}

static inline bool
is_caseless(struct slice s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static size_t
count(struct slice s, const char *of)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == of[0] || s.p[i] == of[1];
	return n;
}

/* ---- the first line ---- */

/* host [":" port], where the host is a name, or an address in brackets. */
static bool
is_host(struct slice s)
{
	size_t n = span(s, HOST);

	if (s.n > 0 && *s.p == '[') {
		const char *end = memchr(s.p, ']', s.n);

		n = end ? (size_t)(end - s.p) + 1 : 0;
		for (size_t i = 1; i + 1 < n; i++)
			if (!(kinds[(unsigned char)s.p[i]] & HOST) && s.p[i] != ':')
				return false;
	}
	if (n == 0)
		return false;
	s = behind(s, n);
	return s.n == 0 || (*s.p == ':' && span(behind(s, 1), DIGIT) == s.n - 1);
}

/* A target is a path, `*` for all of the server, or has scheme and host before the path. */
static bool
is_target(struct slice method, struct slice target)
{
	size_t n;

	if (*target.p == '/')
		return true;
	if (slice_is(target, "*"))
		return slice_is(method, "OPTIONS");
	n = target.n > 7 && strncasecmp(target.p, "http://", 7) == 0    ? 7
	    : target.n > 8 && strncasecmp(target.p, "https://", 8) == 0 ? 8
									: 0;
	target = behind(target, n);
	n = n > 0 ? span(target, VISIBLE) : 0;
	for (size_t i = 0; i < n; i++)
		if (target.p[i] == '/' || target.p[i] == '?')
			n = i;
	return n > 0 && is_host((struct slice){target.p, n});
}

static enum head_fault
read_version(struct http_head *h, struct slice s)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[6] != '.' ||
		span(behind(s, 7), DIGIT) != 1 || span((struct slice){s.p + 5, 1}, DIGIT) != 1)
		return HEAD_LINE;
	h->old = s.p[7] == '0';
	return s.p[5] == '1' ? HEAD_GOOD : HEAD_VERSION;
}

static enum head_fault
read_first(struct http_head *h, struct slice line)
{
	const struct slice method = {line.p, span(line, TOKEN)};
	struct slice rest = behind(line, method.n), target;
	enum head_fault fault;

	if (line.n > WIDTH_TARGET + LINE_MORE)
		return HEAD_TARGET;
	if (method.n == 0 || rest.n < 2 || *rest.p != ' ')
		return HEAD_LINE;
	rest = behind(rest, 1);
	target = (struct slice){rest.p, span(rest, VISIBLE)};
	rest = behind(rest, target.n);
	if (target.n > WIDTH_TARGET)
		return HEAD_TARGET;
	if (target.n == 0 || rest.n == 0 || *rest.p != ' ')
		return HEAD_LINE;
	fault = read_version(h, behind(rest, 1));
	h->costs += (1 + count(target, "&&")) * HEAD_FIELD_COST;
	return fault || is_target(method, target) ? fault : HEAD_LINE;
}

/* ---- fields ---- */

bool
head_field(struct slice line, struct slice *name, struct slice *value)
{
	const size_t n = span(line, TOKEN);

	if (n == 0 || n == line.n || line.p[n] != ':')
		return false;
	*name = (struct slice){line.p, n};
	*value = behind(line, n + 1);
	if (!is_text(*value))
		return false;
	while (value->n > 0 && is_blank(*value->p))
		*value = behind(*value, 1);
	while (value->n > 0 && is_blank(value->p[value->n - 1]))
		value->n--;
	return true;
}

static enum head_fault
read_length(struct http_head *h, struct slice s)
{
	if (s.n == 0 || span(s, DIGIT) != s.n || h->lengths++)
		return HEAD_FRAMING;
	for (; s.n > 0; s = behind(s, 1)) {
		h->length = h->length * 10 + (uint64_t)(*s.p - '0');
		if (h->length > INT64_MAX / 10)
			return HEAD_LENGTH;
	}
	return HEAD_GOOD;
}

static enum head_fault
read_known(struct http_head *h, struct slice name, struct slice value)
{
	if (is_caseless(name, "Host"))
		return is_host(value) && !h->hosts++ ? HEAD_GOOD : HEAD_HOST;
	if (is_caseless(name, "Content-Length"))
		return read_length(h, value);
	if (is_caseless(name, "Transfer-Encoding"))
		return is_caseless(value, "chunked") && !h->codings++ ? HEAD_GOOD : HEAD_FRAMING;
	if (is_caseless(name, "Cookie")) /* which the library takes apart, in a copy */
		h->costs += value.n + (1 + count(value, ";,")) * HEAD_FIELD_COST;
	return HEAD_GOOD;
}

/* The library knows of blanks before a value only. */
static void
move_blanks(struct slice line, struct slice value)
{
	char *from = (char *)line.p + (value.p - line.p);
	const size_t blanks = line.n - (size_t)(value.p - line.p) - value.n;

	if (blanks == 0 || value.n == 0)
		return;
	memmove(from + blanks, from, value.n);
	memset(from, ' ', blanks);
}

static enum head_fault
read_field(struct http_head *h, struct slice line)
{
	struct slice name, value;
	enum head_fault fault;

	if (!head_field(line, &name, &value))
		return HEAD_FIELD;
	fault = read_known(h, name, value);
	move_blanks(line, value);
	h->costs += HEAD_FIELD_COST;
	if (++h->fields > HEAD_FIELDS_MAX)
		return HEAD_HEADERS;
	return fault;
}

/* ---- the whole ---- */

size_t
head_line_end(const char *bytes, size_t at, size_t n, bool *bare)
{
	const char *lf = n > at ? memchr(bytes + at, '\n', n - at) : NULL;

	*bare = lf && (lf == bytes + at || lf[-1] != '\r');
	return lf ? (size_t)(lf - bytes) + 1 : 0;
}

/* Whether n bytes are too many, which are in it or have come for it. */
static enum head_fault
weigh(const struct http_head *h, size_t n)
{
	if (h->first == 0)
		return n > WIDTH_TARGET + LINE_MORE + 2 || n > h->limit + HEAD_MORE ? HEAD_TARGET
										    : HEAD_GOOD;
	return n - h->first > h->limit + 2 || n + h->costs > h->limit + HEAD_MORE ? HEAD_HEADERS
										  : HEAD_GOOD;
}

static enum head_fault
end(struct http_head *h)
{
	h->whole = true;
	h->chunked = h->codings > 0;
	if (h->hosts == 0 && !h->old)
		return HEAD_HOST;
	return h->chunked && (h->old || h->lengths > 0) ? HEAD_FRAMING : HEAD_GOOD;
}

static enum head_fault
read_line(struct http_head *h, struct slice line)
{
	if (h->first == 0) {
		h->first = line.n + 2;
		return read_first(h, line);
	}
	return line.n == 0 ? end(h) : read_field(h, line);
}

enum head_fault
head_read(struct http_head *h, char *bytes, size_t n)
{
	enum head_fault fault = HEAD_GOOD;
	size_t next;
	bool bare;

	while (!fault && !h->whole && (next = head_line_end(bytes, h->at, n, &bare)) > 0) {
		const struct slice line = {bytes + h->at, next - h->at - 2};

		if (bare)
			return h->first == 0 ? HEAD_LINE : HEAD_FIELD;
		fault = read_line(h, line);
		h->at = next;
		if (!fault)
			fault = weigh(h, next);
	}
	if (!fault && !h->whole)
		fault = weigh(h, n);
	if (!fault && h->first == 0 && n > 0 && *bytes != '\r' &&
		!(kinds[(unsigned char)*bytes] & TOKEN))
		fault = HEAD_LINE; /* no need to wait for the line's end */
	return fault;
}
