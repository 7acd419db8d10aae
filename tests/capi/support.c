#include "support.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void give_up(const char* action, const char* path) {
  fprintf(stderr, "cannot %s %s\n", action, path);
  exit(1);
}

void make_directory(char* path) {
  const char* parent = getenv("TMPDIR");
  if (parent == NULL || *parent == '\0') parent = "/tmp";
  join_path(path, parent, "tcsync-capi-XXXXXX");
  if (mkdtemp(path) == NULL) give_up("create", path);
}

static int remove_entry(const char* path, const struct stat* status, int type, struct FTW* walk) {
  (void)status;
  (void)type;
  (void)walk;
  return remove(path);
}

void remove_directory(const char* path) {
  if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) give_up("remove", path);
}

void join_path(char* path, const char* directory, const char* name) {
  const int length = snprintf(path, PATH_BYTES, "%s/%s", directory, name);
  if (length < 0 || length >= PATH_BYTES) give_up("name a file in", directory);
}

int path_exists(const char* path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

void write_file(const char* path, const char* bytes, size_t size) {
  FILE* file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
    give_up("write", path);
  }
}

char* read_file(const char* path, size_t* size) {
  struct stat status;
  char* bytes = NULL;
  FILE* file = fopen(path, "rb");
  if (file == NULL || fstat(fileno(file), &status) != 0) give_up("open", path);
  *size = (size_t)status.st_size;
  bytes = malloc(*size + 1);
  if (bytes == NULL || fread(bytes, 1, *size, file) != *size) give_up("read", path);
  fclose(file);
  return bytes;
}

tcsync_config* make_config(const char* data_directory) {
  tcsync_config* config = NULL;
  CHECK_OK(tcsync_config_new(&config, &error));
  CHECK_OK(tcsync_config_set(config, "listen", "127.0.0.1:0", &error));
  if (data_directory == NULL) {
    CHECK_OK(tcsync_config_set(config, "storage", "memory", &error));
  } else {
    CHECK_OK(tcsync_config_set(config, "data-dir", data_directory, &error));
  }
  return config;
}

tcsync_engine* open_engine(const char* data_directory) {
  return open_engine_with(data_directory, NULL, NULL);
}

tcsync_engine* open_engine_with(const char* data_directory, const char* option, const char* value) {
  tcsync_engine* engine = NULL;
  tcsync_config* config = make_config(data_directory);
  if (option != NULL) CHECK_OK(tcsync_config_set(config, option, value, &error));
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  CHECK(engine != NULL);
  tcsync_config_free(config);
  return engine;
}

tcsync_queue* make_queue(void) {
  tcsync_queue* queue = NULL;
  CHECK_OK(tcsync_queue_new(&queue, &error));
  CHECK(queue != NULL);
  return queue;
}

tcsync_event next_event(tcsync_queue* queue, int64_t timeout_ms) {
  tcsync_event event;
  memset(&event, 0x5a, sizeof(event));
  event.struct_size = sizeof(event);
  CHECK_OK(tcsync_queue_next(queue, timeout_ms, &event, &error));
  CHECK_INT(event.struct_size, sizeof(event));
  return event;
}

test_store open_store(const char* option, const char* value) {
  test_store opened;
  make_directory(opened.directory);
  opened.engine = open_engine_with(opened.directory, option, value);
  opened.queue = make_queue();
  return opened;
}

void close_engine(test_store* store) {
  tcsync_engine_free(store->engine);
  store->engine = NULL;
}

void reopen_engine(test_store* store) {
  close_engine(store);
  store->engine = open_engine(store->directory);
}

void remove_store(test_store* store) {
  close_engine(store);
  tcsync_queue_free(store->queue);
  remove_directory(store->directory);
}

void add_header(test_request* filled, const char* name, const char* value) {
  tcsync_header* header = &filled->headers[filled->request.header_count++];
  header->name = name;
  header->name_size = strlen(name);
  header->value = value;
  header->value_size = strlen(value);
}

void fill_request(test_request* filled, const char* method, const char* target,
                  const char* client_id, const char* content_type, const char* body,
                  size_t body_size) {
  memset(filled, 0, sizeof(*filled));
  filled->request.struct_size = sizeof(filled->request);
  filled->request.method = method;
  filled->request.method_size = strlen(method);
  filled->request.target = target;
  filled->request.target_size = strlen(target);
  filled->request.headers = filled->headers;
  if (client_id != NULL) add_header(filled, "X-Client-Id", client_id);
  if (content_type != NULL) add_header(filled, "Content-Type", content_type);
  filled->request.body = body;
  filled->request.body_size = body_size;
}

void number_client(char* client_id, int number) {
  snprintf(client_id, TEST_CLIENT_BYTES, "00000000-0000-4000-8000-%012d", number);
}

int take_status(tcsync_response* response) {
  const int status = tcsync_response_status(response);
  tcsync_response_free(response);
  return status;
}

void check_answer(tcsync_response* response, int status, const char* text) {
  const char* body = tcsync_response_body(response, NULL);
  CHECK(body != NULL && strstr(body, text) != NULL);
  CHECK_INT(take_status(response), status);
}

