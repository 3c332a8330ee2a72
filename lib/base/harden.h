/* harden - what every process of ours gives up when it starts. */
#ifndef TROTLINE_BASE_HARDEN_H
#define TROTLINE_BASE_HARDEN_H

#include "error.h"

/* No core dump, no look into this process's memory and environment by another of the same user
 * (ptrace, /proc), no privileges by what it starts, and nothing that it makes is for others. Call
 * it first. What it starts takes all but the second along. */
void harden(void);

/* Whether a folder, and all in it, belongs to this user or root and can be written by nobody else;
 * a symbolic link anywhere in it does not pass. What is not there is good. False with what to do.
 */
bool harden_check_folder(const char *path, struct error *why);

#endif
