/* store - what a change of a store on disk comes to: the same three words for each of them. */
#ifndef TROTLINE_STORE_STORE_H
#define TROTLINE_STORE_STORE_H

enum store_rc {
	STORE_OK,
	STORE_FULL,   /* the store's limit or the disk is reached: nothing was changed */
	STORE_FAILED, /* the disk or the store is in trouble: nothing was changed */
};

#endif
