/* readiness - see readiness.h. */
#include "readiness.h"

#include <stdio.h>

#include "lib/base/field.h"

/* "stage retrier has no live process" to its second word; false for other alerts. */
static bool
missing_stage(struct slice alert, struct readiness *r)
{
	static const char prefix[] = "stage ";
	struct slice name = {alert.p, 0};

	if (!alert.p || !slice_starts(alert, prefix))
		return false;
	name.p += sizeof prefix - 1;
	while (name.p + name.n < alert.p + alert.n && name.p[name.n] != ' ')
		name.n++;
	snprintf(r->stage, sizeof r->stage, "%.*s", SLICE_ARG(name));
	error_set(&r->why, "%.*s", SLICE_ARG(alert));
	return true;
}

static bool
any_missing(const msgpack_object *alerts, struct readiness *r)
{
	if (!alerts || alerts->type != MSGPACK_OBJECT_ARRAY)
		return false;
	for (uint32_t i = 0; i < alerts->via.array.size; i++)
		if (missing_stage(object_str(&alerts->via.array.ptr[i]), r))
			return true;
	return false;
}

bool
readiness_judge(long status, const msgpack_object *health, struct readiness *r)
{
	struct slice word = field_str(health, "status");

	if (any_missing(field_get(health, "alerts"), r))
		return false;
	snprintf(r->stage, sizeof r->stage, "ingress");
	if (status != 200 || !word.p || slice_is(word, "critical"))
		return error_set(&r->why, "health answers %ld, %.*s", status, SLICE_ARG(word));
	return true;
}

bool
readiness_silent(const struct error *why, struct readiness *r)
{
	snprintf(r->stage, sizeof r->stage, "ingress");
	r->why = *why;
	return false;
}
