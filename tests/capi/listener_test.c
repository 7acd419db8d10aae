/* The listener, through real sockets. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "support.h"

static tcsync_listener* bind_listener(const char* addresses) {
  tcsync_listener* listener = NULL;
  tcsync_config* config = make_config(NULL);
  CHECK_OK(tcsync_config_set(config, "listen", addresses, &error));
  CHECK_OK(tcsync_listener_bind(config, &listener, &error));
  CHECK(listener != NULL);
  tcsync_config_free(config);
  return listener;
}

static int port_of(const tcsync_listener* listener, size_t index) {
  const char* address = tcsync_listener_address(listener, index);
  int port = 0;
  CHECK(address != NULL && sscanf(address, "http://127.0.0.1:%d", &port) == 1 && port > 0);
  return port;
}

/* The longest wait of a test for a byte; it only bounds the duration of a failure. */
static int with_deadline(int connection) {
  const struct timeval deadline = {30, 0};
  CHECK_INT(setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
  return connection;
}

static int connect_to_port(int port) {
  struct sockaddr_in address;
  const int connection = with_deadline(socket(AF_INET, SOCK_STREAM, 0));
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_INT(connect(connection, (struct sockaddr*)&address, sizeof(address)), 0);
  return connection;
}

static int connect_to_path(const char* path) {
  struct sockaddr_un address;
  const int connection = with_deadline(socket(AF_UNIX, SOCK_STREAM, 0));
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  CHECK(strlen(path) < sizeof(address.sun_path));
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
  CHECK_INT(connect(connection, (struct sockaddr*)&address, sizeof(address)), 0);
  return connection;
}

static void send_text(int connection, const char* text) {
  size_t sent = 0;
  const size_t size = strlen(text);
  while (sent < size) {
    const ssize_t count = send(connection, text + sent, size - sent, 0);
    CHECK(count > 0);
    if (count <= 0) return;
    sent += (size_t)count;
  }
}

/* Reads until the other side closes, into `answer` as a C string; closes. */
static void receive_all(int connection, char* answer, size_t room) {
  size_t size = 0;
  ssize_t count = 0;
  while (size + 1 < room) {
    count = recv(connection, answer + size, room - 1 - size, 0);
    if (count <= 0) break;
    size += (size_t)count;
  }
  CHECK_INT(count, 0);
  answer[size] = '\0';
  close(connection);
}

#define GET_ROOT "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#define IS_OK "HTTP/1.1 200 "

static int starts_with(const char* text, const char* start) {
  return strncmp(text, start, strlen(start)) == 0;
}

static void serves_over_tcp(void) {
  char answer[8192];
  tcsync_engine* engine = open_engine(NULL);
  tcsync_listener* listener = bind_listener("127.0.0.1:0");
  int connection = 0;
  CHECK_INT(tcsync_listener_address_count(listener), 1);
  CHECK(tcsync_listener_address(listener, 1) == NULL);
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  connection = connect_to_port(port_of(listener, 0));
  send_text(connection, GET_ROOT);
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));

  connection = connect_to_port(port_of(listener, 0));
  send_text(connection, "POST /v1/client/add-version/" NIL_VERSION
                        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "X-Client-Id: " CLIENT_A "\r\nContent-Type: " SEGMENT_TYPE
                        "\r\nContent-Length: 6\r\n\r\nsealed");
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));
  connection = connect_to_port(port_of(listener, 0));
  send_text(connection, "GET /v1/client/get-child-version/" NIL_VERSION
                        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "X-Client-Id: " CLIENT_A "\r\n\r\n");
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));
  CHECK(strstr(answer, "\r\n\r\nsealed") != NULL);

  tcsync_listener_stop(listener);
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
}

static void connections_wait_for_the_engine(void) {
  char answer[8192];
  tcsync_listener* listener = bind_listener("127.0.0.1:0");
  tcsync_engine* engine = NULL;
  const int connection = connect_to_port(port_of(listener, 0));
  send_text(connection, GET_ROOT);
  engine = open_engine(NULL);
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
}

static void serves_several_addresses(void) {
  char directory[PATH_BYTES];
  char path[PATH_BYTES];
  char addresses[2 * PATH_BYTES];
  char expected[PATH_BYTES + 8];
  char answer[8192];
  int connection = 0;
  tcsync_engine* engine = open_engine(NULL);
  tcsync_listener* listener = NULL;
  make_directory(directory);
  join_path(path, directory, "socket");
  snprintf(addresses, sizeof(addresses), "127.0.0.1:0, unix:%s", path);
  snprintf(expected, sizeof(expected), "unix:%s", path);
  listener = bind_listener(addresses);
  CHECK_INT(tcsync_listener_address_count(listener), 2);
  CHECK_TEXT(tcsync_listener_address(listener, 1), expected);
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  connection = connect_to_path(path);
  send_text(connection, GET_ROOT);
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));
  connection = connect_to_port(port_of(listener, 0));
  send_text(connection, GET_ROOT);
  receive_all(connection, answer, sizeof(answer));
  CHECK(starts_with(answer, IS_OK));
  tcsync_listener_stop(listener);
  tcsync_listener_free(listener);
  CHECK(!path_exists(path));
  tcsync_engine_free(engine);
  remove_directory(directory);
}

static void check_bind_fails(const char* option, const char* addresses, tcsync_code code,
                             const char* text) {
  tcsync_config* config = make_config(NULL);
  tcsync_listener* listener = (tcsync_listener*)(void*)&config;
  CHECK_OK(tcsync_config_set(config, option, addresses, &error));
  CHECK_FAILS(tcsync_listener_bind(config, &listener, &error), code, text);
  CHECK(listener == NULL);
  tcsync_config_free(config);
}

