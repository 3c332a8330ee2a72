/* disk - a disk that fills, and a process that ends, at a call by which files change: for the tests of stores. */
#ifndef TROTLINE_TEST_DISK_H
#define TROTLINE_TEST_DISK_H

enum { DISK_KILLED = 9 };

/* Calls so far; at which of them the process ends with DISK_KILLED; from which on there is no room. 0: never. */
extern unsigned disk_calls, disk_die_at, disk_full_from;

#endif
