/* config_value - the options tables, and how a text becomes a value within its bounds. Pure. */
#include "config_private.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/units.h"

#define ROW(struct_, section_, key_, member_, unit_, fallback_, least_, most_)                     \
	{section_, key_, offsetof(struct_, member_), UNIT_##unit_, fallback_, least_, most_},
#define CONFIG_ROW(id, ...) ROW(struct config, __VA_ARGS__)
#define SOURCE_ROW(id, ...) ROW(struct config_source, __VA_ARGS__)
#define HANDLER_ROW(id, ...) ROW(struct config_handler, __VA_ARGS__)
#define RETRY_ROW(id, ...) ROW(struct config_retry_type, __VA_ARGS__)

const struct config_option config_options[OPTION_COUNT] = {CONFIG_OPTIONS(CONFIG_ROW)};
const struct config_option config_source_options[SOURCE_OPTION_COUNT] = {
	CONFIG_SOURCE_OPTIONS(SOURCE_ROW)};
const struct config_option config_handler_options[HANDLER_OPTION_COUNT] = {
	CONFIG_HANDLER_OPTIONS(HANDLER_ROW)};
const struct config_option config_retry_options[RETRY_OPTION_COUNT] = {
	CONFIG_RETRY_OPTIONS(RETRY_ROW)};

static bool
parse_number(const char *text, int64_t *number)
{
	uint64_t size;

	if (!units_read_count(text + (*text == '-'), &size) || size > INT64_MAX)
		return false;
	*number = *text == '-' ? -(int64_t)size : (int64_t)size;
	return true;
}

static bool
parse_percent(const char *text, double *percent)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*percent = strtod(text, &end);
	return *end == '\0' && isfinite(*percent);
}

static bool
parse_level(const char *text, uint64_t *value)
{
	enum log_level level;

	if (!log_level_parse(text, &level))
		return false;
	*value = level;
	return true;
}

/* One of two words, the second of which is 1. */
static bool
parse_choice(const char *text, const char *no, const char *yes, uint64_t *value)
{
	*value = strcmp(text, yes) == 0;
	return *value || strcmp(text, no) == 0;
}

union value {
	uint64_t u;
	int64_t i;
	double d;
};

static bool
parse_unit(enum config_unit unit, const char *text, union value *v)
{
	switch (unit) {
	case UNIT_COUNT:
		return units_read_count(text, &v->u);
	case UNIT_NUMBER:
		return parse_number(text, &v->i);
	case UNIT_PERCENT:
		return parse_percent(text, &v->d);
	case UNIT_DURATION:
		return units_read_duration(text, &v->u);
	case UNIT_SIZE:
		return units_read_size(text, &v->u);
	case UNIT_LEVEL:
		return parse_level(text, &v->u);
	case UNIT_BOOL:
		return parse_choice(text, "false", "true", &v->u);
	case UNIT_BAD_SIGNATURE:
		return parse_choice(text, "reject", "quarantine", &v->u);
	}
	return false;
}

static bool
within(const struct config_option *opt, union value v)
{
	union value least, most;

	if (!parse_unit(opt->unit, opt->least, &least) || !parse_unit(opt->unit, opt->most, &most))
		return true; /* has no bounds */
	if (opt->unit == UNIT_NUMBER)
		return v.i >= least.i && v.i <= most.i;
	if (opt->unit == UNIT_PERCENT)
		return v.d >= least.d && v.d <= most.d;
	return v.u >= least.u && v.u <= most.u;
}

static const char *const unit_hints[] = {
	[UNIT_COUNT] = "a whole number",
	[UNIT_NUMBER] = "a whole number",
	[UNIT_PERCENT] = "a number",
	[UNIT_DURATION] = "a duration such as 250ms, 30s, 10m, 24h or 30d",
	[UNIT_SIZE] = "a size such as 64KiB, 10MiB, 2GiB or plain bytes",
	[UNIT_LEVEL] = "one of debug, info, warn, error",
	[UNIT_BOOL] = "true or false",
	[UNIT_BAD_SIGNATURE] = "reject or quarantine",
};

bool
config_option_read(const struct config_option *opt, const char *text, void *base, struct error *why)
{
	union value v;

	if (!text)
		text = opt->fallback;
	if (!*opt->least && !parse_unit(opt->unit, text, &v))
		return error_set(why, "must be %s", unit_hints[opt->unit]);
	if (!parse_unit(opt->unit, text, &v) || !within(opt, v))
		return error_set(why, "must be %s, from %s to %s", unit_hints[opt->unit],
			opt->least, opt->most);
	memcpy((char *)base + opt->offset, &v, sizeof v);
	return true;
}
