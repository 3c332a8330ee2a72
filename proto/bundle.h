/* bundle - many frames in one message: what gathers in one round of a loop travels at one message's
 * cost.
 *
 * The bytes are msgpack bin values one after the other, each holding a frame; in front of them may
 * stand one small number, an address: whom alone the frames are for. */
#ifndef TROTLINE_BUNDLE_H
#define TROTLINE_BUNDLE_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/slice.h"

/* Addresses an empty bundle; to: 1 to 127. */
void bundle_address(msgpack_sbuffer *out, unsigned to);

/* Takes the address from the front of a bundle; 0: it has none. */
unsigned bundle_addressed(struct slice *rest);

/* Opens an entry at the end of out; pack one frame behind it, then close it with the mark. */
size_t bundle_open(msgpack_sbuffer *out);
void bundle_close(msgpack_sbuffer *out, size_t mark);

/* Takes the entry off again. */
void bundle_drop(msgpack_sbuffer *out, size_t mark);

/* Adds a frame that is packed already. */
void bundle_add(msgpack_sbuffer *out, struct slice frame);

/* A message that came in, for bundle_next. One of more than FRAMES_PER_BUNDLE frames is no bundle: its
 * first byte stands for it. */
struct slice bundle_of(const void *bytes, size_t n);

/* Takes the next frame from rest. False at the end, and where rest is no bundle (*rest is not empty
 * then). */
bool bundle_next(struct slice *rest, struct slice *frame);

#endif