static void wrong_addresses_are_refused(void) {
  char poison = 0;
  tcsync_listener* listener = (tcsync_listener*)(void*)&poison;
  tcsync_config* config = make_config(NULL);
  check_bind_fails("listen", "nonsense", TCSYNC_INVALID_ADDRESS, "nonsense");
  check_bind_fails("listen", "127.0.0.1:notaport", TCSYNC_INVALID_ADDRESS, "notaport");
  check_bind_fails("listen", "127.0.0.1:70000", TCSYNC_INVALID_ADDRESS, "70000");
  check_bind_fails("listen", "unix:", TCSYNC_INVALID_ADDRESS, "unix:");
  check_bind_fails("trusted-proxy", "10.0.0.0/33", TCSYNC_INVALID_ADDRESS, "10.0.0.0/33");
  CHECK_FAILS(tcsync_listener_bind(NULL, &listener, &error), TCSYNC_NULL_ARGUMENT, "config");
  CHECK(listener == NULL);
  CHECK_FAILS(tcsync_listener_bind(config, NULL, &error), TCSYNC_NULL_ARGUMENT, "listener");
  tcsync_config_free(config);
}

static void an_address_has_one_listener(void) {
  char address[64];
  char two_addresses[128];
  char directory[PATH_BYTES];
  char path[PATH_BYTES];
  char unix_address[PATH_BYTES + 8];
  tcsync_listener* listener = bind_listener("127.0.0.1:0");
  snprintf(address, sizeof(address), "127.0.0.1:%d", port_of(listener, 0));
  check_bind_fails("listen", address, TCSYNC_IN_USE, address);
  snprintf(two_addresses, sizeof(two_addresses), "127.0.0.1:0, %s", address);
  check_bind_fails("listen", two_addresses, TCSYNC_IN_USE, address);
  tcsync_listener_free(listener);
  tcsync_listener_free(bind_listener(address));

  make_directory(directory);
  join_path(path, directory, "socket");
  snprintf(unix_address, sizeof(unix_address), "unix:%s", path);
  listener = bind_listener(unix_address);
  check_bind_fails("listen", unix_address, TCSYNC_IN_USE, path);
  CHECK(path_exists(path));
  tcsync_listener_free(listener);
  CHECK(!path_exists(path));
  remove_directory(directory);
}

static void unusable_addresses_are_system_errors(void) {
  /* 192.0.2.0/24 is for documentation, and no machine has an address in it (RFC 5737). */
  check_bind_fails("listen", "192.0.2.1:0", TCSYNC_SYSTEM, "192.0.2.1");
  check_bind_fails("listen", "unix:/no/such/directory/socket", TCSYNC_SYSTEM,
                   "/no/such/directory/socket");
}

static void a_listener_serves_only_once(void) {
  tcsync_engine* engine = open_engine(NULL);
  tcsync_listener* listener = bind_listener("127.0.0.1:0");
  CHECK_FAILS(tcsync_listener_serve(NULL, engine, &error), TCSYNC_NULL_ARGUMENT, "listener");
  CHECK_FAILS(tcsync_listener_serve(listener, NULL, &error), TCSYNC_NULL_ARGUMENT, "engine");
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_INVALID_ARGUMENT, "already");
  tcsync_listener_stop(listener);
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_INVALID_ARGUMENT, "stopped");
  tcsync_listener_free(listener);

  /* Stopped before it ever served. */
  listener = bind_listener("127.0.0.1:0");
  tcsync_listener_stop(listener);
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_INVALID_ARGUMENT, "stopped");
  tcsync_listener_free(listener);

  /* Freed while it serves. */
  listener = bind_listener("127.0.0.1:0");
  CHECK_OK(tcsync_listener_serve(listener, engine, &error));
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
}

#if defined(__linux__) && !defined(SANITIZED)
/* Without room for a thread's stack. */
static void serving_fails_when_no_thread_can_start(void) {
  struct rlimit before;
  struct rlimit none;
  tcsync_engine* engine = open_engine(NULL);
  tcsync_listener* listener = bind_listener("127.0.0.1:0");
  CHECK_INT(getrlimit(RLIMIT_AS, &before), 0);
  none = before;
  none.rlim_cur = 1;
  CHECK_INT(setrlimit(RLIMIT_AS, &none), 0);
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_SYSTEM, "thread");
  CHECK_INT(setrlimit(RLIMIT_AS, &before), 0);
  CHECK_FAILS(tcsync_listener_serve(listener, engine, &error), TCSYNC_INVALID_ARGUMENT, "stopped");
  tcsync_listener_free(listener);
  tcsync_engine_free(engine);
}
#endif

int main(void) {
  /* A connection that the listener closed early is a failed check, not the end of the program. */
  signal(SIGPIPE, SIG_IGN);
#if defined(__linux__) && !defined(SANITIZED)
  /* First: the stack of a thread that has ended would be used again. */
  RUN(serving_fails_when_no_thread_can_start,
      "a program takes a lack of threads for a mistake of its own");
#endif
  RUN(serves_over_tcp, "replicas cannot sync with a program that embeds the server");
  RUN(connections_wait_for_the_engine, "replicas fail while a server starts");
  RUN(serves_several_addresses, "a proxy on the same machine cannot use a Unix socket");
  RUN(wrong_addresses_are_refused, "a typing error in an address goes unnoticed");
  RUN(an_address_has_one_listener, "a second server starts silently, or takes the first's socket");
  RUN(unusable_addresses_are_system_errors, "people look for a typing error that is not there");
  RUN(a_listener_serves_only_once, "a mistake in an embedding program crashes it");
  return check_exit_status();
}
