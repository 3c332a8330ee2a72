/* life - what an instance's lock says beside its process id: how often in a row it has died within a
 * minute of its start. Who died so twice waits before it starts again, longer each time, whoever starts it.
 *
 * The lock's text is "<process id>\n<deaths> <start>\n", start in ms since boot; after a good end
 * "<process id>\n". */
#ifndef TROTLINE_STAGE_LIFE_H
#define TROTLINE_STAGE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

enum { LIFE_LONG_MS = 60000, LIFE_PAUSE_MS = 1000, LIFE_PAUSE_MOST_MS = 30000 };

/* From the text that the one before has left ("" for none): deaths in a row, its own included. */
uint64_t life_deaths(const char *text, uint64_t boot_ms);

/* How long to wait after so many: not after the first, then 1 s, doubling up to 30 s. */
uint64_t life_pause_ms(uint64_t deaths);

/* With the lock in hand: what the one before has left, and that this one lives. Returns the deaths. */
uint64_t life_begin(int fd);

/* Waits as long as that many deaths ask for, and says so; a signal (a signalfd) is reason enough to go on,
 * and is not read. */
void life_pause(int fd, int signals, uint64_t deaths);

/* Writes this process's text over the old one, which needs no room on the disk. start_ms 0: a good end. */
bool life_write(int fd, uint64_t deaths, uint64_t start_ms);

#endif
