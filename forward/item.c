/* item - see item.h. */
#include "item.h"

#include <stdlib.h>
#include <string.h>

struct item *
item_new(struct destination *to, struct slice body, struct slice email)
{
	struct item *item = malloc(sizeof *item + body.n + email.n + 1);
	char *room;

	if (!item)
		return NULL;
	memset(item, 0, sizeof *item);
	room = (char *)(item + 1);
	item->to = to;
	item->body = (struct slice){room, body.n};
	memcpy(room, body.p, body.n);
	if (email.p)
		item->email = (struct slice){memcpy(room + body.n, email.p, email.n), email.n};
	return item;
}

void
item_owes(struct item *item, const struct forward_owed *owed)
{
	item->owed = *owed;
	item->owed.id = item->owed.type = item->owed.email = item->owed.body =
		(struct slice){NULL, 0};
	item->kept = true;
}

void
item_free(struct item *item)
{
	free(item);
}

static void
put_before(struct items *list, struct item *item, struct item *next)
{
	item->next = next;
	item->before = next ? next->before : list->last;
	*(item->before ? &item->before->next : &list->first) = item;
	*(next ? &next->before : &list->last) = item;
	list->n++;
	list->bytes += item->body.n;
}

void
items_add(struct items *list, struct item *item)
{
	put_before(list, item, NULL);
}

void
items_add_near(struct items *list, struct item *item, size_t place)
{
	struct item *at = list->first;

	while (at && place--)
		at = at->next;
	put_before(list, item, at);
}

void
items_insert(struct items *list, struct item *item)
{
	struct item *at = list->first;

	while (at && at->owed.first < item->owed.first)
		at = at->next;
	put_before(list, item, at);
}

void
items_remove(struct items *list, struct item *item)
{
	*(item->before ? &item->before->next : &list->first) = item->next;
	*(item->next ? &item->next->before : &list->last) = item->before;
	item->next = item->before = NULL;
	list->n--;
	list->bytes -= item->body.n;
}

void
items_clear(struct items *list)
{
	struct item *item = list->first, *next;

	for (; item; item = next) {
		next = item->next;
		item_free(item);
	}
	*list = (struct items){NULL, NULL, 0, 0};
}

const struct item *
items_of_lane(const struct items *list, uint64_t lane)
{
	const struct item *item = list->first;

	while (item && item->owed.lane != lane)
		item = item->next;
	return item;
}

bool
items_has(const struct items *list, uint64_t job, uint64_t first)
{
	for (const struct item *item = list->first; item; item = item->next)
		if (item->owed.job == job && item->owed.first == first)
			return true;
	return false;
}
