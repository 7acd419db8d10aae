/* The common part of several tests of the C ABI: temporary directories, files, engines, requests,
 * and servers. */
#ifndef TCSYNC_TESTS_CAPI_SUPPORT_H_
#define TCSYNC_TESTS_CAPI_SUPPORT_H_

#include <stddef.h>

#include "tcsync.h"

#define CLIENT_A "b2f16405-dff1-413e-9117-cde1c959bd25"
#define CLIENT_B "615cbc21-49ee-4d30-a5ed-6e24bd602be5"
#define NIL_VERSION "00000000-0000-0000-0000-000000000000"
#define SEGMENT_TYPE "application/vnd.taskchampion.history-segment"
#define SNAPSHOT_TYPE "application/vnd.taskchampion.snapshot"
/* Where a client adds its first version, and gets it. */
#define FIRST_VERSION "/v1/client/add-version/" NIL_VERSION
#define FIRST_CHILD "/v1/client/get-child-version/" NIL_VERSION

/* Far longer than anything that these tests wait for. */
enum { TEST_DEADLINE_MS = 60000 };

/* All of these end the program when the test machine, not tcsync, fails. */

/* Makes a new directory, which remove_directory removes with its content. `path` has room for
 * PATH_BYTES. */
#define PATH_BYTES 4096
void make_directory(char* path);
void remove_directory(const char* path);
/* `directory`/`name`, into `path`, which has room for PATH_BYTES. */
void join_path(char* path, const char* directory, const char* name);
int path_exists(const char* path);
void write_file(const char* path, const char* bytes, size_t size);
/* The whole file, for free(). */
char* read_file(const char* path, size_t* size);

/* A configuration whose storage is "memory", or "rocksdb" in `data_directory` when that is not
 * NULL; it listens on a free port of 127.0.0.1. */
tcsync_config* make_config(const char* data_directory);
/* An open engine of make_config(data_directory). */
tcsync_engine* open_engine(const char* data_directory);
/* The same, with `option` set to `value` unless `option` is NULL. */
tcsync_engine* open_engine_with(const char* data_directory, const char* option, const char* value);
tcsync_queue* make_queue(void);

/* A server of a test's own on 127.0.0.1: the socket listens, and whatever the test does not answer
 * stays unanswered. The test closes it. */
typedef struct raw_server {
  int socket;
  char url[64];
} raw_server;
raw_server start_raw_server(void);

/* The next event, or TCSYNC_EVENT_NONE when none comes in that time. */
tcsync_event next_event(tcsync_queue* queue, int64_t timeout_ms);

/* An engine that stores in a new directory of its own, and a queue. */
typedef struct test_store {
  char directory[PATH_BYTES];
  tcsync_engine* engine;
  tcsync_queue* queue;
} test_store;
test_store open_store(const char* option, const char* value);
/* Frees the engine before its time, and opens another one on the same directory. */
void close_engine(test_store* store);
void reopen_engine(test_store* store);
/* Frees the remaining handles, and removes the directory. */
void remove_store(test_store* store);

/* A request of the sync protocol. `client_id`, `content_type` and `body` may be NULL, which leaves
 * them out. */
typedef struct test_request {
  tcsync_request request;
  tcsync_header headers[4];
} test_request;
void fill_request(test_request* filled, const char* method, const char* target,
                  const char* client_id, const char* content_type, const char* body,
                  size_t body_size);
/* One more header; the texts are borrowed. */
void add_header(test_request* filled, const char* name, const char* value);
/* The client ID made from a number; there is room for TEST_CLIENT_BYTES. */
enum { TEST_CLIENT_BYTES = 37 };
void number_client(char* client_id, int number);
/* The status of a response, which this frees. */
int take_status(tcsync_response* response);
/* Checks a response's status, and that `text` is in its body, and frees it. */
void check_answer(tcsync_response* response, int status, const char* text);

/* Begins the first version of a client, which must not be answered by its head. It has the header
 * `name`, unless that is NULL. */
tcsync_pending* begin_version(tcsync_engine* engine, const char* client_id, const char* name,
                              const char* value);

/* Sends it and waits; NULL after a failure, which has then been reported. */
tcsync_response* exchange(tcsync_engine* engine, const char* method, const char* target,
                          const char* client_id, const char* content_type, const char* body,
                          size_t body_size);
/* Adds "sealed" as the first version of a client: the request, and the whole exchange, which
 * returns the status. */
void fill_first_version(test_request* filled, const char* client_id);
int add_first_version(tcsync_engine* engine, const char* client_id);

/* An engine of make_config(NULL), served on 127.0.0.1; `option`, unless NULL, is set to `value`. */
typedef struct test_server {
  tcsync_engine* engine;
  tcsync_listener* listener;
  const char* url;
} test_server;
test_server start_server(const char* option, const char* value);
/* The same with a configuration of the test's own, which stays the test's. */
test_server serve(const tcsync_config* config);
void stop_server(test_server* started);

/* The key of a new user, whose client ID goes to `client_id`, which has room for TEST_CLIENT_BYTES.
 */
tcsync_key* make_user(char* client_id);
/* Checks that bytes sealed with the key can be unsealed with it. */
void check_sealing(const tcsync_key* key);

/* Defaults, and no proxy in any environment. */
tcsync_remote_options without_proxy(void);
tcsync_remote* open_remote(const char* url, const char* client_id, const tcsync_key* key);
/* Asks for the snapshot of a client without one, and checks an answer. */
tcsync_code ask_for_snapshot(tcsync_remote* remote, tcsync_error** error);

#endif /* TCSYNC_TESTS_CAPI_SUPPORT_H_ */