tcsync_pending* begin_version(tcsync_engine* engine, const char* client_id, const char* name,
                              const char* value) {
  test_request filled;
  tcsync_pending* pending = NULL;
  tcsync_response* response = NULL;
  fill_request(&filled, "POST", FIRST_VERSION, client_id, SEGMENT_TYPE, NULL, 0);
  if (name != NULL) add_header(&filled, name, value);
  CHECK_OK(tcsync_engine_begin(engine, &filled.request, &pending, &response, &error));
  CHECK(pending != NULL);
  CHECK(response == NULL);
  return pending;
}

tcsync_response* exchange(tcsync_engine* engine, const char* method, const char* target,
                          const char* client_id, const char* content_type, const char* body,
                          size_t body_size) {
  test_request filled;
  tcsync_response* response = NULL;
  fill_request(&filled, method, target, client_id, content_type, body, body_size);
  CHECK_OK(tcsync_engine_handle(engine, &filled.request, &response, &error));
  CHECK(response != NULL);
  return response;
}

void fill_first_version(test_request* filled, const char* client_id) {
  static const char kSegment[] = "sealed";
  fill_request(filled, "POST", FIRST_VERSION, client_id, SEGMENT_TYPE, kSegment, strlen(kSegment));
}

int add_first_version(tcsync_engine* engine, const char* client_id) {
  test_request filled;
  tcsync_response* response = NULL;
  fill_first_version(&filled, client_id);
  CHECK_OK(tcsync_engine_handle(engine, &filled.request, &response, &error));
  CHECK(response != NULL);
  return take_status(response);
}

test_server start_server(const char* option, const char* value) {
  test_server started;
  tcsync_config* config = make_config(NULL);
  if (option != NULL) CHECK_OK(tcsync_config_set(config, option, value, &error));
  started = serve(config);
  tcsync_config_free(config);
  return started;
}

test_server serve(const tcsync_config* config) {
  test_server started = {NULL, NULL, NULL};
  CHECK_OK(tcsync_listener_bind(config, &started.listener, &error));
  CHECK_OK(tcsync_engine_open(config, &started.engine, &error));
  CHECK_OK(tcsync_listener_serve(started.listener, started.engine, &error));
  started.url = tcsync_listener_address(started.listener, 0);
  return started;
}

void stop_server(test_server* started) {
  tcsync_listener_stop(started->listener);
  tcsync_listener_free(started->listener);
  tcsync_engine_free(started->engine);
}

tcsync_key* make_user(char* client_id) {
  tcsync_bytes* generated_id = NULL;
  tcsync_bytes* secret = NULL;
  tcsync_key* key = NULL;
  CHECK_OK(tcsync_credentials_generate(&generated_id, &secret, &error));
  CHECK_INT(tcsync_bytes_size(generated_id), TEST_CLIENT_BYTES - 1);
  snprintf(client_id, TEST_CLIENT_BYTES, "%s", tcsync_bytes_data(generated_id));
  CHECK_OK(tcsync_key_derive(client_id, tcsync_bytes_data(secret), tcsync_bytes_size(secret), &key,
                             &error));
  tcsync_bytes_free(generated_id);
  tcsync_bytes_free(secret);
  return key;
}

void check_sealing(const tcsync_key* key) {
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* opened = NULL;
  CHECK_OK(tcsync_seal(key, NIL_VERSION, "plaintext", 9, &sealed, &error));
  CHECK_OK(tcsync_unseal(key, NIL_VERSION, tcsync_bytes_data(sealed), tcsync_bytes_size(sealed),
                         &opened, &error));
  CHECK_TEXT(tcsync_bytes_data(opened), "plaintext");
  tcsync_bytes_free(sealed);
  tcsync_bytes_free(opened);
}

tcsync_remote_options without_proxy(void) {
  tcsync_remote_options options;
  memset(&options, 0, sizeof(options));
  options.struct_size = sizeof(options);
  options.proxy = "";
  return options;
}

tcsync_remote* open_remote(const char* url, const char* client_id, const tcsync_key* key) {
  const tcsync_remote_options options = without_proxy();
  tcsync_remote* remote = NULL;
  CHECK_OK(tcsync_remote_open(url, client_id, key, &options, &remote, &error));
  CHECK(remote != NULL);
  return remote;
}

tcsync_code ask_for_snapshot(tcsync_remote* remote, tcsync_error** error) {
  tcsync_uuid version_id;
  int32_t outcome = -1;
  tcsync_bytes* plaintext = NULL;
  const tcsync_code code =
      tcsync_remote_get_snapshot(remote, &outcome, &version_id, &plaintext, error);
  if (code == TCSYNC_OK) CHECK_INT(outcome, TCSYNC_OUTCOME_NO_SNAPSHOT);
  CHECK(plaintext == NULL);
  return code;
}

raw_server start_raw_server(void) {
  raw_server started;
  struct sockaddr_in address;
  socklen_t size = sizeof(address);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  started.socket = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_INT(bind(started.socket, (struct sockaddr*)&address, size), 0);
  CHECK_INT(listen(started.socket, 64), 0);
  CHECK_INT(getsockname(started.socket, (struct sockaddr*)&address, &size), 0);
  snprintf(started.url, sizeof(started.url), "http://127.0.0.1:%d", ntohs(address.sin_port));
  return started;
}
