#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void give_up(const char* what, const char* path) {
  fprintf(stderr, "cannot %s %s\n", what, path);
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
  tcsync_engine* engine = NULL;
  tcsync_config* config = make_config(data_directory);
  CHECK_OK(tcsync_engine_open(config, &engine, &error));
  CHECK(engine != NULL);
  tcsync_config_free(config);
  return engine;
}

static void add_header(test_request* filled, const char* name, const char* value) {
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

test_server start_server(const char* option, const char* value) {
  test_server started;
  tcsync_config* config = make_config(NULL);
  if (option != NULL) CHECK_OK(tcsync_config_set(config, option, value, &error));
  CHECK_OK(tcsync_listener_bind(config, &started.listener, &error));
  CHECK_OK(tcsync_engine_open(config, &started.engine, &error));
  CHECK_OK(tcsync_listener_serve(started.listener, started.engine, &error));
  started.url = tcsync_listener_address(started.listener, 0);
  tcsync_config_free(config);
  return started;
}

void stop_server(test_server* started) {
  tcsync_listener_stop(started->listener);
  tcsync_listener_free(started->listener);
  tcsync_engine_free(started->engine);
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
