/* log - see log.h.
 *
 * In: fields from this process. Out: whole lines on stderr. State: one buffer, the stage's name and
 * the level, of one process; only one thread may log. A kill here costs the lines that log_flush
 * has not written yet. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doing.h"
#include "steering.h"
#include "timestamp.h"

enum {
	BUFFER_MAX = 256 * 1024,
	PIPE_BYTES = 1 << 20,
	LINE_MAX_ = 4096, /* a line is cut there; what is cut is whole fields */
	TEXT_MAX = 256,
	TEXT_ESCAPED_MAX = TEXT_MAX * 4 + 8,
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
	const char *stage;
	enum log_level least;
	time_t second; /* that `stamp` is written for */
	char stamp[32];
	size_t n; /* bytes in `buffer` */
} out = {.stage = "trotline", .least = LEVEL_INFO, .second = (time_t)-1};
static char buffer[BUFFER_MAX]; /* by itself, so that no page of it exists before it is used */

/* A line under way: bytes past `max` are not written. */
struct line {
	char *p;
	size_t n, max;
};

static void
put(struct line *l, const char *p, size_t n)
{
	if (n > l->max - l->n)
		n = l->max - l->n;
	memcpy(l->p + l->n, p, n);
	l->n += n;
}

static void
put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void
put_uint(struct line *l, uint64_t number)
{
	char digits[20];
	size_t i = sizeof digits;

	do
		digits[--i] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	put(l, digits + i, sizeof digits - i);
}

static void
put_int(struct line *l, int64_t number)
{
	if (number < 0)
		put(l, "-", 1);
	put_uint(l, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* Bytes of the printable UTF-8 character at s, 0 when there is none: one that steers (steering.h), a
 * broken or an overlong sequence. */
static size_t
printable(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (len == 1)
		return s[0] >= ' ' && s[0] != 0x7f;
	if (s[0] < 0xc2 || s[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return steering_at((const char *)s, n, NULL) ? 0 : len;
}

static void
put_escaped(struct line *l, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"':
	case '\\':
		put(l, (const char[]){'\\', (char)c}, 2);
		break;
	case '\n':
		put(l, "\\n", 2);
		break;
	case '\t':
		put(l, "\\t", 2);
		break;
	default:
		put(l, (const char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
	}
}

static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		const char c = s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return s.n > 0;
}

/* A text as a logfmt value: bare when it is one plain word, otherwise quoted. */
static void
put_value(struct line *l, struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = s.n < TEXT_MAX ? s.n : TEXT_MAX;

	if (is_plain((struct slice){s.p, n}) && n == s.n) {
		put(l, s.p, n);
		return;
	}
	put(l, "\"", 1);
	for (size_t i = 0; i < n;) {
		size_t len = printable(p + i, s.n - i);

		if (len == 0 || p[i] == '"' || p[i] == '\\')
			put_escaped(l, p[i++]);
		else if (i + len > n)
			break;
		else {
			put(l, s.p + i, len);
			i += len;
		}
	}
	put_text(l, n < s.n ? "...\"" : "\"");
}

static void
put_time(struct line *l)
{
	struct timespec now;
	char text[TIMESTAMP_BYTES];
	unsigned ms;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != out.second) {
		timestamp_text((uint64_t)now.tv_sec * 1000, text);
		snprintf(out.stamp, sizeof out.stamp, "ts=%.20s", text);
		out.second = now.tv_sec;
	}
	ms = (unsigned)(now.tv_nsec / 1000000);
	put_text(l, out.stamp);
	put(l,
		(const char[]){(char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			(char)('0' + ms % 10), 'Z'},
		4);
}

static void
put_field(struct line *l, const struct log_field *f)
{
	put(l, " ", 1);
	put_text(l, f->key);
	put(l, "=", 1);
	if (f->kind == LOG_FIELD_UINT)
		put_uint(l, f->number);
	else if (f->kind == LOG_FIELD_INT)
		put_int(l, (int64_t)f->number);
	else
		put_value(l, f->text);
}

void
log_open(const char *stage, enum log_level least)
{
	static bool opened;

	out.stage = stage;
	out.least = least;
	if (!opened)
		atexit(log_flush);
	fcntl(STDERR_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	opened = true;
}

void
log_set_level(enum log_level least)
{
	out.least = least;
}

bool
log_enabled(enum log_level level)
{
	return level >= out.least;
}

void
log_line(enum log_level level, const char *msg, const struct log_field *fields, size_t n)
{
	char bytes[LINE_MAX_];
	struct line l = {.p = bytes, .max = sizeof bytes - 1};

	if (!log_enabled(level))
		return;
	put_time(&l);
	put_text(&l, " level=");
	put_text(&l, level_names[level]);
	put_text(&l, " stage=");
	put_value(&l, slice_of(out.stage));
	put_text(&l, " msg=");
	put_value(&l, slice_of(msg));
	for (size_t i = 0; i < n && l.max - l.n >= TEXT_ESCAPED_MAX; i++)
		put_field(&l, &fields[i]);
	bytes[l.n++] = '\n';

	if (l.n > sizeof buffer - out.n)
		log_flush();
	memcpy(buffer + out.n, bytes, l.n);
	out.n += l.n;
	if (level >= LEVEL_WARN)
		log_flush();
}

/* What stderr does not take is dropped: a log that is away must not stop the work. */
void
log_flush(void)
{
	const enum doing before = doing(DOING_LOG);
	size_t done = 0;

	while (done < out.n) {
		ssize_t n = write(STDERR_FILENO, buffer + done, out.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	out.n = 0;
	doing(before);
}

bool
log_pending(void)
{
	return out.n > 0;
}

bool
log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}
