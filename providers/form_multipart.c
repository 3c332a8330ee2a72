/* form_multipart - multipart/form-data (RFC 7578, RFC 2046 section 5.1).
 *
 * Values point into the body. Transfer encodings, which RFC 7578 took out, are refused: their
 * values would otherwise be read wrongly without a word. */
#include "form_multipart.h"

#include <strings.h>

enum { BOUNDARY_MAX = 70 };

static const struct slice NONE = {NULL, 0};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* One "; name=value" at *p, to the next ';'. */
static bool
next_parameter(const char **p, const char *end, struct slice *name, struct slice *value)
{
	const char *start;

	while (*p < end && (is_space(**p) || **p == ';'))
		(*p)++;
	for (start = *p; *p < end && **p != '=' && **p != ';'; (*p)++)
		;
	*name = (struct slice){start, (size_t)(*p - start)};
	*value = NONE;
	if (*p == end || **p == ';')
		return name->n > 0;
	start = ++*p;
	if (start < end && *start == '"') {
		for (start = ++*p; *p < end && **p != '"'; (*p)++)
			*p += **p == '\\' && *p + 1 < end;
		*value = (struct slice){start, (size_t)(*p - start)};
		*p += *p < end;
		return true;
	}
	while (*p < end && **p != ';' && !is_space(**p))
		(*p)++;
	*value = (struct slice){start, (size_t)(*p - start)};
	return true;
}

struct slice
form_parameter(struct slice value, const char *name)
{
	const char *p = value.p, *end = value.p + value.n;
	struct slice key, found;

	while (p < end && *p != ';')
		p++;
	while (p < end && next_parameter(&p, end, &key, &found))
		if (key.n == strlen(name) && strncasecmp(key.p, name, key.n) == 0)
			return found;
	return NONE;
}

/* A part's header line: is it that header? Its value goes to *value. */
static bool
is_header(struct slice line, const char *name, struct slice *value)
{
	const size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0)
		return false;
	*value = (struct slice){line.p + n + 1, line.n - n - 1};
	while (value->n && is_space(*value->p))
		value->p++, value->n--;
	return true;
}

static bool
is_plain_encoding(struct slice value)
{
	return (value.n == 4 && strncasecmp(value.p, "8bit", 4) == 0) ||
	       (value.n == 4 && strncasecmp(value.p, "7bit", 4) == 0) ||
	       (value.n == 6 && strncasecmp(value.p, "binary", 6) == 0);
}

static bool
read_header(struct slice line, struct form_field *field, struct error *why)
{
	struct slice value;

	if (is_header(line, "Content-Disposition", &value)) {
		field->name = form_parameter(value, "name");
		field->filename = form_parameter(value, "filename");
	} else if (is_header(line, "Content-Transfer-Encoding", &value) &&
		   !is_plain_encoding(value)) {
		return error_set(why, "a form's part with a transfer encoding");
	}
	return true;
}

/* Reads the headers up to the empty line; *part is then the value. */
static bool
read_headers(struct slice *part, struct form_field *field, struct error *why)
{
	size_t used = 0;

	for (;;) {
		const char *end = memmem(part->p, part->n, "\r\n", 2);
		const struct slice line = {part->p, end ? (size_t)(end - part->p) : 0};

		used += line.n + 2;
		if (!end || used > FORM_PART_HEADERS_MAX)
			return error_set(why,
				"a form's part whose headers are cut or over %d bytes",
				FORM_PART_HEADERS_MAX);
		part->p += line.n + 2;
		part->n -= line.n + 2;
		if (!line.n)
			break;
		if (!read_header(line, field, why))
			return false;
	}
	return field->name.p || error_set(why, "a form's part without a name");
}

/* The next delimiter, "\r\n--boundary", at or after p. */
static const char *
find_delimiter(const char *p, const char *end, struct slice delimiter)
{
	return memmem(p, (size_t)(end - p), delimiter.p, delimiter.n);
}

/* Behind a delimiter: "--" closes the form, spaces and a line end open a part. */
static bool
opens_part(const char **p, const char *end, bool *closes, struct error *why)
{
	*closes = end - *p >= 2 && (*p)[0] == '-' && (*p)[1] == '-';
	if (*closes)
		return true;
	while (*p < end && is_space(**p))
		(*p)++;
	if (end - *p < 2 || (*p)[0] != '\r' || (*p)[1] != '\n')
		return error_set(why, "a form's boundary is not followed by a line end");
	*p += 2;
	return true;
}

/* p: behind the first delimiter. */
static bool
read_parts(const char *p, const char *end, struct slice delimiter, msgpack_zone *zone,
	struct form *form, struct error *why)
{
	bool closes;

	while (opens_part(&p, end, &closes, why)) {
		struct form_field *field;
		struct slice part;
		const char *stop;

		if (closes)
			return true;
		stop = find_delimiter(p, end, delimiter);
		if (!stop)
			return error_set(why, "a form that is cut: its last boundary is missing");
		field = form_add(form, zone, why);
		if (!field)
			return false;
		*field = (struct form_field){NONE, NONE, NONE};
		part = (struct slice){p, (size_t)(stop - p)};
		if (!read_headers(&part, field, why))
			return false;
		field->value = part;
		p = stop + delimiter.n;
	}
	return false;
}

bool
form_read_multipart(struct slice boundary, struct slice body, msgpack_zone *zone, struct form *form,
	struct error *why)
{
	char text[BOUNDARY_MAX + 4] = "\r\n--";
	const struct slice delimiter = {text, boundary.n + 4};
	const struct slice first = {text + 2, boundary.n + 2};
	const char *end = body.p + body.n, *p = body.p;

	*form = (struct form){NULL, 0};
	if (!boundary.n || boundary.n > BOUNDARY_MAX)
		return error_set(why, "a form's boundary of %zu bytes", boundary.n);
	memcpy(text + 4, boundary.p, boundary.n);
	if (body.n < first.n || memcmp(p, first.p, first.n) != 0) {
		p = body.n ? find_delimiter(p, end, delimiter) : NULL;
		if (!p)
			return error_set(why, "a form without its boundary");
		p += 2;
	}
	return read_parts(p + first.n, end, delimiter, zone, form, why);
}
