/* interrupt - SIGINT and SIGTERM end what runs until it is stopped, in its own time. */
#ifndef TROTLINE_CLI_INTERRUPT_H
#define TROTLINE_CLI_INTERRUPT_H

#include <signal.h>

/* Not 0 once one of them has come; who wants to end for another reason sets it too. */
extern volatile sig_atomic_t interrupted;

/* From now on they set it, or this one signal does. A call that waits returns with EINTR. */
void interrupt_catch(void);
void interrupt_catch_one(int signum);

#endif
