/* store - what a change of a store on disk comes to: the same three words for each of them. */
#ifndef TROTLINE_STORE_STORE_H
#define TROTLINE_STORE_STORE_H

#include "proto/causes.h"

enum store_rc {
	STORE_OK,
	STORE_FULL,   /* the store's limit or the disk is reached: nothing was changed */
	STORE_FAILED, /* the disk or the store is in trouble: nothing was changed */
};

/* Ends the process with 111 and a last line that points to fsck when a page of a mapped file is not there,
 * cut in the moment between a look and the reading, or leads out of the map. For the processes of the
 * pipeline. So it does where LMDB finds that a page cannot be so, which else aborts. */
void store_catch_faults(void);

/* What the last store that failed met, of those in LMDB; ask right after the failure, as errno. */
enum store_cause store_last_cause(void);

#endif
