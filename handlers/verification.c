/* verification - what verification jobs report: a list is finished, a result, the quota.
 * In: verification_bulk_completed, verification_result, verification_quota.  Out: verifications. */
#include "archive.h"
#include "input.h"
#include "kit.h"

/* A finished list or a quota is about no address; a result without a usable one is kept as well. */
static enum verdict_kind
verification(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct slice email = {NULL, 0};
	struct input in;

	(void)cfg;
	if (input_read(&in, ev, NULL))
		email = in.email;
	return archive_verification(db, ev, email, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "verification", verification);
}
