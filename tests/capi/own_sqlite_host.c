/* A program with functions of its own that have names of SQLite's and zlib's, as one that contains
 * another release of them. Usage: own_sqlite_host [expect-calls]; built and run by
 * own_symbols_test.sh and without_server_test.sh. With an argument it succeeds only if one of them
 * was called. */
#include <string.h>

#include "check.h"
#include "own_names.h"

OWN(sqlite3_libversion)
OWN(sqlite3_libversion_number)
OWN(sqlite3_threadsafe)
OWN(sqlite3_compileoption_used)
OWN(sqlite3_initialize)
OWN(sqlite3_malloc64)
OWN(sqlite3_open_v2)
OWN(sqlite3_exec)
OWN(sqlite3_prepare_v3)
OWN(sqlite3_bind_text64)
OWN(sqlite3_step)
OWN(sqlite3_reset)
OWN(sqlite3_finalize)
OWN(sqlite3_close)
OWN(crc32)
OWN(deflateInit_)
OWN(deflate)
OWN(inflateInit_)
OWN(inflate)

static void the_hosts_sqlite_is_not_called(void) {
  tcsync_replica* replica = NULL;
  tcsync_replica_state state;
  tcsync_operation operation;
  memset(&operation, 0, sizeof(operation));
  operation.struct_size = sizeof(operation);
  operation.kind = TCSYNC_OPERATION_CREATE;
  CHECK_OK(tcsync_uuid_random(&operation.task_id, &error));
  CHECK_OK(tcsync_replica_open(NULL, NULL, &replica, &error));
  CHECK_OK(tcsync_replica_commit(replica, &operation, 1, &error));
  memset(&state, 0, sizeof(state));
  state.struct_size = sizeof(state);
  CHECK_OK(tcsync_replica_get_state(replica, &state, &error));
  CHECK_INT(state.tasks, 1);
  tcsync_replica_free(replica);
}

int main(int argc, char** argv) {
  (void)argv;
  must_be_called = argc > 1;
  RUN(the_hosts_sqlite_is_not_called,
      "a program with another release of SQLite cannot keep a replica, or crashes");
  return must_be_called ? 1 : check_exit_status();
}
