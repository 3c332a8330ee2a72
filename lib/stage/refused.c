/* refused - see refused.h. */
#include "refused.h"

static const char KIND[] = "refused";

bool
refused_wanted(struct tap *tap)
{
	return tap_wanted(tap, KIND);
}

static bool
has_turn(struct refused_feed *feed, uint64_t now_ms)
{
	if (now_ms / 1000 != feed->second) {
		feed->second = now_ms / 1000;
		feed->told = 0;
	}
	if (feed->told < REFUSED_A_SECOND) {
		feed->told++;
		return true;
	}
	feed->left_out++;
	return false;
}

void
refused_tell(struct refused_feed *feed, struct tap *tap, struct refused *r, uint64_t now_ms)
{
	if (!has_turn(feed, now_ms))
		return;
	r->left_out = feed->left_out;
	msgpack_sbuffer_clear(&feed->frame);
	if (!frame_pack(&refused_schema, r, &feed->frame))
		return;
	feed->left_out = 0;
	tap_send(tap, KIND, r->source, feed->frame.data, feed->frame.size);
}

void
refused_close(struct refused_feed *feed)
{
	msgpack_sbuffer_destroy(&feed->frame);
}
