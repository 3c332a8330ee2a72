/* csv - see csv.h. */
#include "csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/slice.h"
#include "lib/base/steering.h"

static const char REPLACED[] = "\xef\xbf\xbd", RUNS[] = "=+-@\t\r\n";

static void
put(msgpack_sbuffer *line, const char *p, size_t n)
{
	msgpack_sbuffer_write(line, p, n);
}

static bool
needs_quotes(struct slice text)
{
	return memchr(text.p, ',', text.n) || memchr(text.p, '"', text.n) ||
	       memchr(text.p, '\n', text.n) || memchr(text.p, '\r', text.n);
}

static void
put_text(msgpack_sbuffer *line, struct slice text)
{
	const bool quoted = text.n && needs_quotes(text);

	if (quoted)
		put(line, "\"", 1);
	if (text.n && *text.p && strchr(RUNS, *text.p))
		put(line, "'", 1);
	for (size_t i = 0, bytes; i < text.n; i += bytes) {
		const char c = text.p[i];
		const bool plain = c == '\n' || c == '\r' || c == '\t';
		const size_t steers = plain ? 0 : steering_at(text.p + i, text.n - i, NULL);

		bytes = steers ? steers : 1;
		if (c == '"')
			put(line, "\"", 1);
		put(line, steers ? REPLACED : &text.p[i], steers ? sizeof REPLACED - 1 : 1);
	}
	if (quoted)
		put(line, "\"", 1);
}

static void
put_number(msgpack_sbuffer *line, const msgpack_object *value)
{
	char text[40];

	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		snprintf(text, sizeof text, "%" PRIu64, value->via.u64);
	else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		snprintf(text, sizeof text, "%" PRIi64, value->via.i64);
	else
		snprintf(text, sizeof text, "%.15g", value->via.f64);
	put(line, text, strlen(text));
}

void
csv_add(msgpack_sbuffer *line, bool first, const msgpack_object *value)
{
	if (!first)
		put(line, ",", 1);
	if (!value)
		return;
	switch (value->type) {
	case MSGPACK_OBJECT_STR:
		put_text(line, (struct slice){value->via.str.ptr, value->via.str.size});
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		put(line, value->via.boolean ? "true" : "false", value->via.boolean ? 4 : 5);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
	case MSGPACK_OBJECT_FLOAT64:
	case MSGPACK_OBJECT_FLOAT32:
		put_number(line, value);
		break;
	default:
		break;
	}
}
