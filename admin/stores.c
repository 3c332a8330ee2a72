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
	if (a->letters && !a->verdicts)
		a->verdicts = wire_connect(cfg, WIRE_VERDICTS, ZMQ_PUSH, NULL, 0, why);
	return a->verdicts != NULL;
}

void
admin_close_stores(struct admin *a)
{
	zsock_destroy(&a->verdicts);
	letters_close(&a->letters);
	journal_close(&a->journal);
}
