/* base - the bare web server that Trotline is measured against: it reads a request's body, drops it
 * and answers 202.
 *
 * One thread over libmicrohttpd with its epoll descriptor in the open, as ingress uses it. In: the
 * port to listen on, on loopback. Out: answers. Ends on SIGTERM. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 4096, IDLE_MS = 1000 };

static const char answer[] = "{\"status\":\"accepted\"}";

static enum MHD_Result
on_access(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *body, size_t *body_n, void **request)
{
	static int begun;
	struct MHD_Response *response;
	enum MHD_Result queued;

	(void)arg, (void)url, (void)method, (void)version, (void)body;
	if (!*request || *body_n > 0) {
		*request = &begun;
		*body_n = 0;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(
		sizeof answer - 1, (void *)(uintptr_t)answer, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(response, "Content-Type", "application/json");
	queued = MHD_queue_response(connection, MHD_HTTP_ACCEPTED, response);
	MHD_destroy_response(response);
	return queued;
}

static struct MHD_Daemon *
start(uint16_t port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return MHD_start_daemon(MHD_USE_EPOLL, port, NULL, NULL, on_access, NULL,
		MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&at, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)CONNECTIONS,
		MHD_OPTION_END);
}

static void
serve(struct MHD_Daemon *daemon)
{
	struct pollfd item = {.fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		.events = POLLIN};
	MHD_UNSIGNED_LONG_LONG wait_ms;

	for (;;) {
		MHD_run(daemon);
		if (MHD_get_timeout(daemon, &wait_ms) != MHD_YES || wait_ms > IDLE_MS)
			wait_ms = IDLE_MS;
		poll(&item, 1, (int)wait_ms);
	}
}

int
main(int argc, char **argv)
{
	struct MHD_Daemon *daemon = argc == 2 ? start((uint16_t)atoi(argv[1])) : NULL;

	if (!daemon) {
		fprintf(stderr, "usage: bench-base PORT, which must be free\n");
		return 1;
	}
	serve(daemon);
}
