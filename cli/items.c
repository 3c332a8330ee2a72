/* items - see items.h. */
#include "items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/unread.h"

static bool
read_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '1' && *text <= '9' && !*end && errno == 0;
}

int
items_check(struct call *call)
{
	struct items_ask *ask = call->options;

	if (call->rest.n && !read_number(call->rest.list[0], &ask->meant.number))
		return cli_wrong_use(
			call->verb, "\"%s\" is no number of `list`", call->rest.list[0]);
	if (ask->meant.reason && !unread_reason_find(slice_of(ask->meant.reason)))
		return cli_wrong_use(call->verb, "\"%s\" is no reason", ask->meant.reason);
	return -1;
}

int
items_check_show(struct call *call)
{
	if (call->rest.n == 0)
		return cli_wrong_use(call->verb, "show takes a number of `list`");
	return items_check(call);
}

int
items_check_drop(struct call *call)
{
	const struct items_ask *ask = call->options;

	if (call->rest.n == 0 && !ask->yes)
		return cli_wrong_use(call->verb, "drop takes a number, or --yes for all");
	return items_check(call);
}

int
items_nothing(const struct call *call, const struct items_place *place)
{
	const struct items_ask *ask = call->options;
	struct error why;

	if (ask->meant.number) {
		error_set(&why, "number %llu is not %s", (unsigned long long)ask->meant.number,
			place->one);
		return cli_failed(call->verb, &why);
	}
	if (!ask->json)
		printf("nothing is %s\n", place->all);
	return CLI_DONE;
}

int
items_dropped(const struct call *call, uint64_t dropped, const struct items_place *place)
{
	const struct items_ask *ask = call->options;

	if (ask->meant.number && dropped == 0)
		return items_nothing(call, place);
	printf(ask->json ? "{\"dropped\":%llu}\n" : "dropped %llu\n", (unsigned long long)dropped);
	return CLI_DONE;
}
