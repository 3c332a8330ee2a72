/* A bundle that knows which events are in it. */
#include <criterion/criterion.h>

#include "lib/stage/parcel.h"
#include "proto/bundle.h"
#include "proto/limits.h"

static struct parcel p;
static zsock_t *push, *pull;
static uint64_t back[PARCEL_EVENTS];
static size_t back_n;

static void
setup(void)
{
	parcel_init(&p, 0, 3, 100);
	zsys_handler_set(NULL);
	push = zsock_new(ZMQ_PUSH);
	cr_assert(push && zsock_bind(push, "inproc://parcel") == 0);
	pull = NULL;
	back_n = 0;
}

static void
teardown(void)
{
	parcel_destroy(&p);
	zsock_destroy(&push);
	zsock_destroy(&pull);
}

TestSuite(parcel, .init = setup, .fini = teardown, .timeout = 20);

static void
take_back(void *arg, const uint64_t *seqs, size_t n)
{
	cr_assert_eq(arg, &p);
	cr_assert_leq(back_n + n, (size_t)PARCEL_EVENTS);
	memcpy(back + back_n, seqs, n * sizeof *seqs);
	back_n += n;
}

static void
somebody_comes(void)
{
	zmq_pollitem_t room = {zsock_resolve(push), 0, ZMQ_POLLOUT, 0};

	pull = zsock_new_pull(">inproc://parcel");
	cr_assert_not_null(pull);
	zsock_set_rcvtimeo(pull, 5000);
	cr_assert_eq(zmq_poll(&room, 1, 5000), 1);
}

/* How many frames the next message holds. */
static size_t
arrived(void)
{
	zframe_t *message = zframe_recv(pull);
	struct slice rest, frame;
	size_t n = 0;

	cr_assert_not_null(message);
	rest = (struct slice){(const char *)zframe_data(message), zframe_size(message)};
	while (bundle_next(&rest, &frame)) {
		cr_assert(slice_is(frame, "event"));
		n++;
	}
	cr_assert_eq(rest.n, 0);
	zframe_destroy(&message);
	return n;
}

Test(parcel, it_is_full_with_so_many_events)
{
	cr_expect_not(parcel_add(&p, 1, slice_of("event")));
	cr_expect_not(parcel_add(&p, 2, slice_of("event")));
	cr_expect(parcel_add(&p, 3, slice_of("event")));
}

Test(parcel, it_is_full_with_so_many_bytes)
{
	static const char large[100] = {0};

	cr_expect(parcel_add(&p, 1, (struct slice){large, sizeof large}));
}

Test(parcel, what_is_in_it_goes_as_one_message)
{
	somebody_comes();
	parcel_add(&p, 7, slice_of("event"));
	parcel_add(&p, 8, slice_of("event"));
	cr_expect_eq(parcel_go(&p, push, take_back, &p), 2);
	cr_expect_eq(arrived(), 2);
	cr_expect_eq(back_n, 0);
}

Test(parcel, what_nobody_has_room_for_comes_back_once)
{
	parcel_add(&p, 7, slice_of("event"));
	parcel_add(&p, 9, slice_of("event"));
	cr_expect_eq(parcel_go(&p, push, take_back, &p), 0);
	cr_assert_eq(back_n, 2);
	cr_expect_eq(back[0], 7);
	cr_expect_eq(back[1], 9);
	cr_expect_eq(parcel_go(&p, push, take_back, &p), 0);
	cr_expect_eq(back_n, 2, "it is empty then");
}

Test(parcel, it_is_used_again_after_it_went_or_not)
{
	parcel_add(&p, 1, slice_of("event"));
	parcel_go(&p, push, take_back, &p);
	somebody_comes();
	cr_expect_not(parcel_add(&p, 2, slice_of("event")));
	cr_expect_eq(parcel_go(&p, push, take_back, &p), 1);
	cr_expect_eq(arrived(), 1);
}

Test(parcel, an_empty_one_sends_nothing)
{
	cr_expect_eq(parcel_go(&p, push, take_back, &p), 0);
	cr_expect_eq(back_n, 0);
}

Test(parcel, a_message_of_too_many_frames_is_no_bundle)
{
	msgpack_sbuffer out;
	struct slice rest, frame;
	size_t n = 0;

	msgpack_sbuffer_init(&out);
	for (size_t i = 0; i < FRAMES_PER_BUNDLE; i++)
		bundle_add(&out, slice_of(""));
	rest = bundle_of(out.data, out.size);
	while (bundle_next(&rest, &frame))
		n++;
	cr_expect(n == FRAMES_PER_BUNDLE && rest.n == 0);
	bundle_add(&out, slice_of(""));
	rest = bundle_of(out.data, out.size);
	cr_expect_not(bundle_next(&rest, &frame));
	cr_expect_eq(rest.n, 1);
	msgpack_sbuffer_destroy(&out);
}
