/* stores - the journal and the dead letters, opened when somebody first asks about them: figures
 * and health must be told also when they cannot be opened. */
#include "admin.h"

#include "lib/stage/wire.h"

bool
admin_stores(struct admin *a, struct error *why)
{
	const struct config *cfg = a->st->cfg;

	if (!a->journal)
		a->journal = journal_open(cfg, JOURNAL_SETTLE, why);
	if (a->journal && !a->letters)
		a->letters = letters_open(cfg, LETTERS_KEEP, why);
	if (a->letters && !a->advice)
		a->advice = wire_connect(cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, why);
	return a->advice != NULL;
}

void
admin_close_stores(struct admin *a)
{
	zsock_destroy(&a->advice);
	letters_close(&a->letters);
	journal_close(&a->journal);
}
