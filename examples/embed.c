/*
 * embed.c - read this first if your program is in C, or in a language that calls C.
 *
 * A whole sync server inside a program, without a socket: a program that has an HTTP server of its
 * own passes each request to tcsync_engine_handle and sends back the answer. Here the program is
 * also the replica: it makes a new user, seals a history segment, adds it as a version, fetches it
 * again and unseals it.
 *
 * Run: embed_c DATA_DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tcsync.h>

#define NIL_VERSION "00000000-0000-0000-0000-000000000000"

/* Checks every call that can fail. Decide by the code; show the message to people. `error` is a
 * pointer, because C may read one argument before it makes the call that is another. */
static void check(const char* step, tcsync_code code, tcsync_error** error) {
  if (code == TCSYNC_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", step, tcsync_error_message(*error), tcsync_code_name(code));
  if (TCSYNC_COARSE(code) == TCSYNC_IN_USE) {
    fprintf(stderr, "Is another program using the same data directory?\n");
  }
  tcsync_error_free(*error);
  exit(1); /* a program that continues frees its handles; see the end of main */
}

/* The library's log: recoveries, refusals and their reasons. Called on its threads. */
static void on_log(void* user_data, const tcsync_log_record* record) {
  (void)user_data;
  if (tcsync_log_record_level(record) < TCSYNC_LOG_WARNING) return;
  fprintf(stderr, "tcsync: %s\n", tcsync_log_record_text(record));
}

static tcsync_header header(const char* name, const char* value) {
  tcsync_header result;
  result.name = name;
  result.name_size = strlen(name);
  result.value = value;
  result.value_size = strlen(value);
  return result;
}

/* Sends one request of a client to the engine, as a program does for its HTTP server. */
static tcsync_response* handle(tcsync_engine* engine, const char* method, const char* target,
                               const char* client_id, const char* body, size_t body_size) {
  tcsync_header headers[2];
  tcsync_request request;
  tcsync_response* response = NULL;
  tcsync_error* error = NULL;

  headers[0] = header("X-Client-Id", client_id);
  headers[1] = header("Content-Type", "application/vnd.taskchampion.history-segment");
  memset(&request, 0, sizeof request); /* zero is every field's default, also of later ones */
  request.struct_size = sizeof request;
  request.method = method;
  request.method_size = strlen(method);
  request.target = target;
  request.target_size = strlen(target);
  request.headers = headers;
  request.header_count = 2;
  request.body = body;
  request.body_size = body_size;
  check(method, tcsync_engine_handle(engine, &request, &response, &error), &error);
  return response;
}

int main(int argc, char** argv) {
  static const char plaintext[] = "{\"operations\":[]}";
  tcsync_error* error = NULL;
  tcsync_config* config = NULL;
  tcsync_engine* engine = NULL;
  tcsync_bytes* client_id = NULL;
  tcsync_bytes* secret = NULL;
  tcsync_key* key = NULL;
  tcsync_bytes* sealed = NULL;
  tcsync_bytes* unsealed = NULL;
  tcsync_response* added = NULL;
  tcsync_response* child = NULL;
  const char* body;
  size_t body_size;

  if (argc != 2) {
    fprintf(stderr, "usage: %s DATA_DIR\n", argv[0]);
    return 2;
  }
  printf("tcsync %s\n", tcsync_version());

  /* Every option is set by its name; docs/options.md lists them. */
  check("config", tcsync_config_new(&config, &error), &error);
  check("data-dir", tcsync_config_set(config, "data-dir", argv[1], &error), &error);
  check("memory-budget", tcsync_config_set(config, "memory-budget", "32M", &error), &error);
  check("log", tcsync_config_set_log(config, on_log, NULL, &error), &error);
  check("open", tcsync_engine_open(config, &engine, &error), &error);
  tcsync_config_free(config); /* the engine has its own copy */

  /* A new user. These two strings go into the configuration of each of the user's computers. */
  check("credentials", tcsync_credentials_generate(&client_id, &secret, &error), &error);
  check("key",
        tcsync_key_derive(tcsync_bytes_data(client_id), tcsync_bytes_data(secret),
                          tcsync_bytes_size(secret), &key, &error),
        &error);
  printf("new user %s\n", tcsync_bytes_data(client_id));

  /* The first version. A history segment is sealed together with its parent's version ID. */
  check("seal", tcsync_seal(key, NIL_VERSION, plaintext, strlen(plaintext), &sealed, &error),
        &error);
  added =
      handle(engine, "POST", "/v1/client/add-version/" NIL_VERSION, tcsync_bytes_data(client_id),
             tcsync_bytes_data(sealed), tcsync_bytes_size(sealed));
  printf("add-version: %d, version %s\n", tcsync_response_status(added),
         tcsync_response_header_value(added, "X-Version-Id"));

  /* Another of the user's computers asks for the child of its latest version, nil so far. */
  child = handle(engine, "GET", "/v1/client/get-child-version/" NIL_VERSION,
                 tcsync_bytes_data(client_id), NULL, 0);
  body = tcsync_response_body(child, &body_size);
  check("unseal",
        tcsync_unseal(key, tcsync_response_header_value(child, "X-Parent-Version-Id"), body,
                      body_size, &unsealed, &error),
        &error);
  printf("get-child-version: %d, %s\n", tcsync_response_status(child), tcsync_bytes_data(unsealed));

  /* An error with a code: the same bytes with one changed do not unseal. */
  {
    char* changed = malloc(body_size);
    tcsync_bytes* nothing = NULL;
    tcsync_code code;
    if (changed == NULL) return 1;
    memcpy(changed, body, body_size);
    changed[body_size - 1] ^= 1;
    code = tcsync_unseal(key, NIL_VERSION, changed, body_size, &nothing, &error);
    printf("one bit changed: %s\n", tcsync_code_name(code));
    tcsync_error_free(error);
    free(changed);
  }

  /* Every _free and _close accepts NULL, so one list of them serves every way out. */
  tcsync_response_free(child);
  tcsync_response_free(added);
  tcsync_bytes_free(unsealed);
  tcsync_bytes_free(sealed);
  tcsync_key_free(key);
  tcsync_bytes_free(secret);
  tcsync_bytes_free(client_id);
  tcsync_engine_free(engine);
  return 0;
}
