/* route - see route.h. */
#include "route.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct route_row {
	const char *method, *path;
};

#define ROUTE_ROW(name, method, path) {method, path},
static const struct route_row rows[] = {ADMIN_ROUTES(ROUTE_ROW)};

/* The argument of a path, "" where the row takes none; NULL when it is another's. */
static const char *
match(const struct route_row *row, const char *path)
{
	const size_t n = strlen(row->path);

	if (row->path[n - 1] != '/')
		return strcmp(row->path, path) == 0 ? path + n : NULL;
	return strncmp(row->path, path, n) == 0 && path[n] ? path + n : NULL;
}

static bool
ends(const char *text, const char *tail)
{
	const size_t n = strlen(text), m = strlen(tail);

	return n > m && strcmp(text + n - m, tail) == 0;
}

/* What can be done to a destination. */
static bool
is_act(const char *argument)
{
	return ends(argument, "/pause") || ends(argument, "/resume") || ends(argument, "/enable");
}

/* A letter's own path takes GET and DELETE, its /replay takes POST; a destination's own GET, and its acts POST. */
static bool
fits(enum route_kind kind, const char *argument)
{
	switch (kind) {
	case ROUTE_LETTER:
	case ROUTE_LETTER_DROP:
		return strcmp(argument, "replay") != 0 && !ends(argument, "/replay");
	case ROUTE_LETTER_REPLAY:
		return ends(argument, "/replay");
	case ROUTE_DESTINATION:
		return !strchr(argument, '/');
	case ROUTE_DESTINATION_ACT:
		return is_act(argument) && strchr(argument, '/') == strrchr(argument, '/');
	default:
		return true;
	}
}

/* All sets of methods that a path of ours can have. */
static const char *
allowed(bool get, bool post, bool delete)
{
	if (get)
		return delete ? "GET, HEAD, DELETE" : post ? "GET, HEAD, POST" : "GET, HEAD";
	return post ? "POST" : NULL;
}

struct admin_route
route_of(const char *method, const char *path)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
	bool get = false, post = false, delete = false;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *argument = match(&rows[i], path);

		if (!argument || !fits((enum route_kind)i, argument))
			continue;
		if (strcmp(rows[i].method, wanted) == 0)
			return (struct admin_route){(enum route_kind)i, argument, 0, NULL};
		get |= strcmp(rows[i].method, "GET") == 0;
		post |= strcmp(rows[i].method, "POST") == 0;
		delete |= strcmp(rows[i].method, "DELETE") == 0;
	}
	if (get || post || delete)
		return (struct admin_route){ROUTE_NONE, NULL, 405, allowed(get, post, delete)};
	return (struct admin_route){ROUTE_NONE, NULL, 404, NULL};
}
