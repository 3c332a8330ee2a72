/* config_value - how a text becomes a number within its bounds. Pure. */
#include <math.h>
#include <stdlib.h>

#include "config_private.h"
#include "lib/base/units.h"

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

/* Which of the words, that have a blank between them. */
static bool
parse_choice(const char *words, const char *text, uint64_t *value)
{
	const size_t n = strlen(text);

	for (*value = 0; *words; ++*value) {
		const size_t length = strcspn(words, " ");

		if (n == length && memcmp(words, text, n) == 0)
			return true;
		words += length + (words[length] == ' ');
	}
	return false;
}

union value {
	uint64_t u;
	int64_t i;
	double d;
};

static bool
parse(const struct config_option *option, const char *text, union value *v)
{
	switch (option->type) {
	case OPTION_COUNT:
		return units_read_count(text, &v->u);
	case OPTION_NUMBER:
		return parse_number(text, &v->i);
	case OPTION_PERCENT:
		return parse_percent(text, &v->d);
	case OPTION_DURATION:
		return units_read_duration(text, &v->u);
	case OPTION_SIZE:
		return units_read_size(text, &v->u);
	case OPTION_CHOICE:
		return parse_choice(option->least, text, &v->u);
	case OPTION_FLAG:
		return parse_choice("false true", text, &v->u);
	default:
		return false; /* no number */
	}
}

static bool
is_within(const struct config_option *option, union value v)
{
	union value least, most;

	if (option->type == OPTION_CHOICE || option->type == OPTION_FLAG)
		return true;
	if (!parse(option, option->least, &least) || !parse(option, option->most, &most))
		return false;
	if (option->type == OPTION_NUMBER)
		return v.i >= least.i && v.i <= most.i;
	if (option->type == OPTION_PERCENT)
		return v.d >= least.d && v.d <= most.d;
	return v.u >= least.u && v.u <= most.u;
}

/* "a or b", "one of a, b, c" */
static bool
refuse_choice(const char *words, struct error *why)
{
	const char *last = strrchr(words, ' ');
	char list[128];
	size_t n = 0;

	if (last == strchr(words, ' '))
		return error_set(why, "must be %.*s or %s", (int)(last - words), words, last + 1);
	for (; *words && n + 3 < sizeof list; words++) {
		if (*words == ' ')
			list[n++] = ',';
		list[n++] = *words;
	}
	return error_set(why, "must be one of %.*s", (int)n, list);
}

static const char *const hints[] = {
	[OPTION_COUNT] = "a whole number",
	[OPTION_NUMBER] = "a whole number",
	[OPTION_PERCENT] = "a number",
	[OPTION_DURATION] = "a duration such as 250ms, 30s, 10m, 24h or 30d",
	[OPTION_SIZE] = "a size such as 64KiB, 10MiB, 2GiB or plain bytes",
};

bool
config_value_read(
	const struct config_option *option, const char *text, void *member, struct error *why)
{
	union value v;

	if (parse(option, text, &v) && is_within(option, v)) {
		memcpy(member, &v, sizeof v);
		return true;
	}
	if (option->type == OPTION_CHOICE)
		return refuse_choice(option->least, why);
	if (option->type == OPTION_FLAG)
		return error_set(why, "must be true or false");
	return error_set(
		why, "must be %s, from %s to %s", hints[option->type], option->least, option->most);
}
