/* What several tests of the C ABI need: temporary directories, files, requests, and servers. */
#ifndef TCSYNC_TESTS_CAPI_SUPPORT_H_
#define TCSYNC_TESTS_CAPI_SUPPORT_H_

#include <stddef.h>

#include "tcsync.h"

#define CLIENT_A "b2f16405-dff1-413e-9117-cde1c959bd25"
#define CLIENT_B "615cbc21-49ee-4d30-a5ed-6e24bd602be5"
#define NIL_VERSION "00000000-0000-0000-0000-000000000000"
#define SEGMENT_TYPE "application/vnd.taskchampion.history-segment"
#define SNAPSHOT_TYPE "application/vnd.taskchampion.snapshot"

/* All of these end the program when the test machine, not tcsync, fails them. */

/* Makes a new directory, which remove_directory removes with all that is in it. `path` has room for
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

/* A request of the sync protocol. `client_id`, `content_type` and `body` may be NULL, which leaves
 * them out. */
typedef struct test_request {
  tcsync_request request;
  tcsync_header headers[4];
} test_request;
void fill_request(test_request* filled, const char* method, const char* target,
                  const char* client_id, const char* content_type, const char* body,
                  size_t body_size);

/* Sends it and waits; NULL when that failed, which has then been reported. */
tcsync_response* exchange(tcsync_engine* engine, const char* method, const char* target,
                          const char* client_id, const char* content_type, const char* body,
                          size_t body_size);

/* An engine of make_config(NULL), served on 127.0.0.1; `option`, unless NULL, is set to `value`. */
typedef struct test_server {
  tcsync_engine* engine;
  tcsync_listener* listener;
  const char* url;
} test_server;
test_server start_server(const char* option, const char* value);
void stop_server(test_server* started);

/* Defaults, and no proxy whatever the environment says. */
tcsync_remote_options without_proxy(void);
tcsync_remote* open_remote(const char* url, const char* client_id, const tcsync_key* key);

#endif /* TCSYNC_TESTS_CAPI_SUPPORT_H_ */
