/* backoff - see backoff.h. */
#include "backoff.h"

static uint64_t
doubled(const struct config_retry *retry, uint64_t attempts)
{
	uint64_t wait = retry->delay_ms;

	for (uint64_t n = 1; n < attempts && wait < retry->max_delay_ms; n++)
		wait *= 2;
	return wait < retry->max_delay_ms ? wait : retry->max_delay_ms;
}

uint64_t
backoff_ms(const struct config_retry *retry, uint64_t attempts, uint64_t random)
{
	const uint64_t wait = doubled(retry, attempts);
	const uint64_t spread = (uint64_t)((double)wait * retry->jitter_percent / 100);

	return wait - spread + random % (2 * spread + 1);
}

static uint64_t
longest_of(const struct config_retry *retry)
{
	return retry->max_delay_ms +
	       (uint64_t)((double)retry->max_delay_ms * retry->jitter_percent / 100);
}

uint64_t
backoff_longest_ms(const struct config *cfg)
{
	uint64_t longest = longest_of(&cfg->retry);

	for (size_t i = 0; i < cfg->retry_types_count; i++)
		if (longest_of(&cfg->retry_types[i].retry) > longest)
			longest = longest_of(&cfg->retry_types[i].retry);
	return longest;
}
