/* config_replace - a new configuration for a process that runs: what may change does, what cannot
 * is named. */
#include <stdio.h>

#include "config_private.h"

/* Plain members that a running pipeline keeps: X(key, member). */
#define CONFIG_FIXED(X)                                                                            \
	X("processes.ingress", processes.ingress)                                                  \
	X("processes.validator", processes.validator)                                              \
	X("processes.router", processes.router)                                                    \
	X("limits.connections", limits.connections)                                                \
	X("limits.memory", limits.memory_bytes)                                                    \
	X("limits.header_size", limits.header_bytes)                                               \
	X("limits.event_size", limits.event_bytes)                                                 \
	X("limits.batch_size", limits.batch_bytes)                                                 \
	X("limits.idle_timeout", limits.idle_timeout_ms)                                           \
	X("journal.max_size", journal.max_bytes)

/* Swaps two members of the same type. */
#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swapped_ = (a);                                                      \
		(a) = (b);                                                                         \
		(b) = swapped_;                                                                    \
	} while (0)

static void
keep(struct error *kept, const char *key)
{
	const size_t n = strlen(kept->text);

	snprintf(kept->text + n, sizeof kept->text - n, "%s%s", n ? ", " : "", key);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* An address stays whole: as written, and its parts. */
static void
keep_listens(struct error *kept, struct config *live, struct config *next)
{
	if (!same_text(live->listen, next->listen)) {
		keep(kept, "listen");
		SWAP(live->listen, next->listen);
		SWAP(live->address, next->address);
		SWAP(live->port, next->port);
	}
	if (!same_text(live->admin.listen, next->admin.listen)) {
		keep(kept, "admin.listen");
		SWAP(live->admin.listen, next->admin.listen);
		SWAP(live->admin.address, next->admin.address);
		SWAP(live->admin.port, next->admin.port);
	}
}

static void
keep_data_dir(struct error *kept, struct config *live, struct config *next)
{
	if (same_text(live->data_dir, next->data_dir))
		return;
	keep(kept, "data_dir");
	SWAP(live->data_dir, next->data_dir);
}

static bool
same_handler(const struct config_handler *a, const struct config_handler *b)
{
	if (strcmp(a->name, b->name) != 0 || a->types_count != b->types_count ||
		a->processes != b->processes)
		return false;
	for (size_t t = 0; t < a->types_count; t++)
		if (strcmp(a->types[t], b->types[t]) != 0)
			return false;
	return true;
}

static bool
same_handlers(const struct config *a, const struct config *b)
{
	if (a->handlers_count != b->handlers_count)
		return false;
	for (size_t i = 0; i < a->handlers_count; i++)
		if (!same_handler(&a->handlers[i], &b->handlers[i]))
			return false;
	return true;
}

static void
keep_handlers(struct error *kept, struct config *live, struct config *next)
{
	if (same_handlers(live, next))
		return;
	keep(kept, "handlers");
	SWAP(live->handlers, next->handlers);
	SWAP(live->handlers_count, next->handlers_count);
}

/* What is swapped above goes back to live here; next becomes what is retired. */
void
config_replace(struct config *live, struct config *next, struct error *kept)
{
	struct config *retired = live->retired;

	kept->text[0] = 0;
#define KEEP_MEMBER(key_, member_)                                                                 \
	if (next->member_ != live->member_) {                                                      \
		keep(kept, key_);                                                                  \
		next->member_ = live->member_;                                                     \
	}
	CONFIG_FIXED(KEEP_MEMBER)
#undef KEEP_MEMBER
	keep_listens(kept, live, next);
	keep_data_dir(kept, live, next);
	keep_handlers(kept, live, next);
	SWAP(*live, *next);
	next->retired = retired;
	live->retired = next;
}
