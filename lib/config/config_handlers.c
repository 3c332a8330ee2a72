/* config_handlers - the list `handlers`, joined with the built-in table: which types go where, and
 * how many processes take them. */
#include <stdlib.h>

#include "config_private.h"
#include "proto/limits.h"
#include "proto/taker.h"
#include "proto/types.h"

/* Index of the handler among the first n rows; n when it is not there. */
static size_t
handler_index(const struct config_handler *rows, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(rows[i].name, name) != 0)
		i++;
	return i;
}

static bool
is_built_in(const char *name)
{
	size_t i = 0;

	while (i < event_types_count && strcmp(event_types[i].handler, name) != 0)
		i++;
	return i < event_types_count;
}

/* ---- the file's rows ---- */

/* No type may go to two handlers, nor twice to one. */
static bool
is_taken(const struct config_handler *rows, size_t row, size_t type)
{
	for (size_t i = 0; i <= row; i++)
		for (size_t t = 0; t < (i < row ? rows[i].types_count : type); t++)
			if (strcmp(rows[i].types[t], rows[row].types[type]) == 0)
				return true;
	return false;
}

static bool
check_types(const struct config_load *ld, const struct config_handler *rows, size_t row)
{
	for (size_t t = 0; t < rows[row].types_count; t++) {
		struct config_key key = config_key("handlers[%zu].types[%zu]", row, t);

		if (strlen(rows[row].types[t]) > WIDTH_TYPE)
			return config_fault(ld, key.text, "is longer than %d bytes", WIDTH_TYPE);
		if (is_taken(rows, row, t))
			return config_fault(ld, key.text, "\"%.64s\" stands there twice",
				config_entry_find(ld, key.text)->text);
	}
	return true;
}

/* room: for handlers that are not built in. */
static bool
check_rows(const struct config_load *ld, const struct config_handler *rows, size_t n, size_t room)
{
	for (size_t i = 0, own = 0; i < n; i++) {
		struct config_key key = config_key("handlers[%zu]", i);

		if (!check_types(ld, rows, i))
			return false;
		if (strcmp(rows[i].name, HISTORY_NAME) == 0)
			return config_fault(ld, key.text,
				"is called " HISTORY_NAME ", as the stage is; choose another name");
		if (is_built_in(rows[i].name))
			continue;
		if (rows[i].types_count == 0)
			return config_fault(ld, key.text, "is not built in, so it needs `types`");
		if (own++ == room)
			return config_fault(ld, key.text,
				"more than %d handlers, built-in ones included",
				CONFIG_HANDLERS_MAX);
	}
	return true;
}

/* ---- joined ---- */

/* Fills rows, which may be freed whatever happens. */
static bool
add_built_in(struct config_handler *rows, size_t *n)
{
	const struct config_option *processes;

	config_option_find("handlers[0].processes", &processes);
	for (size_t i = 0; i < event_types_count; i++) {
		if (handler_index(rows, *n, event_types[i].handler) < *n)
			continue;
		config_value_read(processes, processes->fallback, &rows[*n].processes, NULL);
		rows[*n].name = strdup(event_types[i].handler);
		if (!rows[*n].name)
			return false;
		++*n;
	}
	return true;
}

/* What the file says of a built-in handler goes into its row, the rest after them. */
static void
join(struct config *cfg, struct config_handler *listed, size_t n)
{
	const size_t built_in = cfg->handlers_count;

	for (size_t i = 0; i < n; i++) {
		size_t row = handler_index(cfg->handlers, built_in, listed[i].name);

		if (row == built_in)
			row = cfg->handlers_count++;
		free(cfg->handlers[row].name);
		cfg->handlers[row] = listed[i];
	}
	free(listed);
}

bool
config_join_handlers(const struct config_load *ld)
{
	struct config *cfg = ld->cfg, joined = {0};

	joined.handlers = calloc(CONFIG_HANDLERS_MAX, sizeof *joined.handlers);
	if (!joined.handlers || !add_built_in(joined.handlers, &joined.handlers_count))
		config_fault(ld, "handlers", "memory is short");
	else if (check_rows(ld, cfg->handlers, cfg->handlers_count,
			 CONFIG_HANDLERS_MAX - joined.handlers_count)) {
		cfg->handler_unknown = joined.handlers_count - 1;
		join(&joined, cfg->handlers, cfg->handlers_count);
		cfg->handlers = joined.handlers;
		cfg->handlers_count = joined.handlers_count;
		return true;
	}
	config_take_free(NULL, &joined);
	return false;
}

size_t
config_route(const struct config *cfg, struct slice type)
{
	const struct event_type *built_in = event_type_find(type);

	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count; t++)
			if (slice_is(type, cfg->handlers[i].types[t]))
				return i;
	return built_in ? handler_index(cfg->handlers, cfg->handlers_count, built_in->handler)
			: cfg->handler_unknown;
}

unsigned
config_owed(const struct config *cfg)
{
	return OWED_HANDLER | (config_keeps_history(cfg) ? OWED_HISTORY : 0);
}
