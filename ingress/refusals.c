/* refusals - see refusals.h. */
#include "refusals.h"

#include "proto/limits.h"
#include "proto/providers.h"

struct refusal
refusal_of(enum refusal_cause cause, const struct config_source *source)
{
	static const struct refusal table[] = {
#define REFUSAL_ROW(name, status, text, when)                                                      \
	[REFUSAL_##name] = {#name, when, status, text, (status) == 503 ? RETRY_AFTER_S : 0},
		REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
	};
	struct refusal refusal = table[cause];

	if (refusal.status == 503)
		refusal.status = provider_busy(source ? source->provider : NULL);
	return refusal;
}
