/* descriptors - how many files and sockets the system lets this process hold. */
#ifndef TROTLINE_BASE_DESCRIPTORS_H
#define TROTLINE_BASE_DESCRIPTORS_H

#include <stddef.h>

/* The most that this process may have: the hard limit, or 2^20 where it is higher. */
size_t descriptors_most(void);

/* Raises the soft limit to that, unless it is higher. Returns how many there may be now. */
size_t descriptors_raise(void);

#endif
