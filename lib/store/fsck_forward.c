/* fsck_forward - forward.db: SQLite's own check of it, and whether its rows agree. */
#include "forward.h"
#include "fsck_private.h"

static void
tell_fault(void *arg, const char *fault)
{
	fsck_find(arg, FSCK_FORWARD_BAD, 0, 0, "%s", fault);
}

bool
fsck_forward(struct fsck *f, struct error *why)
{
	struct error fault = {""};
	bool exists;
	struct forward *forward = forward_open(f->cfg->data_dir, FORWARD_LOOK, &exists, &fault);

	(void)why;
	if (!forward) {
		if (exists)
			tell_fault(f, fault.text);
		return true;
	}
	fsck_progress(f, "forward.db", 0, 0);
	forward_check(forward, tell_fault, f, &fault);
	forward_close(&forward);
	return true;
}
