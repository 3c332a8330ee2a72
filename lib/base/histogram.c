/* histogram - see histogram.h. */
#include "histogram.h"

#include <stddef.h>

/* Values below 64 have a bucket each; above, each doubling has 64. */
static size_t
bucket_of(uint64_t us)
{
	unsigned doublings = 0;

	while (us >> doublings >= 2 * HISTOGRAM_PARTS)
		doublings++;
	return us < HISTOGRAM_PARTS ? us : doublings * (size_t)HISTOGRAM_PARTS + (us >> doublings);
}

/* The largest value of a bucket. */
static uint64_t
top_of(size_t bucket)
{
	const size_t doublings = bucket / HISTOGRAM_PARTS;

	if (doublings < 2)
		return bucket;
	return ((bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS + 1) << (doublings - 1)) - 1;
}

void
histogram_add(struct histogram *h, uint64_t us)
{
	const size_t bucket = bucket_of(us);

	h->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
	h->count++;
	h->sum += (double)us;
	if (us > h->most)
		h->most = us;
}

uint64_t
histogram_percentile(const struct histogram *h, double percent)
{
	const double wanted = percent / 100 * (double)h->count;
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (h->buckets[i] > 0 && (double)seen >= wanted)
			return top_of(i) < h->most ? top_of(i) : h->most;
	}
	return h->most;
}

double
histogram_average(const struct histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}
