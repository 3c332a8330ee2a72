/* form - see form.h. Chooses the kind, and reads the urlencoded one. */
#include "form.h"

#include <strings.h>

#include "form_multipart.h"

static const struct slice NONE = {NULL, 0};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "%41" at i; -1 when two hex digits do not follow. */
static int
percent_byte(struct slice text, size_t i)
{
	int high, low;

	if (text.p[i] != '%' || text.n - i < 3)
		return -1;
	high = hex_digit(text.p[i + 1]);
	low = hex_digit(text.p[i + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Text without '%' and '+' stays where it is. */
static bool
decode(struct slice text, msgpack_zone *zone, struct slice *out)
{
	char *to;

	*out = text;
	if (!text.n || (!memchr(text.p, '%', text.n) && !memchr(text.p, '+', text.n)))
		return true;
	to = msgpack_zone_malloc_no_align(zone, text.n);
	if (!to)
		return false;
	*out = (struct slice){to, 0};
	for (size_t i = 0; i < text.n; i++) {
		const int byte = percent_byte(text, i);

		if (byte >= 0)
			i += 2;
		to[out->n++] = (char)(byte >= 0 ? byte : text.p[i] == '+' ? ' ' : text.p[i]);
	}
	return true;
}

static bool
read_pair(struct slice pair, msgpack_zone *zone, struct form *form, struct error *why)
{
	const char *equals = memchr(pair.p, '=', pair.n);
	const size_t n = equals ? (size_t)(equals - pair.p) : pair.n;
	const size_t skip = equals ? n + 1 : n;
	struct form_field *field = form_add(form, zone, why);

	if (!field)
		return false;
	field->filename = NONE;
	return (decode((struct slice){pair.p, n}, zone, &field->name) &&
		       decode((struct slice){pair.p + skip, pair.n - skip}, zone, &field->value)) ||
	       error_set(why, "out of memory for a form");
}

bool
form_read_urlencoded(struct slice body, msgpack_zone *zone, struct form *form, struct error *why)
{
	*form = (struct form){NULL, 0};
	while (body.n) {
		const char *end = memchr(body.p, '&', body.n);
		const size_t n = end ? (size_t)(end - body.p) : body.n;

		if (n && !read_pair((struct slice){body.p, n}, zone, form, why))
			return false;
		body.p += n + (end != NULL);
		body.n -= n + (end != NULL);
	}
	return true;
}

/* Behind the type may come parameters, and spaces before them. */
static bool
ends_type(char c)
{
	return c == ';' || c == ' ' || c == '\t';
}

static bool
is_type(struct slice content_type, const char *type)
{
	const size_t n = strlen(type);

	return content_type.n >= n && strncasecmp(content_type.p, type, n) == 0 &&
	       (content_type.n == n || ends_type(content_type.p[n]));
}

static const char URLENCODED[] = "application/x-www-form-urlencoded";
static const char MULTIPART[] = "multipart/form-data";

bool
form_is(struct slice content_type)
{
	return is_type(content_type, URLENCODED) || is_type(content_type, MULTIPART);
}

bool
form_read(struct slice content_type, struct slice body, msgpack_zone *zone, struct form *form,
	struct error *why)
{
	struct slice boundary;

	*form = (struct form){NULL, 0};
	if (is_type(content_type, URLENCODED))
		return form_read_urlencoded(body, zone, form, why);
	if (!is_type(content_type, MULTIPART))
		return error_set(
			why, "the content type is neither %s nor %s", URLENCODED, MULTIPART);
	boundary = form_parameter(content_type, "boundary");
	if (!boundary.n)
		return error_set(why, "%s without a boundary", MULTIPART);
	return form_read_multipart(boundary, body, zone, form, why);
}
