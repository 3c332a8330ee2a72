/* watcher - ends processes of the pipeline that hang, so that they are started again.
 *
 * In: every process's beats. Out: SIGKILL to one of which nothing was heard for 6 s; what each is at, as
 * figures that health reads. State: when each was heard. A kill costs nothing: the next one counts all
 * anew. The retrier and the dlq watch it; a supervisor, or systemd by WatchdogSec, starts all of them again. */
#include "lib/stage/heart.h"
#include "lib/stage/warden.h"

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("watcher", NULL, argc, argv);
	struct warden *w = warden_new(st, HEART_BEATS, NULL);

	stage_run(st);
	warden_destroy(&w);
	return stage_destroy(&st);
}
